package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// moveFlags are the flags of move.
type moveFlags struct {
	to, name                       string
	finish, abort, deleteOld, keep bool
	yes                            bool
	place                          *initAnswers
}

func (p *program) moveCommand() *cobra.Command {
	flags := &moveFlags{place: &initAnswers{}}
	command := &cobra.Command{
		Use:   "move",
		Short: "Move an account to another place: copy, compare, switch",
		Long: "Move an account to another place. Everything is copied there while the agent goes on working, compared byte by byte,\n" +
			"and then the configuration is switched; its old text is kept beside it. It may be interrupted at any point: the same\n" +
			"command goes on. The place is a mirror of the configuration (--to), or is named by the flags that init has.\n\n" +
			"The old place is kept, in step with the new one, and what devices write there that have not moved is taken over. Move\n" +
			"every device: it finds everything there. Then --finish lets the old place go, and --abort goes back.",
		Example: "  dm3sync move --folder /mnt/backup/dm3sync\n" +
			"  dm3sync move --bucket dm3 --endpoint https://s3.example.org --access-key-id alice --s3-secret-file s3.secret\n" +
			"  dm3sync move --to friend\n" +
			"  dm3sync move --finish",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if err := p.oneAccount(); err != nil {
				return err
			}
			return p.move(command.Context(), flags)
		},
	}
	set := command.Flags()
	set.StringVar(&flags.to, "to", "", "`NAME` of the mirror that becomes the account's place")
	set.StringVar(&flags.name, "as", "", "the `NAME` of the new place while it is a mirror (with the flags of a place; default: its kind)")
	set.BoolVar(&flags.finish, "finish", false, "let the old place go: what devices still wrote there is taken over a last time")
	set.BoolVar(&flags.keep, "keep", false, "with --finish: the old place goes on as a mirror")
	set.BoolVar(&flags.deleteOld, "delete-old", false, "with --finish: remove the account's objects from the old place")
	set.BoolVar(&flags.yes, "yes", false, "with --delete-old: don't ask")
	set.BoolVar(&flags.abort, "abort", false, "go back to the old place, or give up a move that has not switched yet")
	flags.registerPlace(set)
	return command
}

// registerPlace takes those flags of init that name a place.
func (f *moveFlags) registerPlace(set *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.place.register(all)
	others := map[string]bool{"name": true, "secret-file": true, "form": true, "nonce": true, "new-wallet": true, "data": true, "ask": true, "no-check": true}
	all.VisitAll(func(flag *pflag.Flag) {
		if !others[flag.Name] {
			set.AddFlag(flag)
		}
	})
}

func (f *moveFlags) check() error {
	switch {
	case f.finish && f.abort:
		return usagef("--finish and --abort exclude each other")
	case (f.keep || f.deleteOld) && !f.finish:
		return usagef("--keep and --delete-old go with --finish")
	case f.keep && f.deleteOld:
		return usagef("--keep and --delete-old exclude each other")
	case (f.finish || f.abort) && (f.to != "" || f.place.Kind() != ""):
		return usagef("--finish and --abort are about the move under way: leave out where to")
	case f.to != "" && f.place.Kind() != "":
		return usagef("name the place by --to, or by its own flags, not both")
	}
	return f.place.onePlace()
}

// moveDocument is what move prints.
type moveDocument struct {
	Account  string               `json:"account"`
	Step     string               `json:"step"` // "copying", "switched", "finished", "aborted"
	From     string               `json:"from"`
	To       string               `json:"to"`
	Mirror   *api.MirrorReport    `json:"mirror,omitempty"`
	Verified *engine.Verification `json:"verified,omitempty"`
	Kept     bool                 `json:"kept,omitempty"` // the old place goes on as a mirror
	Left     string               `json:"left,omitempty"` // a place that was given up: what was copied stays there
	Next     string               `json:"next,omitempty"`
}

// errNoMove says that there is nothing to go on with.
var errNoMove = errors.New("no move is under way for this account; begin one with --to, or with the flags of a place")

