package storage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// The account of the tests.
const ownName = "0x00000000000000000000000000000000000000a1.addr.dm3.eth"

func ownKey() [32]byte { return [32]byte{0xa1} } // as nodetest makes it of the number 0xa1

func ownProfile() identity.Profile { return identity.FromStorageKey(ownKey()) }

// clock is a wall clock that moves when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.UnixMilli(1_700_000_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logs is a log that can be read.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// rig is one instance of a service.
type rig struct {
	URL    string
	clock  *clock
	logs   *logs
	login  *storage.Login
	server *httptest.Server
}

// serveWith starts an instance. Change may alter what it is made of.
func serveWith(t *testing.T, c *clock, backend dm3api.Backend, profiles func(*storage.Login) dm3api.Profiles,
	signingKey func(context.Context, string) ([32]byte, error), claims providers.Store, change func(*storage.Options),
) *rig {
	t.Helper()
	r := &rig{clock: c, logs: &logs{}}
	var err error
	r.login, err = storage.NewLogin(storage.LoginOptions{
		Secret: bytes.Repeat([]byte("s"), storage.MinSecret), Claims: claims, SigningKey: signingKey, Now: c.now, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := storage.Options{
		Backend: backend, Login: r.login, Profiles: profiles(r.login),
		Guard: storage.GuardOptions{MaxBody: 1 << 20, Log: r.logs.logger(), Now: c.now},
	}
	if change != nil {
		change(&o)
	}
	r.server = httptest.NewServer(storage.NewHandler(o))
	t.Cleanup(r.server.Close)
	r.URL = r.server.URL
	return r
}

// openAccount opens the account of the tests at a place, as a device of its own.
func openAccount(t *testing.T, place providers.Store) *agent.Account {
	t.Helper()
	account := config.Account{Name: ownName, Provider: config.Provider{Kind: config.KindMemory}}
	opened, err := agent.OpenAccount(t.Context(), account, agent.AccountOptions{
		Config: &config.Config{Data: t.TempDir()},
		Open:   func(context.Context, config.Account) (providers.Store, error) { return place, nil },
		Unlock: func(context.Context, config.Account) ([32]byte, error) { return ownKey(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

// newTree is the service for an account's tree.
func newTree(t *testing.T, account api.Account, change func(*storage.Options)) *rig {
	t.Helper()
	c := newClock()
	return serveTree(t, c, account, change)
}

func serveTree(t *testing.T, c *clock, account api.Account, change func(*storage.Options)) *rig {
	t.Helper()
	tree, err := storage.NewTree(storage.TreeOptions{
		Accounts:  []storage.TreeAccount{{Account: account, Names: []string{ownName, "alice.eth"}, Profile: ownProfile()}},
		Positions: 1000, Now: c.now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, c, tree, tree.Profiles, tree.SigningKey, memory.New(nil), change)
}

// newRecords is the service of many accounts on a place. Registration is open, and the
// account of the tests is known.
func newRecords(t *testing.T, c *clock, place providers.Store, packAt int, change func(*storage.Options)) *rig {
	t.Helper()
	records, err := storage.NewRecords(storage.RecordsOptions{Store: place, Now: c.now, Log: slog.New(slog.DiscardHandler), PackAt: packAt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	register := storage.NewRegister(storage.RegisterOptions{
		Store: place, Fixed: map[string][32]byte{ownName: ownProfile().SigningPublic()}, Domains: []string{"addr.dm3.eth"},
	})
	return serveWith(t, c, records, register.Profiles, register.SigningKey, place, change)
}

// app is a dm3 app at work.
type app struct {
	*dm3api.Client
	t     *testing.T
	codec *bridge.Codec
}

// newApp is an app that uses the service at url.
func newApp(t *testing.T, url, name string, profile identity.Profile, now func() time.Time, client *http.Client) *app {
	t.Helper()
	c, err := dm3api.NewClient(&dm3api.ClientOptions{
		URL: url, Account: name, Normalise: identity.Normalize, Now: now, HTTP: client,
		Sign: func(_ context.Context, challenge string) (string, error) { return profile.Sign(challenge), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	codec, err := bridge.NewCodec(profile, name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &app{c, t, codec}
}

func (r *rig) app(t *testing.T) *app {
	return newApp(t, r.URL, ownName, ownProfile(), r.clock.now, nil)
}

// contact encrypts a contact's name as apps do.
func (a *app) contact(name string) string {
	a.t.Helper()
	text, err := a.codec.EncryptName(name)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// content is what an app keeps of one message: the container's text.
func content(from, to string, at int64, text string, state int) string {
	return fmt.Sprintf(`{"envelop":{"message":{"attachments":[],"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q},`+
		`"metadata":{"deliveryInformation":"","messageHash":"0x","signature":"","version":"v1"}},"messageState":%d,"reactions":[],"source":1}`,
		text, from, at, to, signature, state)
}

const signature = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

// record seals a container as an app does; its identifier is the message's hash.
func (a *app) record(text string, created int64) dm3api.Record {
	a.t.Helper()
	sealed, err := a.codec.EncryptRecord([]byte(text))
	if err != nil {
		a.t.Fatal(err)
	}
	return dm3api.Record{CreatedAt: created, MessageID: hashOf(a.t, text), Container: sealed}
}

// hashOf is the identity of the message in a container.
func hashOf(t *testing.T, text string) string {
	t.Helper()
	var c struct {
		Envelop struct{ Message json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	canonical, err := container.Canonical(nil, c.Envelop.Message)
	if err != nil {
		t.Fatal(err)
	}
	return string(container.Hash(string(canonical)))
}

// open opens a container that the service returned.
func (a *app) open(sealed string) string {
	a.t.Helper()
	text, err := a.codec.DecryptRecord(sealed)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}
