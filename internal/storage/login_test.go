package storage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// newLogin is one instance's login for alice and bob, both with alice's key, so that
// only the account's name tells them apart.
func newLogin(t *testing.T, c *clock, claims providers.Store, secret byte) *storage.Login {
	t.Helper()
	login, err := storage.NewLogin(storage.LoginOptions{
		Secret: bytes.Repeat([]byte{secret}, storage.MinSecret), Claims: claims, Now: c.now, Random: rand.Reader,
		SigningKey: func(_ context.Context, account string) ([32]byte, error) {
			if account != "alice.eth" && account != "bob.eth" {
				return [32]byte{}, dm3api.ErrUnknownAccount
			}
			return ownProfile().SigningPublic(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return login
}

func challenge(t *testing.T, l *storage.Login, account string) (text, signature string) {
	t.Helper()
	text, err := l.Challenge(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return text, ownProfile().Sign(text)
}

func TestLogin(t *testing.T) {
	c := newClock()
	claims := memory.New(nil)
	l := newLogin(t, c, claims, 's')
	text, signature := challenge(t, l, "alice.eth")
	if _, err := dm3api.ParseChallenge(text, "alice.eth", c.now()); err != nil {
		t.Errorf("a client would not sign the challenge: %v", err)
	}
	token, err := l.Session(t.Context(), "alice.eth", text, signature)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		account, token string
		fine           bool
	}{
		"the session":           {"alice.eth", token, true},
		"another account":       {"bob.eth", token, false},
		"a challenge as token":  {"alice.eth", text, false},
		"a changed token":       {"alice.eth", token[:len(token)-2] + "AA", false},
		"no token":              {"alice.eth", "", false},
		"one of another secret": {"alice.eth", newLogin(t, c, claims, 'x').Spent("alice.eth"), false},
		"one that has ended":    {"alice.eth", l.Spent("alice.eth"), false},
	} {
		if err := l.Check(t.Context(), c.account, c.token); (err == nil) != c.fine || err != nil && !errors.Is(err, dm3api.ErrLogin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.add(dm3api.SessionLife)
	if err := l.Check(t.Context(), "alice.eth", token); !errors.Is(err, dm3api.ErrLogin) {
		t.Errorf("after an hour: %v", err)
	}
}

func TestLoginRefuses(t *testing.T) {
	c := newClock()
	claims := memory.New(nil)
	l := newLogin(t, c, claims, 's')
	if _, err := l.Challenge(t.Context(), "carol.eth"); !errors.Is(err, dm3api.ErrUnknownAccount) {
		t.Errorf("an unknown account gets a challenge: %v", err)
	}
	refused := func(what, account, text, signature string) {
		t.Helper()
		if token, err := l.Session(t.Context(), account, text, signature); !errors.Is(err, dm3api.ErrLogin) || token != "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	text, signature := challenge(t, l, "alice.eth")
	refused("another account's challenge", "bob.eth", text, signature)
	refused("no signature", "alice.eth", text, "")
	refused("a stranger's signature", "alice.eth", text, identity.FromStorageKey([32]byte{1}).Sign(text))
	foreign, foreignSignature := challenge(t, newLogin(t, c, claims, 'x'), "alice.eth")
	refused("another service's challenge", "alice.eth", foreign, foreignSignature)
	token, err := l.Session(t.Context(), "alice.eth", text, signature)
	if err != nil {
		t.Fatalf("after refusals the challenge is spent: %v", err)
	}
	refused("a token as challenge", "alice.eth", token, ownProfile().Sign(token))
	refused("a second time", "alice.eth", text, signature)
	refused("a second time, at another instance", "alice.eth", text, signature)
	late, lateSignature := challenge(t, l, "alice.eth")
	c.add(dm3api.ChallengeLife)
	refused("after 15 minutes", "alice.eth", late, lateSignature)
}

// TestChallengeCountsOnce: of many instances that are given one answered challenge at
// the same time, at most one takes it; and later none does.
func TestChallengeCountsOnce(t *testing.T) {
	challengesCountOnce(t, 50, memory.New(nil))
}

// challengesCountOnce tries that with four instances, which share claims by the clients
// that are given, in turn.
func challengesCountOnce(t *testing.T, rounds int, claims ...providers.Store) {
	t.Helper()
	c := newClock()
	won := 0
	for range rounds {
		text, signature := challenge(t, newLogin(t, c, claims[0], 's'), "alice.eth")
		var wait sync.WaitGroup
		taken := make(chan string, 4)
		for i := range cap(taken) {
			l := newLogin(t, c, claims[i%len(claims)], 's')
			wait.Go(func() {
				if token, err := l.Session(t.Context(), "alice.eth", text, signature); err == nil {
					taken <- token
				} else if !errors.Is(err, dm3api.ErrLogin) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if len(taken) > 1 {
			t.Fatalf("%d instances took one challenge", len(taken))
		}
		won += len(taken)
		for _, place := range claims {
			if _, err := newLogin(t, c, place, 's').Session(t.Context(), "alice.eth", text, signature); !errors.Is(err, dm3api.ErrLogin) {
				t.Fatalf("taken later: %v", err)
			}
		}
	}
	t.Logf("%d of %d challenges were taken", won, rounds)
}

// bothPut is a place at which two look for claims before either puts one, and put
// theirs before either looks again.
type bothPut struct {
	providers.Store
	looks, puts sync.WaitGroup
	looked      atomic.Int32
}

func (b *bothPut) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if b.looked.Add(1) <= 2 {
		b.looks.Done()
		b.looks.Wait()
		return b.Store.List(ctx, prefix+"none")
	}
	return b.Store.List(ctx, prefix)
}

func (b *bothPut) Put(ctx context.Context, name string, data []byte) error {
	err := b.Store.Put(ctx, name, data)
	b.puts.Done()
	b.puts.Wait()
	return err
}

func TestTwoClaimsRefuseEachOther(t *testing.T) {
	c := newClock()
	place := &bothPut{Store: memory.New(nil)}
	place.looks.Add(2)
	place.puts.Add(2)
	text, signature := challenge(t, newLogin(t, c, place, 's'), "alice.eth")
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if _, err := newLogin(t, c, place, 's').Session(t.Context(), "alice.eth", text, signature); !errors.Is(err, dm3api.ErrLogin) {
				t.Errorf("took a challenge that another one claims: %v", err)
			}
		})
	}
	wait.Wait()
}

func TestSweep(t *testing.T) {
	c := newClock()
	claims := memory.New(nil)
	l := newLogin(t, c, claims, 's')
	text, signature := challenge(t, l, "alice.eth")
	if _, err := l.Session(t.Context(), "alice.eth", text, signature); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 0}, {dm3api.ChallengeLife, 0}, {2 * time.Hour, 1}, {0, 0}} {
		c.add(step.wait)
		if n, err := l.Sweep(t.Context()); n != step.want || err != nil {
			t.Errorf("after %s: %d removed, %v", step.wait, n, err)
		}
	}
}

// TestLoginNeedsCurrentListings: where a claim may be seen late, none can be trusted.
func TestLoginNeedsCurrentListings(t *testing.T) {
	folder := t.TempDir()
	if err := local.Create(folder); err != nil {
		t.Fatal(err)
	}
	carried, err := local.New(folder, &local.Options{Carried: true})
	if err != nil {
		t.Fatal(err)
	}
	defer carried.Close()
	o := storage.LoginOptions{Secret: make([]byte, storage.MinSecret), Claims: carried}
	if _, err := storage.NewLogin(o); !errors.Is(err, storage.ErrPlace) {
		t.Errorf("a carried folder: %v", err)
	}
	if _, err := storage.NewRecords(storage.RecordsOptions{Store: carried}); !errors.Is(err, storage.ErrPlace) {
		t.Errorf("a carried folder for records: %v", err)
	}
	o = storage.LoginOptions{Secret: make([]byte, storage.MinSecret-1), Claims: memory.New(nil)}
	if _, err := storage.NewLogin(o); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a short secret: %v", err)
	}
}