func (p *program) move(ctx context.Context, flags *moveFlags) error {
	m, err := p.openMove()
	if err != nil {
		return err
	}
	defer func() { _ = m.lock.Unlock() }() // as the end of the process would
	switch {
	case m.state.Step == "" && (flags.finish || flags.abort || flags.to == "" && flags.place.Kind() == ""):
		return usageError{errNoMove}
	case flags.finish:
		return m.finish(ctx, flags)
	case flags.abort:
		return m.abort(ctx)
	case m.state.Step == "":
		if err := m.begin(flags); err != nil {
			return err
		}
	case flags.to != "" && flags.to != m.state.Target || flags.place.Kind() != "":
		return m.underWay()
	}
	document := moveDocument{Account: p.account}
	if err := m.goOn(ctx, &document); err != nil {
		return err
	}
	return p.print(document, document.write)
}

// underWay refuses another move before this one has ended.
func (m *move) underWay() error {
	switch {
	case m.state.Back && m.state.Step == stepCopying:
		return usagef("the way back to %s is under way: `dm3sync move --abort` goes on with it, `dm3sync move --finish` stays here", m.state.Target)
	case m.state.Back:
		return usagef("the move that was aborted is not finished: `dm3sync move --finish` ends it; then move on")
	case m.state.Step == stepSwitched:
		return usagef("the move to the present place is not finished: `dm3sync move --finish` ends it, --abort goes back; then move on")
	}
	return usagef("a move to %s is under way: `dm3sync move` goes on with it, `dm3sync move --abort` gives it up", m.state.Target)
}

// goOn does what is left until the account has moved.
func (m *move) goOn(ctx context.Context, document *moveDocument) error {
	if m.state.Step == stepCopying {
		if err := m.prepare(ctx); err != nil {
			return err
		}
		switched, err := m.isSwitched() // by hand, or before an interruption
		if err == nil && !switched {
			err = m.copy(ctx, document)
		}
		if err == nil {
			err = m.exchange(ctx, m.state.Target, m.state.Old)
		}
		if err == nil {
			m.state.Step = stepSwitched
			err = m.save()
		}
		if err != nil {
			return err
		}
	}
	if err := m.takeOver(ctx, document); err != nil {
		return fmt.Errorf("the account has moved, and the old place is kept; a last look at it failed, run `dm3sync move` again: %w", err)
	}
	account, err := m.account()
	if err != nil {
		return err
	}
	document.Step, document.To = stepSwitched, account.Provider.Place()
	if old := account.Mirror(m.state.Old); old != nil {
		document.From = old.Place()
	}
	document.Next = "move every other device in the same way, then `dm3sync move --finish` lets the old place go; --abort goes back"
	return nil
}

// copy makes the new place complete, while everything goes on, and compares it byte by
// byte.
func (m *move) copy(ctx context.Context, document *moveDocument) error {
	work := api.MirrorWork{Name: m.state.Target, Whole: true, Verify: true, Restart: !m.state.Verifying}
	return m.with(ctx, func(s *session) error {
		if report, err := m.mirror(ctx, s, api.MirrorWork{Name: m.state.Target, Whole: true}); err != nil || report.Waiting > 0 {
			return m.incomplete(report, err)
		}
		m.state.Verifying = true // an interruption goes on with comparing
		if err := m.save(); err != nil {
			return err
		}
		report, err := m.mirror(ctx, s, work)
		if err == nil { // what came meanwhile
			work.Restart, work.Whole = false, false
			report, err = m.mirror(ctx, s, work)
		}
		document.Mirror = report
		if err != nil || report.Waiting > 0 || report.Verified != nil && len(report.Verified.Missing) > 0 {
			return m.incomplete(report, err)
		}
		return nil
	})
}

// incomplete says why the new place can't be switched to.
func (m *move) incomplete(report *api.MirrorReport, err error) error {
	if err != nil {
		return fmt.Errorf("copying to %s (run `dm3sync move` again to go on): %w", m.state.Target, err)
	}
	missing := report.Waiting
	if report.Verified != nil {
		missing = max(missing, len(report.Verified.Missing))
	}
	return fmt.Errorf("nothing was switched: %s can't be had whole at the present place, nor from this device; "+
		"`dm3sync status` and `dm3sync verify --deep` tell more, another device may hold them", plural(missing, "object"))
}

