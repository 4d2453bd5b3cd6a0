package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) searchCommand() *cobra.Command {
	var q search.Query
	var from, to string
	var fetch bool
	command := &cobra.Command{
		Use:   "search WORDS…",
		Short: "Find messages by their words",
		Long: "Find the messages that have all the WORDS, newest first, in any script and without regard to case and accents. The last\n" +
			"word may be the beginning of one, and so may any with a * at its end; \"words in quotes\" follow each other; a word or\n" +
			"quotation with a minus before it must not be there (put -- before the first such). Each message shows as it reads now.\n" +
			"What is not on this device and never was is not searched: that is said, and --fetch fetches it first.",
		Args: some("WORDS to look for are missing", ""),
		RunE: func(command *cobra.Command, arguments []string) error {
			if q.Contact != "" {
				contact, err := identity.Normalize(q.Contact)
				if err != nil || contact == "" {
					return usagef("--contact: %q is no dm3 name", q.Contact)
				}
				q.Contact = contact
			}
			r, err := p.parseTimes(from, to)
			if err != nil {
				return err
			}
			if q.Limit < 1 || q.Limit > search.MaxLimit {
				return usagef("--last %d: between 1 and %d", q.Limit, search.MaxLimit)
			}
			q.Text, q.From, q.To = quoted(arguments), r.From, r.To
			return p.with(command.Context(), func(s *session) error { return p.search(command.Context(), s, q, fetch) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&q.Contact, "contact", "", "only in the conversation with this `NAME`")
	flags.StringVar(&from, "from", "", "from this `TIME` on (see `dm3sync messages --help`)")
	flags.StringVar(&to, "to", "", "before this `TIME`")
	flags.IntVar(&q.Limit, "last", search.DefaultLimit, "the newest, so many as this `NUMBER` says")
	flags.StringVar(&q.After, "after", "", "go on after the page before, at the `MARK` that it named")
	flags.BoolVar(&fetch, "fetch", false, "fetch what is not on this device, and search that, too")
	return command
}

// quoted joins arguments to one query: what the shell handed over as one, with spaces, was in quotes there.
func quoted(arguments []string) string {
	words := make([]string, len(arguments))
	for i, word := range arguments {
		words[i] = word
		minus := ""
		if len(arguments) > 1 && strings.ContainsAny(word, " \t") && !strings.Contains(word, `"`) {
			if rest, cut := strings.CutPrefix(word, "-"); cut {
				minus, word = "-", rest
			}
			words[i] = minus + `"` + word + `"`
		}
	}
	return strings.Join(words, " ")
}

func (p *program) search(ctx context.Context, s *session, q search.Query, fetch bool) error {
	searcher, ok := s.Account.(api.Searcher)
	if !ok {
		return search.ErrDisabled
	}
	result, err := searcher.Search(ctx, q)
	if err != nil {
		return err
	}
	if fetch && result.MissingFetch > 0 {
		if result, err = p.fetchAndSearch(ctx, s, searcher, q, result); err != nil {
			return err
		}
	}
	if err := p.printStyled(result, func(w *strings.Builder) { p.writeHits(w, &result) }); err != nil {
		return err
	}
	if p.json {
		return nil
	}
	if len(result.Hits) == 0 {
		if err := p.tellNothing(ctx, s, q, &result); err != nil {
			return err
		}
	}
	p.tellMissing(&result)
	return nil
}

// fetchRounds bounds how often gaps are fetched: a result lists some of them at a time.
const fetchRounds = 1000

// fetchAndSearch fetches what a search says is missing, and searches again, until nothing that can be fetched is missing.
func (p *program) fetchAndSearch(ctx context.Context, s *session, searcher api.Searcher, q search.Query, result search.Result) (search.Result, error) {
	shown := p.newProgress()
	defer shown.finish()
	for range fetchRounds {
		before := result.MissingFetch
		for _, gap := range result.Missing {
			if gap.Fetch == 0 {
				continue
			}
			if err := s.Fetch(ctx, gap.Contact, gap.From, gap.To, shown.update); err != nil {
				return result, err
			}
		}
		var err error
		if result, err = p.searchAfterFetch(ctx, searcher, q, before); err != nil {
			return result, err
		}
		if result.MissingFetch == 0 || result.MissingFetch >= before {
			break
		}
	}
	return result, nil
}

// fetchLooks is how often a search is repeated until the index has seen what was fetched.
const (
	fetchLooks = 50
	fetchLook  = 100 * time.Millisecond
)

func (p *program) searchAfterFetch(ctx context.Context, searcher api.Searcher, q search.Query, before int) (result search.Result, err error) {
	for range fetchLooks {
		if result, err = searcher.Search(ctx, q); err != nil || result.MissingFetch < before && result.Waiting == 0 {
			return result, err
		}
		if err := providers.Sleep(ctx, fetchLook); err != nil {
			return result, err
		}
	}
	return result, nil
}

func (p *program) writeHits(w *strings.Builder, result *search.Result) {
	bold := p.isTerminal(p.out)
	for i := range result.Hits {
		hit := &result.Hits[i]
		fmt.Fprintf(w, "%s  %s", when(hit.Timestamp), plain(hit.Contact))
		if hit.Unread != "" {
			fmt.Fprintf(w, "  [%s]\n", reason(hit.Unread))
			continue
		}
		w.WriteString("  " + plain(hit.From) + ": ")
		if hit.Former {
			w.WriteString("[edited; an earlier text has these words] ")
		} else if hit.Edited {
			w.WriteString("[edited] ")
		}
		for _, part := range hit.Snippet {
			text := plain(strings.Join(strings.Fields(part.Text), " "))
			if bold && part.Match {
				text = "\x1b[1m" + text + "\x1b[0m"
			}
			w.WriteString(spaceBefore(part.Text) + text + spaceAfter(part.Text))
		}
		w.WriteString("\n")
	}
}

// spaceBefore and spaceAfter keep words apart that are joined from parts.
func spaceBefore(text string) string {
	if strings.TrimLeft(text, " \t\r\n") != text && strings.TrimSpace(text) != "" {
		return " "
	}
	return ""
}

func spaceAfter(text string) string {
	if strings.TrimRight(text, " \t\r\n") != text {
		return " "
	}
	return ""
}

// shownGaps is how many gaps are shown to people; --json has more.
const shownGaps = 10

// tellNothing says where nothing was found. The index counts all its messages: that number is told only where all were searched.
func (p *program) tellNothing(ctx context.Context, s *session, q search.Query, result *search.Result) error {
	list, err := s.Conversations(ctx)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(list, func(c engine.Conversation) bool { return c.Contact == q.Contact })
	switch {
	case q.Contact != "" && !known:
		return p.tellNone(ctx, s, q.Contact)
	case q.From != 0 || q.To != 0:
		p.note("nothing was found in that time")
	case q.Contact != "":
		p.note("nothing was found in the conversation with %s", plain(q.Contact))
	default:
		p.note("nothing was found in %s", plural(result.Indexed, "message"))
	}
	return nil
}

// tellMissing says, after the hits, what was not searched, and what to do.
func (p *program) tellMissing(result *search.Result) {
	if result.More != "" {
		p.note("there are more; see them with --last %d, or go on with --after %s", search.MaxLimit, result.More)
	}
	if result.Waiting > 0 {
		p.note("%s on this device are not indexed yet; search again in a moment", plural(result.Waiting, "message"))
	}
	if result.MissingFetch > 0 {
		p.note("not searched: about %s that were never on this device; --fetch fetches them (%s)", plural(result.MissingFar, "message"), plural(result.MissingFetch, "object"))
	}
	if result.MissingRoom > 0 {
		p.note("not searched: about %s before %s, for which the index has no room; raise disk under [search]", plural(result.MissingRoom, "message"), when(result.RoomBefore))
	}
	for _, gap := range result.Missing[:min(len(result.Missing), shownGaps)] {
		switch gap.Reason {
		case search.ReasonFar:
			p.note("  %s to %s  %s  %s", when(gap.From), when(gap.To-1), plain(gap.Contact), plural(gap.Messages, "message"))
		case search.ReasonUnreadable:
			p.note("not searched: about %s with %s that can't be read; `dm3sync status` says more", plural(gap.Messages, "message"), plain(gap.Contact))
		}
	}
	if result.Cut > 0 {
		p.note("%s so long that only the beginning is searched", plural(result.Cut, "message"))
	}
	if result.Rebuilt {
		p.note("a part of the index was damaged and is built anew; search again later")
	}
	if result.Problem != "" {
		p.warn(plain(result.Problem))
	}
}
