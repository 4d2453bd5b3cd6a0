package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

var _ api.Unlocker = (*Agent)(nil)

// passphrases are those that somebody gave since the start, by the file that they unlock. They
// are in memory alone, as the keys are that they open.
type passphrases struct {
	mu    sync.Mutex
	known map[string]string
}

func (p *passphrases) of(path string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[path]
}

func (p *passphrases) keep(path, passphrase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = make(map[string]string)
	}
	p.known[path] = passphrase
}

// unlock reads an account's storage key as its configuration says, with what somebody unlocked.
func (a *Agent) unlock(_ context.Context, account config.Account) ([32]byte, error) {
	s := account.Secret
	return keyring.StorageKey(s.Source(), keyring.Form(s.Form), s.Nonce, &keyring.Options{
		Warn: a.options.Warn, Passphrase: a.passphrases.of, Vault: a.options.Vault,
	})
}

// Unlock implements api.Unlocker.
func (a *Agent) Unlock(_ context.Context, name, passphrase string) error {
	r, err := a.named(name)
	if err != nil {
		return err
	}
	source := r.config.Secret.Source()
	if source.Locked == "" {
		return fmt.Errorf("agent: %w: the secret of %s is not locked with a passphrase", api.ErrRequest, r.config.Name)
	}
	tried := &keyring.Options{Passphrase: func(string) string { return passphrase }}
	if _, err := keyring.Read(source, tried); err != nil {
		return fmt.Errorf("agent: unlocking %s: %w", r.config.Name, err)
	}
	a.passphrases.keep(source.Locked, passphrase)
	r.openNow()
	return nil
}

// openNow ends the wait before the next attempt to open the account.
func (r *runner) openNow() {
	select {
	case r.again <- struct{}{}:
	default: // somebody asked already
	}
}
