package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
)

// keep keeps the record of a new login: in the keyring, or in the file where that was asked for or the keyring does not
// take it; avoided says why not. What was kept before is gone afterwards.
func (s *store) keep(ctx context.Context, r record, inFile bool) (m mark, avoided, err error) {
	before, _, err := s.read()
	if err != nil && !errors.Is(err, errNone) && !errors.Is(err, errSpoiled) {
		return mark{}, nil, err
	}
	entry := ""
	if !inFile {
		entry, avoided = s.tryVault(ctx, r)
		if ctx.Err() != nil {
			return mark{}, nil, fmt.Errorf("login: keeping the token: %w", ctx.Err())
		}
	}
	if entry != "" {
		m, err = s.point(entry)
	} else {
		m, err = s.seal(r)
	}
	if err != nil {
		s.drop(ctx, entry)
		return mark{}, nil, err
	}
	s.drop(ctx, before.Entry)
	return m, avoided, nil
}

// drop removes an entry that nothing refers to, as far as possible.
func (s *store) drop(ctx context.Context, entry string) {
	if entry != "" && s.vault != nil {
		_ = s.vault.Delete(ctx, entry) // what stays belongs to a login that is replaced, or was never used
	}
}

// tryVault puts a record into the keyring under a new name, and looks whether it is there.
func (s *store) tryVault(ctx context.Context, r record) (entry string, err error) {
	if s.vault == nil {
		return "", keyring.ErrNoVault
	}
	word, err := s.word()
	if err != nil {
		return "", err
	}
	entry = "login " + word
	if err = s.put(ctx, entry, r); err == nil {
		err = s.holds(ctx, entry, r)
	}
	if err != nil {
		s.drop(ctx, entry)
		return "", err
	}
	return entry, nil
}

func (s *store) holds(ctx context.Context, entry string, r record) error {
	text, err := s.vault.Get(ctx, entry)
	if err != nil {
		return err
	}
	var back record
	if json.Unmarshal([]byte(text), &back) != nil || back.Refresh != r.Refresh {
		return fmt.Errorf("%w: it does not give back what it was given", keyring.ErrNoVault)
	}
	return nil
}

// update keeps a record where the one before is kept.
func (s *store) update(ctx context.Context, r record) (mark, error) {
	k, _, err := s.read()
	if err != nil {
		return mark{}, err
	}
	if k.Entry == "" {
		return s.seal(r)
	}
	if s.vault == nil {
		return mark{}, fmt.Errorf("login: keeping the token: %w: %w", keyring.ErrNoVault, providers.ErrTransient)
	}
	if err := s.put(ctx, k.Entry, r); err != nil {
		return mark{}, fmt.Errorf("login: keeping the token: %w: %w", err, providers.ErrTransient)
	}
	return s.point(k.Entry)
}

// put puts a record into the keyring, without the access token where that makes it too long.
func (s *store) put(ctx context.Context, entry string, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(text) > keyring.MaxEntry {
		r.Access = ""
		if text, err = json.Marshal(r); err != nil {
			return err
		}
	}
	return s.vault.Set(ctx, entry, string(text))
}

// point makes the file say that the record is in the keyring, and has changed.
func (s *store) point(entry string) (mark, error) {
	change, err := s.word()
	if err != nil {
		return mark{}, err
	}
	return s.write(kept{Version: version, Entry: entry, Change: change})
}

// remove forgets the record. force removes the file even when the keyring does not let its entry go.
func (s *store) remove(ctx context.Context, force bool) error {
	k, _, err := s.read()
	switch {
	case errors.Is(err, errNone):
		return nil
	case err != nil && !errors.Is(err, errSpoiled) && !force:
		return err
	}
	if k.Entry != "" && s.vault != nil {
		if err := s.vault.Delete(ctx, k.Entry); err != nil && !force {
			return fmt.Errorf("login: removing the token: %w", err)
		}
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("login: removing the token: %w", err)
	}
	return files.SyncFolder(s.folder)
}

// where says in words where the record is; "" where there is none.
func (s *store) where() string {
	k, _, err := s.read()
	switch {
	case err != nil:
		return ""
	case k.Entry != "":
		return "kept in the system's keyring"
	}
	return "sealed in " + s.path
}
