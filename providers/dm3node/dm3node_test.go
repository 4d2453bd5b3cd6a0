package dm3node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/dm3node"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// writers is how many calls at once the conformance suite makes.
const writers = 16

// newStore makes a store of an account's device.
func newStore(t testing.TB, server *nodetest.Server, account nodetest.Account, change func(*dm3node.Options)) *dm3node.Store {
	t.Helper()
	options := &dm3node.Options{
		URL: server.URL, Account: account.Name, Sign: account.Sign, Normalise: identity.Normalize, Partition: "secret of " + account.Name,
		Parallel: writers, Stall: 5 * time.Minute, Warn: func(sentence string) { t.Error(sentence) },
	}
	if change != nil {
		change(options)
	}
	store, err := dm3node.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestConformance(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	providertest.Run(t, func(t *testing.T) providers.Store { return newStore(t, server, account, nil) })
	if shown := server.Visible(account.Name); len(shown) > 0 {
		t.Errorf("a dm3 app shows %v", shown)
	}
}

// TestConformanceWithShortIndexes: the same while indexes are begun anew all the time, which has nothing to do with large bodies.
func TestConformanceWithShortIndexes(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	providertest.RunWith(t, &providertest.Options{Long: 200, Ranged: 10_000}, func(t *testing.T) providers.Store {
		return newStore(t, server, account, func(o *dm3node.Options) { o.Turn = 8 })
	})
	if shown := server.Visible(account.Name); len(shown) > 0 {
		t.Errorf("a dm3 app shows %v", shown)
	}
}

func name(container, object int) string { return fmt.Sprintf("0x%064x/%d", container, object) }

// listed reads a whole listing.
func listed(t testing.TB, store providers.Store, prefix string) map[string]int64 {
	t.Helper()
	found := make(map[string]int64)
	for object, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		found[object.Name] = object.Size
	}
	return found
}

// TestManyDevices: devices that put and delete at one time, each with a store of its own, agree in the end on what is left:
// all that was put and not deleted. So does one that comes later, however often indexes were begun anew meanwhile, and
// however many requests failed.
func TestManyDevices(t *testing.T) {
	for title, every := range map[string]int{"all goes well": 0, "requests fail": 7} {
		t.Run(title, func(t *testing.T) { manyDevices(t, every) })
	}
}

func manyDevices(t *testing.T, every int) {
	const devices, rounds = 5, 30
	server := nodetest.New(t)
	account := server.Account(1)
	if every > 0 {
		server.FailSome(every, 1, nodetest.Before, nodetest.After, nodetest.Cut)
	}
	short := func(o *dm3node.Options) { o.Turn, o.Warn = 10, func(string) {} }
	var mutex sync.Mutex
	want := make(map[string]int64)
	note := func(name string, there bool) {
		mutex.Lock()
		defer mutex.Unlock()
		if want[name] = int64(len(name)); !there {
			delete(want, name)
		}
	}
	var group sync.WaitGroup
	for d := range devices {
		store := again(newStore(t, server, account, short))
		group.Go(func() {
			for r := range rounds {
				object := name(r%3, 1000*d+r)
				note(object, true) // others may see it before this one knows
				if err := store.Put(t.Context(), object, []byte(object)); err != nil {
					t.Error(err)
				}
				if r < 4 || r%4 == 0 {
					continue
				}
				whose := d // where requests fail another one's may be put again, by the same call
				if every == 0 {
					whose = (d + r) % devices // and may not be put yet
				}
				old := name(r%3, 1000*whose+r-3)
				if _, err := store.Get(t.Context(), old); errors.Is(err, providers.ErrNotFound) {
					continue
				}
				if err := store.Delete(t.Context(), old); err != nil {
					t.Error(err)
				}
				note(old, false)
			}
		})
	}
	group.Wait()
	server.FailSome(0, 0)
	for _, store := range []providers.Store{again(newStore(t, server, account, short)), again(newStore(t, server, account, nil))} {
		if got := listed(t, store, ""); !maps.Equal(got, want) {
			t.Errorf("%d objects, want %d", len(got), len(want))
		}
		for object := range want {
			if data, err := store.Get(t.Context(), object); err != nil || string(data) != object {
				t.Error(object, err)
			}
		}
	}
}

// again repeats what fails, without waiting.
func again(store providers.Store) providers.Store {
	return providers.Retry(store, &providers.RetryOptions{Attempts: 100, Sleep: func(context.Context, time.Duration) error { return nil }})
}

// TestOtherDevices: what one device puts and deletes another one sees at once; what was deleted can be put again.
func TestOtherDevices(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	one, two := newStore(t, server, account, nil), newStore(t, server, account, nil)
	data := []byte("sealed")
	for range 3 {
		if err := one.Put(t.Context(), name(1, 1), data); err != nil {
			t.Fatal(err)
		}
		if got, err := two.Get(t.Context(), name(1, 1)); err != nil || !bytes.Equal(got, data) {
			t.Error(got, err)
		}
		if got := listed(t, two, name(1, 1)); len(got) != 1 {
			t.Error(got)
		}
		if err := two.Delete(t.Context(), name(1, 1)); err != nil {
			t.Error(err)
		}
		if _, err := one.Get(t.Context(), name(1, 1)); !errors.Is(err, providers.ErrNotFound) {
			t.Error(err)
		}
		if got := listed(t, one, ""); len(got) != 0 {
			t.Error(got)
		}
	}
	if _, _, bytes := server.Rows(); bytes > 3*600 {
		t.Errorf("%d bytes are left of three deleted objects", bytes)
	}
}

