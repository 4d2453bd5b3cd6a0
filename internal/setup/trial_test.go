package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// TestTrial: a place is tried whole, and what is wrong is said with a way out.
func TestTrial(t *testing.T) {
	good := memory.New(nil)
	for _, c := range []struct {
		title, word, way string
		store            providers.Store
		fail             error
	}{
		{"good", "", "", good, nil},
		{"folder that can't be", "permission", "Choose a folder", good, fmt.Errorf("local: making /x: %w", fs.ErrPermission)},
		{"refused", "unauthorised", "Check user name", good, fmt.Errorf("s3: list: %w", providers.ErrUnauthorised)},
		{"no answer", "not reachable", "network", providertest.NewFaulty(memory.New(nil), &providertest.FaultyOptions{Rate: 1, Seed: 1}), nil},
		{"a liar", "not do everything", "", lying(), nil},
	} {
		t.Run(c.title, func(t *testing.T) {
			r := newRig(t)
			r.store, r.fail = c.store, c.fail
			r.sign("alice.eth")
			got := r.try(Answers{Folder: t.TempDir()})
			if got.Running || got.OK != (c.word == "") || !strings.Contains(got.Error, c.word) || !strings.Contains(got.Way, c.way) {
				t.Errorf("%+v", got)
			}
			if got.OK && (len(got.Results) == 0 || len(got.Promises) == 0 || !strings.Contains(got.Usage, "a new history begins")) {
				t.Errorf("%+v", got)
			}
			if _, err := r.Save(t.Context(), Keep{Word: KeepFile}, false); (err == nil) != got.OK {
				t.Errorf("saved: %v", err)
			}
		})
	}
}

// lying is a place that does not give back what it was given.
func lying() providers.Store {
	return providertest.NewLying(memory.New(nil), &providertest.LyingOptions{Seed: 1, Flip: 1, Pretend: true})
}

// TestStop: a trial ends when somebody stops it, even where the place never answers.
func TestStop(t *testing.T) {
	r := newRig(t)
	asked := make(chan struct{}, 100)
	r.store = hanging{memory.New(nil), asked}
	r.sign("alice.eth")
	if err := r.Place(Answers{Folder: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if err := r.Try(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := r.Try(); !errors.Is(err, ErrBusy) {
		t.Errorf("twice: %v", err)
	}
	if err := r.Place(Answers{Folder: t.TempDir()}); !errors.Is(err, ErrBusy) {
		t.Errorf("another place meanwhile: %v", err)
	}
	r.Stop()
	if got := r.State().Trial; got.Running || got.OK || !strings.Contains(got.Way, "stopped") {
		t.Errorf("%+v", got)
	}
}

// hanging is a place that never answers.
type hanging struct {
	providers.Store
	asked chan<- struct{}
}

func (h hanging) Get(ctx context.Context, _ string) ([]byte, error) {
	h.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestLook: whose objects lie at a place is told by their names and seals, and nothing is changed.
func TestLook(t *testing.T) {
	mine, others := [32]byte{1}, [32]byte{2}
	for _, c := range []struct {
		title string
		put   func(*testing.T, providers.Store)
		want  string
		warn  bool
	}{
		{"empty", func(*testing.T, providers.Store) {}, "Nothing is kept there yet", false},
		{"leftovers of a check", func(t *testing.T, s providers.Store) {
			keep1(t, s, "0x"+strings.Repeat("5e", 12)+strings.Repeat("0", 40)+"/x", []byte("check"))
		}, "Nothing is kept there yet", false},
		{"this account", func(t *testing.T, s providers.Store) { history(t, s, mine, "alice.eth") }, "this device continues it", false},
		{"another key", func(t *testing.T, s providers.Store) { history(t, s, others, "alice.eth") }, "another key", true},
		{"both", func(t *testing.T, s providers.Store) {
			history(t, s, mine, "alice.eth")
			history(t, s, others, "bob.eth")
		}, "continues it. Another key's", true},
		{"another name", func(t *testing.T, s providers.Store) { history(t, s, mine, "bob.eth") }, "another account name", true},
		{"a stranger's", func(t *testing.T, s providers.Store) { keep1(t, s, "holiday/beach", []byte("a picture")) }, "say nothing of their owner", true},
	} {
		t.Run(c.title, func(t *testing.T) {
			store := memory.New(nil)
			c.put(t, store)
			before := providers.Count(store)
			usage, err := Look(t.Context(), before, mine, "alice.eth")
			if err != nil {
				t.Fatal(err)
			}
			if text, warn := usage.Sentence(); !strings.Contains(text, c.want) || warn != c.warn {
				t.Errorf("%v %q from %+v", warn, text, usage)
			}
			if counts := before.Counts(); counts.Puts+counts.Deletes != 0 {
				t.Errorf("it wrote: %+v", counts)
			}
		})
	}
}

// history puts a head, and a chunk's state, as an account with a key and a name writes them.
func history(t *testing.T, store providers.Store, key [32]byte, name string) {
	t.Helper()
	sealer, err := seal.New(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := identity.FromStorageKey(key).RootSignature(name)
	if err != nil {
		t.Fatal(err)
	}
	root := container.RootKey(signature)
	for kind, place := range map[container.Kind]container.Key{
		container.KindHead: container.HeadsKey(root), container.KindChunk: container.Hash(string(root) + "chunk"),
	} {
		sealed, err := sealer.Seal(nil, kind, place, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		keep1(t, store, string(place)+"/state", sealed)
	}
}

func keep1(t *testing.T, store providers.Store, name string, data []byte) {
	t.Helper()
	if err := store.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
}

// TestExplain: what people read is a sentence, and says what to do.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("agent: opening the place: webdav: put x: %w", providers.ErrQuota), "webdav: put x: " + providers.ErrQuota.Error() + ". Make room there, or choose another place."},
		{fmt.Errorf("%w (asked was A, and B signed)", ErrSigner), "Another account signed than the one you chose: switch the wallet to that account, or choose the other one here (asked was A, and B signed)."},
		{fmt.Errorf("%w: say where the place is", ErrAnswers), "Say where the place is."},
		{ErrBusy, "The place is being tried right now; wait for the end, or stop it."},
	} {
		if got := Explain(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
