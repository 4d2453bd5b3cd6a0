package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// finish lets the old place go, after what devices still wrote there was taken over.
func (m *move) finish(ctx context.Context, flags *moveFlags) error {
	switched, err := m.isSwitched()
	if err != nil {
		return err
	}
	if m.state.Back && !switched {
		if err := m.turn(false); err != nil {
			return err
		}
		switched = true
	}
	if !switched {
		return usagef("the account has not moved yet: run `dm3sync move` to go on, or `dm3sync move --abort`")
	}
	account, err := m.account()
	if err != nil {
		return err
	}
	document := moveDocument{Account: account.Name, Step: stepFinished, To: account.Provider.Place()}
	if old := account.Mirror(m.state.Old); old != nil {
		document.From, document.Kept = old.Place(), flags.keep
		if flags.deleteOld && !flags.yes {
			if err := m.confirmErase(old); err != nil {
				return err
			}
		}
		if err := m.leave(ctx, flags, &document); err != nil {
			return err
		}
	}
	if err := m.done(); err != nil {
		return err
	}
	return m.program.print(document, document.write)
}

// leave takes over, erases where that is meant, and changes the configuration. An
// interruption does no harm: all of it is done again.
func (m *move) leave(ctx context.Context, flags *moveFlags, document *moveDocument) error {
	err := m.with(ctx, func(s *session) error {
		if _, err := s.Sync(ctx, engine.Work{}, nil); err != nil { // what was lost there is filled from the old one, while that is known
			return fmt.Errorf("looking at the new place before the old one is let go: %w", err)
		}
		report, err := m.mirror(ctx, s, api.MirrorWork{Name: m.state.Old, Whole: true})
		document.Mirror = report
		if err != nil {
			return fmt.Errorf("taking over what was written to the old place (run `dm3sync move --finish` again; "+
				"if that place is gone for good, take its [[account.mirror]] out of the configuration first): %w", err)
		}
		if !flags.deleteOld {
			return nil
		}
		if document.Mirror, err = m.mirror(ctx, s, api.MirrorWork{Name: m.state.Old, Erase: true}); err != nil {
			return fmt.Errorf("removing the account's objects from the old place: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if flags.keep {
		err = m.rewrite(fmt.Sprintf("take the line shared = true out of [[account.mirror]] with name = %q", m.state.Old),
			func(text []byte, number int) ([]byte, error) { return config.KeepMirror(text, number, m.state.Old) },
			func(a *config.Account) bool { old := a.Mirror(m.state.Old); return old != nil && !old.Shared })
	} else {
		err = m.rewrite(fmt.Sprintf("take [[account.mirror]] with name = %q out", m.state.Old),
			func(text []byte, number int) ([]byte, error) { return config.RemoveMirror(text, number, m.state.Old) },
			func(a *config.Account) bool { return a.Mirror(m.state.Old) == nil })
	}
	if err != nil {
		return err
	}
	return m.reload(ctx)
}

// abort gives up a move that has not switched, or switches back: then the place that was
// new is the old one, and kept like that. Once more, it goes on with that.
func (m *move) abort(ctx context.Context) error {
	switched, err := m.isSwitched()
	if err != nil {
		return err
	}
	document := moveDocument{Account: m.program.account, Step: stepAborted}
	if switched || m.state.Back {
		err = m.goBack(ctx, &document)
	} else {
		err = m.giveUp(ctx, &document)
	}
	if err != nil {
		return err
	}
	account, err := m.account()
	if err != nil {
		return err
	}
	document.To = account.Provider.Place()
	return m.program.print(document, document.write)
}

func (m *move) giveUp(ctx context.Context, document *moveDocument) error {
	account, err := m.account()
	if err != nil {
		return err
	}
	if m.state.Settings != "" && account.Mirror(m.state.Target) != nil {
		document.Left = account.Mirror(m.state.Target).Place()
		err := m.rewrite(fmt.Sprintf("take [[account.mirror]] with name = %q out", m.state.Target),
			func(text []byte, number int) ([]byte, error) {
				return config.RemoveMirror(text, number, m.state.Target)
			},
			func(a *config.Account) bool { return a.Mirror(m.state.Target) == nil })
		if err != nil {
			return err
		}
	} else if target := account.Mirror(m.state.Target); target != nil && target.Shared {
		if err := m.share(false); err != nil {
			return err
		}
	}
	if err := m.reload(ctx); err != nil {
		return err
	}
	return m.done()
}

// goBack is a move in the other direction, to a place that is in step already.
func (m *move) goBack(ctx context.Context, document *moveDocument) error {
	if !m.state.Back {
		if err := m.turn(true); err != nil {
			return err
		}
	}
	document.Next = "devices that have moved go back in the same way; then `dm3sync move --finish` lets the place go that was to be the new one"
	return m.goOn(ctx, &moveDocument{})
}

// turn changes the direction: the way back begins, or is given up where the account has not switched back yet.
func (m *move) turn(back bool) error {
	s := &m.state
	s.Target, s.Old, s.To, s.From, s.Settings, s.Verifying, s.Back = s.Old, s.Target, s.From, s.To, "", false, back
	s.Step = stepSwitched
	if back {
		s.Step = stepCopying
	}
	return m.save()
}

// confirmErase asks for the old place's name.
func (m *move) confirmErase(old *config.Mirror) error {
	p := m.program
	if !p.canAsk() {
		return usageError{errors.New("--delete-old removes the account's objects from the old place and has nobody to ask here; add --yes if that is meant")}
	}
	_, err := fmt.Fprintf(p.err, "This removes all objects of %s from %s.\nDevices that have not moved lose sight of them. Type %s to go on: ", p.account, plain(old.Place()), old.Name)
	if err != nil {
		return err
	}
	line, _ := bufio.NewReader(p.in).ReadString('\n') // what is not the name is no
	if strings.TrimSpace(line) != old.Name {
		return errors.New("nothing was removed, and the move is not finished")
	}
	return nil
}
