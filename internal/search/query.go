package search

import (
	"fmt"
	"slices"
	"strings"
)

// clause is one thing that a message must have, or must not have: terms that follow each other.
type clause struct {
	terms  []string
	prefix bool // the last term is the beginning of one
	not    bool
}

// parse reads the text of a query. What is written without a space between is looked for in a row.
func parse(s *splitter, text string) ([]clause, error) {
	if len(text) > MaxQuery {
		return nil, fmt.Errorf("search: %w: it is longer than %d characters; use fewer words", ErrQuery, MaxQuery)
	}
	var clauses []clause
	terms, last := 0, -1 // last is the last word that shall be there, unless it is in quotes
	text = strings.ToValidUTF8(text, " ")
	for {
		piece, quoted, not, rest, ok := next(text)
		if !ok {
			break
		}
		text = rest
		c := clause{not: not, prefix: !quoted && strings.HasSuffix(piece, "*")}
		s.each(piece, func(term string, _, _ int) bool {
			c.terms = append(c.terms, term)
			return true
		})
		if terms += len(c.terms); terms > MaxTerms {
			return nil, fmt.Errorf("search: %w: it has more than %d words; use fewer", ErrQuery, MaxTerms)
		}
		if len(c.terms) == 0 {
			continue
		}
		clauses = append(clauses, c)
		switch {
		case quoted && !not:
			last = -1
		case !not:
			last = len(clauses) - 1
		}
	}
	if last >= 0 {
		clauses[last].prefix = true
	}
	if !slices.ContainsFunc(clauses, func(c clause) bool { return !c.not }) {
		return nil, fmt.Errorf("search: %w: name at least one word that shall be there", ErrQuery)
	}
	return clauses, nil
}

// next cuts a word or a quotation off the front of a query. A quotation that is not closed goes to the end.
func next(text string) (piece string, quoted, not bool, rest string, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", false, false, "", false
	}
	if len(text) > 1 && text[0] == '-' && text[1] != ' ' {
		not, text = true, text[1:]
	}
	if after, found := strings.CutPrefix(text, `"`); found {
		piece, rest, _ = strings.Cut(after, `"`)
		return piece, true, not, rest, true
	}
	end := strings.IndexFunc(text, isSpaceOrQuote)
	if end < 0 {
		end = len(text)
	}
	return text[:end], false, not, text[end:], true
}

func isSpaceOrQuote(r rune) bool {
	return r == '"' || strings.ContainsRune(" \t\r\n\v\f\u00a0\u2003\u3000", r)
}

// span is a piece of a text, in bytes.
type span struct{ start, end int }

// match looks at a text as the index would: found tells whether it has all that it must and nothing that it must not, and
// spans are what is to be marked, in order, one not into the other.
func match(s *splitter, clauses []clause, text string) (spans []span, found bool) {
	var terms []string
	var places []span
	s.each(cut(text, maxText), func(term string, start, end int) bool {
		terms, places = append(terms, term), append(places, span{start, end})
		return len(terms) < maxWords
	})
	found = true
	for _, c := range clauses {
		has := false
		for i := 0; i+len(c.terms) <= len(terms); i++ {
			if !c.at(terms[i:]) {
				continue
			}
			has = true
			if !c.not {
				spans = append(spans, places[i:i+len(c.terms)]...)
			}
		}
		found = found && has != c.not
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	return joined(spans), found
}

// at tells whether a clause's terms are the first of terms.
func (c *clause) at(terms []string) bool {
	for i, want := range c.terms {
		if terms[i] != want && !(c.prefix && i == len(c.terms)-1 && strings.HasPrefix(terms[i], want)) {
			return false
		}
	}
	return true
}

// joined makes one of spans that touch or overlap.
func joined(spans []span) (list []span) {
	for _, s := range spans {
		if n := len(list); n > 0 && s.start <= list[n-1].end {
			list[n-1].end = max(list[n-1].end, s.end)
			continue
		}
		list = append(list, s)
	}
	return list
}

const (
	snippetBefore = 60  // bytes of text before the first match
	snippetBytes  = 240 // of text in all
)

// snippet cuts what is to be shown out of a text, around the first match.
func snippet(text string, spans []span) (parts []Part) {
	start, end := 0, len(text)
	if len(text) > snippetBytes {
		if len(spans) > 0 {
			start = max(0, spans[0].start-snippetBefore)
		}
		start = forward(text, start)
		end = start + len(cut(text[start:], snippetBytes))
	}
	add := func(from, to int, match bool) {
		if from < to {
			parts = append(parts, Part{Text: text[from:to], Match: match})
		}
	}
	if start > 0 {
		parts = append(parts, Part{Text: "…"})
	}
	at := start
	for _, s := range spans {
		from, to := max(s.start, at), min(s.end, end)
		if from >= to {
			continue
		}
		add(at, from, false)
		add(from, to, true)
		at = to
	}
	add(at, end, false)
	if end < len(text) {
		parts = append(parts, Part{Text: "…"})
	}
	return parts
}

// forward goes on to the beginning of a character, and of a word if one begins soon.
func forward(text string, at int) int {
	if at == 0 {
		return 0
	}
	for at < len(text) && text[at]&0xC0 == 0x80 {
		at++
	}
	if space := strings.IndexByte(text[at:min(at+snippetBefore/2, len(text))], ' '); space >= 0 {
		return at + space + 1
	}
	return at
}
