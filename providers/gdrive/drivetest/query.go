package drivetest

import (
	"fmt"
	"strings"
)

// A query is terms joined by " and ", each of one of the forms
//
//	'ID' in parents         'me' in owners        trashed = true|false
//	name = 'TEXT'           mimeType = 'TEXT'     appProperties has { key='K' and value='V' }
//
// and nothing else of Drive's language.
type term func(s *Server, f *entry) bool

// parseQuery reads a whole query; "" matches everything.
func parseQuery(text string) ([]term, error) {
	var all []term
	scanner := &words{rest: text}
	if strings.TrimSpace(text) == "" {
		if text != "" {
			return nil, fmt.Errorf("an empty query")
		}
		return nil, nil
	}
	for {
		one, err := scanner.term()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if scanner.peek() == "" {
			return all, nil
		}
		if err := scanner.expect("and"); err != nil {
			return nil, err
		}
	}
}

// words splits a query into words, signs and quoted texts.
type words struct{ rest string }

// next takes a word; text is what stood in quotes.
func (w *words) next() (word, text string, quoted bool, err error) {
	w.rest = strings.TrimLeft(w.rest, " ")
	if w.rest == "" {
		return "", "", false, nil
	}
	switch c := w.rest[0]; {
	case c == '\'':
		for i := 1; i < len(w.rest); i++ {
			switch w.rest[i] {
			case '\\':
				i++
				if i >= len(w.rest) || w.rest[i] != '\'' && w.rest[i] != '\\' {
					return "", "", false, fmt.Errorf("a wrong escape")
				}
				text += w.rest[i : i+1]
			case '\'':
				w.rest = w.rest[i+1:]
				return "", text, true, nil
			default:
				text += w.rest[i : i+1]
			}
		}
		return "", "", false, fmt.Errorf("a quote without its end")
	case strings.IndexByte("={}", c) >= 0:
		w.rest = w.rest[1:]
		return string(c), "", false, nil
	}
	end := strings.IndexAny(w.rest, " ={}'")
	if end < 0 {
		end = len(w.rest)
	}
	word, w.rest = w.rest[:end], w.rest[end:]
	return word, "", false, nil
}

func (w *words) peek() string {
	return strings.TrimSpace(w.rest)
}

// expect takes the given words.
func (w *words) expect(wanted ...string) error {
	for _, one := range wanted {
		word, text, quoted, err := w.next()
		if err != nil || quoted || word != one {
			return fmt.Errorf("%q is missing, there is %q%q", one, word, text)
		}
	}
	return nil
}

// text takes a quoted text.
func (w *words) text() (string, error) {
	word, text, quoted, err := w.next()
	if err == nil && !quoted {
		err = fmt.Errorf("a text in quotes is missing, there is %q", word)
	}
	return text, err
}

func (w *words) term() (term, error) {
	word, text, quoted, err := w.next()
	if err != nil {
		return nil, err
	}
	if quoted {
		return w.membership(text)
	}
	switch word {
	case "name", "mimeType":
		if err := w.expect("="); err != nil {
			return nil, err
		}
		wanted, err := w.text()
		if word == "name" {
			return func(_ *Server, f *entry) bool { return f.name == wanted }, err
		}
		return func(_ *Server, f *entry) bool { return f.kind == wanted }, err
	case "trashed":
		if err := w.expect("="); err != nil {
			return nil, err
		}
		value, _, quoted, err := w.next()
		if err != nil || quoted || value != "true" && value != "false" {
			return nil, fmt.Errorf("trashed is true or false")
		}
		return func(s *Server, f *entry) bool { return s.trashed(f) == (value == "true") }, nil
	case "appProperties":
		return w.property()
	}
	return nil, fmt.Errorf("the double does not know the term %q", word)
}

func (w *words) membership(text string) (term, error) {
	if err := w.expect("in"); err != nil {
		return nil, err
	}
	word, _, _, err := w.next()
	if err != nil {
		return nil, err
	}
	switch {
	case word == "parents" && text == SpaceAppData:
		return func(_ *Server, f *entry) bool { return f.space == SpaceAppData && f.parent == SpaceAppData }, nil
	case word == "parents":
		return func(_ *Server, f *entry) bool { return f.parent == text }, nil
	case word == "owners" && text == "me":
		return func(_ *Server, f *entry) bool { return f.drive == "" }, nil // a shared drive owns what is in it
	}
	return nil, fmt.Errorf("the double does not know %q in %q", text, word)
}

func (w *words) property() (term, error) {
	if err := w.expect("has", "{", "key", "="); err != nil {
		return nil, err
	}
	key, err := w.text()
	if err != nil {
		return nil, err
	}
	if err := w.expect("and", "value", "="); err != nil {
		return nil, err
	}
	value, err := w.text()
	if err != nil {
		return nil, err
	}
	return func(_ *Server, f *entry) bool {
		found, ok := f.properties[key]
		return ok && found == value
	}, w.expect("}")
}
