package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/files"
)

// share marks the new place as one where other devices write, or takes the mark away.
func (m *move) share(shared bool) error {
	edit, byHand := config.KeepMirror, "take the line shared = true out of"
	if shared {
		edit, byHand = config.ShareMirror, "add the line shared = true to"
	}
	return m.rewrite(fmt.Sprintf("%s [[account.mirror]] with name = %q", byHand, m.state.Target),
		func(text []byte, number int) ([]byte, error) { return edit(text, number, m.state.Target) },
		func(a *config.Account) bool {
			target := a.Mirror(m.state.Target)
			return target != nil && target.Shared == shared
		})
}

// tryText is what the configuration would be.
func (m *move) tryText(edit func(text []byte, number int) ([]byte, error)) (*config.Config, error) {
	_, _, fresh, err := m.edited(edit)
	return fresh, err
}

// edited is the configuration's text before and after an edit, and what it means then, with
// everything that the environment says.
func (m *move) edited(edit func(text []byte, number int) ([]byte, error)) (before, after []byte, fresh *config.Config, err error) {
	p := m.program
	number := slices.IndexFunc(p.loaded.Accounts, func(a config.Account) bool { return a.Name == p.account })
	if p.loaded.File == "" {
		return nil, nil, nil, fmt.Errorf("%w: there is none, the environment says everything", config.ErrByHand)
	}
	if before, err = os.ReadFile(p.loaded.File); err != nil {
		return nil, nil, nil, err
	}
	if after, err = edit(before, number); err != nil {
		return nil, nil, nil, err
	}
	fresh, err = config.LoadText(p.loaded.File, after, &config.Options{Environ: p.environ})
	return before, after, fresh, err
}

// rewrite changes the configuration's file, if what comes of it is right; a copy of the
// first text is kept. Where it can't be written, the error says what the user writes:
// the move goes on afterwards.
func (m *move) rewrite(byHand string, edit func(text []byte, number int) ([]byte, error), right func(*config.Account) bool) error {
	p := m.program
	before, after, fresh, err := m.edited(edit)
	if err == nil {
		var account *config.Account
		if account, err = fresh.Account(p.account); err == nil && !right(account) {
			err = errors.New("environment variables that begin with DM3SYNC_ACCOUNT_ say otherwise")
		}
	}
	if err == nil {
		err = m.replaceFile(p.loaded.File, before, after)
	}
	if err != nil {
		return fmt.Errorf("the configuration was not changed: %w\nTo go on: in %s, %s\nThen run `dm3sync move` again", err, p.loaded.File, strings.TrimRight(byHand, "\n"))
	}
	p.loaded = nil
	return nil
}

// replaceFile writes a configuration's new text; the first time it keeps the one before, beside it.
func (m *move) replaceFile(file string, before, after []byte) error {
	if !m.state.Kept {
		path, err := filepath.EvalSymlinks(file)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := files.Replace(path+".before-move", before, info.Mode().Perm()); err != nil {
			return err
		}
		m.state.Kept = true
		if err := m.save(); err != nil {
			return err
		}
	}
	return config.Put(file, before, after)
}
