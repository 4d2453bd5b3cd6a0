// Package agenttest opens a real account in memory, for tests of what stands between an account and programs.
//
// Place in the import order: beside internal/agent, for tests alone.
package agenttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// Name is the account's.
const Name = "alice.eth"

// Backend has one account, whose place is in memory. It is safe for concurrent use.
type Backend struct {
	account *agent.Account
	feed    *activity.Log
}

var _ api.Backend = (*Backend)(nil)

// Open opens the account, and closes it when the test ends.
func Open(t testing.TB) *Backend {
	t.Helper()
	c := &config.Config{Data: t.TempDir()}
	c.Accounts = []config.Account{{Name: Name, Provider: config.Provider{Kind: memory.Kind}}}
	feed := activity.New(1000, time.Now)
	place := memory.New(nil)
	account, err := agent.OpenAccount(t.Context(), c.Accounts[0], agent.AccountOptions{
		Config: c, Activity: feed,
		Open:   func(context.Context, config.Account) (providers.Store, error) { return place, nil },
		Unlock: func(context.Context, config.Account) ([32]byte, error) { return sha256.Sum256([]byte(Name)), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Backend{account: account, feed: feed}
}

// Account implements api.Backend.
func (b *Backend) Account(name string) (api.Account, error) {
	if name != "" && name != Name {
		return nil, fmt.Errorf("agenttest: %w", api.ErrNoAccount)
	}
	return b.account, nil
}

// Status implements api.Backend.
func (b *Backend) Status() api.Status {
	status, err := b.account.Status(context.Background())
	if err != nil {
		panic(err) // it never fails
	}
	return api.Status{Version: "test", Accounts: []api.AccountStatus{status}}
}

// Activity implements api.Backend.
func (b *Backend) Activity() *activity.Log { return b.feed }

// Message is a line of NDJSON: a message between the account and a contact.
func Message(contact, text string, milliseconds int64) string {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false) // as dm3 messengers write it
	if err := encoder.Encode(text); err != nil {
		panic(err) // a string can be written
	}
	return fmt.Sprintf(`{"message":{"message":%s,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}}`+"\n",
		strings.TrimSpace(quoted.String()), contact, milliseconds, Name, base64.StdEncoding.EncodeToString(make([]byte, 64)))
}