// takeOver brings both places in step after the switch: what was written to the old one
// last, and what the new one has to be told by a scrub.
func (m *move) takeOver(ctx context.Context, document *moveDocument) error {
	return m.with(ctx, func(s *session) error {
		if _, err := s.Sync(ctx, engine.Work{Scrub: true, Settle: true}, nil); err != nil {
			return err
		}
		report, err := m.mirror(ctx, s, api.MirrorWork{Name: m.state.Old, Whole: true})
		document.Mirror = report
		return err
	})
}

// mirror works on one mirror and shows how far it is.
func (m *move) mirror(ctx context.Context, s *session, w api.MirrorWork) (*api.MirrorReport, error) {
	reports, err := m.program.mirrors(ctx, s, w)
	if len(reports) == 1 {
		return &reports[0], err
	}
	if err == nil || errors.Is(err, api.ErrRequest) {
		err = fmt.Errorf("the running agent does not know of the place %s: does it read another configuration, or an old one? Restart it, then run `dm3sync move` again", w.Name)
	}
	return &api.MirrorReport{Name: w.Name}, err
}

// mirrors works on mirrors of the session's account.
func (p *program) mirrors(ctx context.Context, s *session, w api.MirrorWork) ([]api.MirrorReport, error) {
	mirrored, ok := s.Account.(api.Mirrored)
	if !ok {
		return nil, errors.New("this account can't have mirrors")
	}
	shown := p.newProgress()
	defer shown.finish()
	return mirrored.Mirror(ctx, w, shown.update)
}

// prepare makes the new place ready, as init does, and lets the agent know of it. It is
// shared from now on: other devices may have moved there before.
func (m *move) prepare(ctx context.Context) error {
	account, err := m.account()
	if err != nil {
		return err
	}
	target := account.Mirror(m.state.Target)
	if target == nil {
		if target, err = m.add(account); err != nil || target == nil {
			return err
		}
		if account, err = m.account(); err != nil {
			return err
		}
	}
	if !target.Shared {
		if err := m.share(true); err != nil {
			return err
		}
	}
	if _, err := agent.CreatePlace(ctx, account.At(target), agent.PlaceOptions{Config: m.program.loaded, Warn: m.program.warn}); err != nil {
		giveUp := "`dm3sync move --abort` gives the move up"
		if m.state.Back {
			giveUp = "`dm3sync move --finish` stays where the account is"
		}
		return fmt.Errorf("making %s ready (`dm3sync move` goes on when that is mended, %s): %w", target.Place(), giveUp, err)
	}
	return m.reload(ctx)
}

func (d *moveDocument) write(w *strings.Builder) {
	switch d.Step {
	case stepSwitched:
		fmt.Fprintf(w, "%s: moved to %s\n", d.Account, plain(d.To))
		if d.From != "" {
			fmt.Fprintf(w, "the old place is kept, in step with the new one: %s\n", plain(d.From))
		}
	case stepFinished:
		fmt.Fprintf(w, "%s: the move to %s is finished\n", d.Account, plain(d.To))
		switch {
		case d.Mirror != nil && d.Mirror.Erased > 0:
			fmt.Fprintf(w, "%s removed from the old place\n", plural(d.Mirror.Erased, "object"))
		case d.Kept:
			fmt.Fprintf(w, "the old place goes on as a mirror: %s\n", plain(d.From))
		case d.From != "":
			fmt.Fprintf(w, "the old place is used no more; the account's objects stay there: %s\n", plain(d.From))
		}
	case stepAborted:
		fmt.Fprintf(w, "%s: back at %s\n", d.Account, plain(d.To))
		if d.Left != "" {
			fmt.Fprintf(w, "what was copied already stays at %s\n", plain(d.Left))
		}
	}
	if d.Next != "" {
		fmt.Fprintf(w, "next: %s\n", d.Next)
	}
}
