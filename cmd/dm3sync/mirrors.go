package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// mirrorOf is the account's mirror of that name. The error says which ones there are.
func mirrorOf(account *config.Account, name string) (*config.Mirror, error) {
	if m := account.Mirror(name); m != nil {
		return m, nil
	}
	if len(account.Mirrors) == 0 {
		return nil, usagef("the account has no mirror %q, nor any other", name)
	}
	names := make([]string, len(account.Mirrors))
	for i := range account.Mirrors {
		names[i] = account.Mirrors[i].Name
	}
	return nil, usagef("the account has no mirror %q; there are: %s", name, strings.Join(names, ", "))
}

// writeMirrors says how an account's mirrors are.
func (p *program) writeMirrors(w *strings.Builder, account string, mirrors []mirror.Status) {
	under := p.moveOf(account)
	for _, m := range mirrors {
		title := "mirror " + m.Name
		switch {
		case under.Step == stepCopying && under.Back && m.Name == under.Target:
			title += " (the old place: `dm3sync move --abort` goes on with the way back, --finish lets it go)"
		case under.Step == stepCopying && m.Name == under.Target:
			title += " (the new place: `dm3sync move` goes on with the move, --abort gives it up)"
		case under.Step == stepSwitched && m.Name == under.Old:
			title += " (the old place: other devices may write there; `dm3sync move --finish` lets it go)"
		case m.Shared:
			title += " (shared: other devices may write there)"
		}
		fmt.Fprintf(w, "  %s\n", title)
		rows := [][]string{
			{"    place", plain(m.Place)},
			{"    state", mirrorStateText(m)},
			{"    last success", ago(m.LastSuccess, p.now())},
		}
		if m.LastError != "" {
			rows = append(rows, []string{"    last error", reason(m.LastError)})
		}
		if m.Warning != "" {
			rows = append(rows, []string{"    warning", reason(m.Warning)})
		}
		table(w, rows)
		for i, problem := range m.Problems {
			fmt.Fprintf(w, "    problem: %s\n", p.problemText(problem))
			explain(w, "      ", m.Problems[:i], problem, display.MirrorProblem)
		}
		if len(m.Healed) > 0 && p.now().Sub(m.Healed[0].Until) <= healedLately {
			fmt.Fprintf(w, "    healed: %s, %s: %s\n", m.Healed[0].Kind, ago(m.Healed[0].Until, p.now()), plain(m.Healed[0].How))
		}
		if len(m.Alarms.Raised) > 0 {
			fmt.Fprintf(w, "    alarms in all: %s\n", countsText(m.Alarms.Raised))
		}
	}
}

func mirrorStateText(m mirror.Status) string {
	text := m.State
	if m.Waiting > 0 {
		text += ", lacks " + plural(m.Waiting, "object")
	}
	return text + ", holds " + plural(m.Objects, "object")
}

// mirrorReportText says what came of one mirror, in a line.
func mirrorReportText(r api.MirrorReport) string {
	if r.Error != "" {
		return "failed: " + reason(r.Error)
	}
	text := fmt.Sprintf("%s copied (%s)", plural(r.Copied, "object"), humanize.Bytes(uint64(max(r.Bytes, 0))))
	for _, part := range []struct {
		count int
		word  string
	}{{r.Restored, "given back"}, {r.Removed, "removed"}, {r.Mended, "mended"}, {r.Waiting, "waiting"}} {
		if part.count > 0 {
			text += fmt.Sprintf(", %d %s", part.count, part.word)
		}
	}
	return text
}

// verifyMirror compares one mirror with the account and mends it: the listings, or with
// Deep every object byte by byte.
func (p *program) verifyMirror(ctx context.Context, name string, o engine.VerifyOptions) error {
	if o.Rate > 0 {
		return usagef("--limit-rate is not for mirrors; the mirror's bytes_per_second is")
	}
	_, account, err := p.chosen()
	if err != nil {
		return err
	}
	if _, err := mirrorOf(account, name); err != nil {
		return err
	}
	return p.with(ctx, func(s *session) error {
		reports, err := p.mirrors(ctx, s, api.MirrorWork{Name: name, Whole: true, Verify: o.Deep, Restart: o.Restart})
		if err != nil {
			return err
		}
		missing := 0
		err = p.print(struct {
			Account string             `json:"account"`
			Mirrors []api.MirrorReport `json:"mirrors"`
		}{s.name, reports}, func(w *strings.Builder) {
			for _, r := range reports {
				fmt.Fprintf(w, "mirror %s: %s\n", r.Name, mirrorReportText(r))
				if v := r.Verified; v != nil {
					fmt.Fprintf(w, "%s compared now, %d mended, of %d that the account needs\n", plural(v.Read, "object"), v.Mended, v.Objects)
				}
			}
		})
		for _, r := range reports {
			missing += r.Waiting
			if r.Verified != nil {
				missing += len(r.Verified.Missing)
			}
		}
		if err == nil && missing > 0 {
			err = errProblems
		}
		return err
	})
}