// TestRequests: what the usual things cost.
func TestRequests(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	store, other := newStore(t, server, account, nil), newStore(t, server, account, nil)
	cost := func(do func()) int {
		before := server.Requests("")
		do()
		return server.Requests("") - before
	}
	put := func(number int) func() {
		return func() {
			if err := store.Put(t.Context(), name(1, number), []byte("x")); err != nil {
				t.Error(err)
			}
		}
	}
	put(0)()
	listed(t, other, name(1, 0))
	if got := cost(func() { listed(t, store, name(1, 0)[:67]) }); got != 1 {
		t.Errorf("idle: %d requests", got)
	}
	if got := cost(put(1)); got != 3 {
		t.Errorf("a put: %d requests", got)
	}
	if got := cost(func() { listed(t, other, name(1, 0)[:67]) }); got != 2 {
		t.Errorf("news: %d requests", got)
	}
	if got := cost(func() {
		if _, err := other.Get(t.Context(), name(1, 1)); err != nil {
			t.Error(err)
		}
	}); got != 1 {
		t.Errorf("a get: %d requests", got)
	}
	if got := cost(func() {
		if err := other.Delete(t.Context(), name(1, 1), name(1, 0)); err != nil {
			t.Error(err)
		}
	}); got != 3 {
		t.Errorf("a deletion: %d requests", got)
	}
}

// TestAppIsUndisturbed: the dm3 app's conversations stay as they are, and it sees none of dm3sync's, even where two devices
// made one at one time and where one died before it had hidden its own.
func TestAppIsUndisturbed(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	app, err := dm3api.NewClient(&dm3api.ClientOptions{URL: server.URL, Account: account.Name, Sign: account.Sign})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := app.AddMessage(t.Context(), fmt.Sprint("eyJ", i), dm3api.Record{CreatedAt: int64(i), MessageID: fmt.Sprint(i), Container: "hers"}); err != nil {
			t.Fatal(err)
		}
	}
	server.Twins(4)
	server.FailRoute("toggleHideConversation", nodetest.Before)
	store := again(newStore(t, server, account, nil))
	for i := range 6 {
		if err := store.Put(t.Context(), name(i, 0), []byte("sealed")); err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), name(i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	shown := server.Visible(account.Name)
	slices.Sort(shown)
	if fmt.Sprint(shown) != "[eyJ0 eyJ1 eyJ2]" {
		t.Errorf("the app shows %v", shown)
	}
	for i := range 3 {
		if page, err := app.MessagesPage(t.Context(), fmt.Sprint("eyJ", i), dm3api.Page{Size: 5}); err != nil || len(page) != 1 || page[0].Container != "hers" {
			t.Errorf("%+v %v", page, err)
		}
	}
}

// TestStrangers: another account, and another partition of the same one, see nothing of it.
func TestStrangers(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	if err := newStore(t, server, account, nil).Put(t.Context(), name(1, 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, stranger := range []*dm3node.Store{
		newStore(t, server, server.Account(2), func(o *dm3node.Options) { o.Partition = "secret of " + account.Name }),
		newStore(t, server, account, func(o *dm3node.Options) { o.Partition = "another" }),
	} {
		if got := listed(t, stranger, ""); len(got) > 0 {
			t.Error(got)
		}
		if err := stranger.Put(t.Context(), name(1, 1), []byte("y")); err != nil {
			t.Error(err)
		}
	}
	store := newStore(t, server, account, nil)
	if got, err := store.Get(t.Context(), name(1, 1)); err != nil || string(got) != "x" {
		t.Error(got, err)
	}
	if got := listed(t, store, ""); len(got) != 1 {
		t.Errorf("records of another account that are counted with it: %v", got)
	}
}

// TestFailures: whatever fails, and whether or not it was done, the same call again ends well, and nothing is lost.
func TestFailures(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	server.FailSome(4, 1, nodetest.Before, nodetest.After, nodetest.Cut)
	store := again(newStore(t, server, account, func(o *dm3node.Options) {
		o.Turn, o.Warn = 20, func(string) {} // a new generation may wait
	}))
	want := make(map[string]int64)
	for i := range 60 {
		switch i % 20 {
		case 10:
			server.EndSessions()
		case 15:
			server.Restart()
		}
		if err := store.Put(t.Context(), name(i%2, i), []byte(strings.Repeat("x", i))); err != nil {
			t.Fatal(err)
		}
		want[name(i%2, i)] = int64(i)
		if i%3 > 0 {
			if err := store.Delete(t.Context(), name(i%2, i)); err != nil {
				t.Fatal(err)
			}
			delete(want, name(i%2, i))
		}
	}
	server.FailSome(0, 0)
	server.Restart()
	server.EndSessions()
	cold := newStore(t, server, account, nil)
	if got := listed(t, cold, ""); !maps.Equal(got, want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
	for object, size := range want {
		if data, err := cold.Get(t.Context(), object); err != nil || int64(len(data)) != size {
			t.Error(len(data), size, err)
		}
	}
}
