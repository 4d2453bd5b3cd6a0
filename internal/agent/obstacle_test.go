package agent

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// TestObstacles: what a place is in the way with reaches whoever asks the agent as a kind; nothing is left of it after a pass that succeeds.
func TestObstacles(t *testing.T) {
	d := newDevice(t, "alice.eth")
	var failing atomic.Pointer[error]
	open := d.options.Open
	d.options.Open = func(ctx context.Context, account config.Account) (providers.Store, error) {
		if err := failing.Load(); err != nil {
			return nil, fmt.Errorf("test: %w", *err)
		}
		return open(ctx, account)
	}
	for _, c := range map[string]struct {
		err  error
		kind obstacle.Kind
	}{
		"login": {providers.ErrLogin, obstacle.Login}, "refused": {providers.ErrUnauthorised, obstacle.Refused}, "full": {providers.ErrQuota, obstacle.Room},
		"offline": {providers.ErrTransient, obstacle.Unreachable}, "certificate": {x509.UnknownAuthorityError{}, obstacle.Certificate},
	} {
		failing.Store(&c.err)
		client, stop := d.start()
		until(t, client, "alice.eth", func(s api.AccountStatus) bool {
			return s.LastError != "" && s.Obstacle == c.kind
		})
		failing.Store(nil)
		syncs(t, client, "alice.eth")
		until(t, client, "alice.eth", func(s api.AccountStatus) bool { return s.LastError == "" && s.Obstacle == obstacle.None })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}
