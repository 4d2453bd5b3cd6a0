package dm3node_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/dm3node"
)

// TestSleepingDevice: what a device writes into a generation that was closed while it slept is seen by all.
func TestSleepingDevice(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	short := func(o *dm3node.Options) { o.Turn = 6 }
	sleeper, awake := newStore(t, server, account, nil), newStore(t, server, account, short)
	for _, object := range []int{1, 2} {
		if err := sleeper.Put(t.Context(), name(1, object), []byte("early")); err != nil {
			t.Fatal(err)
		}
	}
	reader := newStore(t, server, account, nil)
	listed(t, reader, "")
	generationsPass(t, awake)
	if err := sleeper.Put(t.Context(), name(1, 3), []byte("late")); err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Delete(t.Context(), name(1, 2)); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{name(1, 1): 5, name(1, 3): 4}
	for who, store := range map[string]*dm3node.Store{"awake": awake, "reader": reader, "sleeper": sleeper, "cold": newStore(t, server, account, nil)} {
		if got := listed(t, store, ""); !maps.Equal(got, want) {
			t.Errorf("%s sees %v", who, got)
		}
	}
	before := server.Requests("")
	listed(t, newStore(t, server, account, nil), name(1, 0)[:67])
	if spent := server.Requests("") - before; spent > 6 { // a login, generation 0, the newest one
		t.Errorf("a cold look at a long history: %d requests", spent)
	}
}

// generationsPass lets a store with short indexes begin the index of the first container anew a few times.
func generationsPass(t *testing.T, store providers.Store) {
	t.Helper()
	for i := range 20 {
		if err := store.Put(t.Context(), name(1, 100+i), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), name(1, 100+i)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBelatedDeletion: a device that took something back in a closed generation, and ended before it said so in the current
// one, did so for some and not for others; as soon as one of those writes, it is so for all.
func TestBelatedDeletion(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	short := func(o *dm3node.Options) { o.Turn = 6 }
	ending, reader, awake := newStore(t, server, account, nil), newStore(t, server, account, nil), newStore(t, server, account, short)
	generationsPass(t, awake)
	if err := ending.Put(t.Context(), name(1, 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	listed(t, reader, name(1, 0)[:67])
	generationsPass(t, awake)
	server.FailRoute("getNumberOfMessages", nodetest.Before)
	if err := ending.Delete(t.Context(), name(1, 1)); err == nil {
		t.Fatal("it did not end")
	}
	if got := listed(t, reader, name(1, 0)[:67]); len(got) != 0 {
		t.Errorf("the reader, who was in that generation, lists %v", got)
	}
	if err := reader.Put(t.Context(), name(1, 2), []byte("y")); err != nil {
		t.Fatal(err)
	}
	for who, store := range map[string]*dm3node.Store{"reader": reader, "awake": awake, "cold": newStore(t, server, account, nil)} {
		if got := listed(t, store, ""); len(got) != 1 || got[name(1, 2)] != 1 {
			t.Errorf("%s lists %v", who, got)
		}
	}
}

// TestDeletionAgain: a deletion that failed after it was noted in a closed generation is made for all by the next call.
func TestDeletionAgain(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	store, awake := newStore(t, server, account, nil), newStore(t, server, account, func(o *dm3node.Options) { o.Turn = 6 })
	generationsPass(t, awake)
	if err := store.Put(t.Context(), name(1, 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	generationsPass(t, awake)
	server.FailRoute("getNumberOfMessages", nodetest.Before)
	if err := store.Delete(t.Context(), name(1, 1)); err == nil {
		t.Fatal("it did not fail")
	}
	listed(t, store, "") // it knows now that others have gone on
	if err := store.Delete(t.Context(), name(1, 1)); err != nil {
		t.Fatal(err)
	}
	for who, store := range map[string]*dm3node.Store{"store": store, "awake": awake, "cold": newStore(t, server, account, nil)} {
		if got := listed(t, store, ""); len(got) != 0 {
			t.Errorf("%s lists %v", who, got)
		}
	}
}

// TestTakenBackMeanwhile: what somebody took back while the device that had put it was still on its way stays away.
func TestTakenBackMeanwhile(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	slow := newStore(t, server, account, nil)
	awake := newStore(t, server, account, func(o *dm3node.Options) { o.Turn = 6 })
	if err := awake.Put(t.Context(), name(1, 2), []byte("y")); err != nil {
		t.Fatal(err)
	}
	generationsPass(t, awake)
	listed(t, slow, "")
	var written atomic.Bool
	server.Between(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/editMessageBatch") {
			written.Store(true)
			return
		}
		if written.Load() { // it stands in the index, and its device is about to look
			server.Between(nil)
			if err := awake.Delete(t.Context(), name(1, 1)); err != nil {
				t.Error(err)
			}
			generationsPass(t, awake)
		}
	})
	if err := slow.Put(t.Context(), name(1, 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for who, store := range map[string]*dm3node.Store{"slow": slow, "awake": awake, "cold": newStore(t, server, account, nil)} {
		if got := listed(t, store, ""); len(got) != 1 || got[name(1, 2)] != 1 {
			t.Errorf("%s lists %v", who, got)
		}
	}
}

// TestRestoredNode: a node whose database was set back shows what is left; what it lost is not found, and not shown for ever.
func TestRestoredNode(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	store := newStore(t, server, account, nil)
	for i := range 8 {
		if err := store.Put(t.Context(), name(1, i), []byte(fmt.Sprint("object ", i))); err != nil {
			t.Fatal(err)
		}
	}
	bodies := 0
	server.Lose(func(m *dm3api.Message) bool { // the bytes of two objects and the name of another
		if strings.HasPrefix(m.Contact, "dm3sync.b.") {
			bodies++
			return bodies == 2 || bodies == 4
		}
		return strings.Contains(m.Container, name(1, 6))
	})
	for _, reader := range []*dm3node.Store{store, newStore(t, server, account, nil)} {
		got := listed(t, reader, "")
		if _, ok := got[name(1, 6)]; ok || len(got) != 7 {
			t.Errorf("%v", got)
		}
		for i := range 8 {
			data, err := reader.Get(t.Context(), name(1, i))
			if lost := i == 1 || i == 3 || i == 6; lost != errors.Is(err, providers.ErrNotFound) || !lost && string(data) != fmt.Sprint("object ", i) {
				t.Errorf("%d: %q %v", i, data, err)
			}
		}
	}
	if err := store.Put(t.Context(), name(1, 1), []byte("again")); err != nil {
		t.Fatal(err)
	}
	if data, err := newStore(t, server, account, nil).Get(t.Context(), name(1, 1)); err != nil || string(data) != "again" {
		t.Error(data, err)
	}
}

// TestStatuses: what the node says reaches callers as the sentinels that they know.
func TestStatuses(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	stranger := account
	stranger.Profile = identity.FromStorageKey([32]byte{7})
	store := newStore(t, server, stranger, nil)
	if err := store.Put(t.Context(), name(1, 1), nil); !errors.Is(err, providers.ErrUnauthorised) {
		t.Error(err)
	}
	stranger.Name = "unknown.eth"
	store = newStore(t, server, stranger, nil)
	if _, err := store.Get(t.Context(), name(1, 1)); !errors.Is(err, providers.ErrTransient) || errors.Is(err, providers.ErrNotFound) {
		t.Error(err)
	}
	nowhere := func(o *dm3node.Options) { o.URL = "http://127.0.0.1:1" }
	if _, err := newStore(t, server, account, nowhere).Get(t.Context(), name(1, 1)); !errors.Is(err, providers.ErrTransient) {
		t.Error(err)
	}
	for title, change := range map[string]func(*dm3node.Options){
		"no partition": func(o *dm3node.Options) { o.Partition = "" },
		"no account":   func(o *dm3node.Options) { o.Account = "" },
		"a bad name":   func(o *dm3node.Options) { o.Account = "Alice.eth" },
		"no address":   func(o *dm3node.Options) { o.URL = "hunter2" },
		"no authority": func(o *dm3node.Options) { o.CAFile = t.TempDir() },
	} {
		options := &dm3node.Options{URL: server.URL, Account: account.Name, Sign: account.Sign, Partition: "x"}
		change(options)
		if store, err := dm3node.New(options); store != nil || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// TestShiftingPages: what comes while a device reads a long index for the first time, page by page, hides nothing from it.
func TestShiftingPages(t *testing.T) {
	const before = 1100 // more than a page
	server := nodetest.New(t)
	account := server.Account(1)
	writer := newStore(t, server, account, func(o *dm3node.Options) { o.Turn = 10 * before })
	want := make(map[string]int64)
	put := func() {
		object := name(1, len(want))
		if err := writer.Put(t.Context(), object, nil); err != nil {
			t.Error(err)
		}
		want[object] = 0
	}
	for range before {
		put()
	}
	known := maps.Clone(want)
	var busy atomic.Bool
	var during atomic.Int64
	server.Between(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/getMessages/") && busy.CompareAndSwap(false, true) {
			for range 9 {
				put()
			}
			during.Add(9)
			busy.Store(false)
		}
	})
	reader := newStore(t, server, account, nil)
	got := listed(t, reader, name(1, 0)[:67])
	server.Between(nil)
	for object := range known {
		if _, ok := got[object]; !ok {
			t.Fatalf("%s is not listed", object)
		}
	}
	if during.Load() < 18 {
		t.Errorf("only %d objects came meanwhile", during.Load())
	}
	if got := listed(t, reader, ""); !maps.Equal(got, want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
	// The same, for a reader that knows nearly all: what was there before it asked is not mistaken for what came after that.
	for range 10 {
		put()
	}
	known = maps.Clone(want)
	server.Between(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/getMessages/") && busy.CompareAndSwap(false, true) {
			for range 12 {
				put()
			}
			busy.Store(false)
		}
	})
	got = listed(t, reader, name(1, 0)[:67])
	server.Between(nil)
	for object := range known {
		if _, ok := got[object]; !ok {
			t.Errorf("%s is not listed", object)
		}
	}
}

// TestBrokenOff: a device may end at any request while it begins an index anew. Others, one that knew the index and one that
// did not, go on, begin it anew themselves, and agree on all that was acknowledged.
func TestBrokenOff(t *testing.T) {
	ended := 0
	for k := 0; ended < 2; k++ { // until nothing breaks off
		if k > 60 {
			t.Fatal("it never ends")
		}
		server := nodetest.New(t)
		account := server.Account(1)
		w := &world{t: t, want: map[string]int64{}}
		short := func(o *dm3node.Options) { o.Turn, o.Warn = 8, func(string) {} }
		dying, warm := newStore(t, server, account, short), newStore(t, server, account, short)
		for i := range 3 {
			w.write(dying, i, i == 0) // five records
		}
		listed(t, warm, "")
		var asked atomic.Int64
		server.Between(func(*http.Request) {
			if asked.Add(1) > int64(k) {
				server.FailSome(1, 0, nodetest.Before)
			}
		})
		for i := range 3 { // the second one begins the index anew
			w.write(dying, 10+i, false)
		}
		server.Between(nil)
		server.FailSome(0, 0)
		if asked.Load() <= int64(k) {
			ended++
		}
		cold := newStore(t, server, account, short)
		for i := range 24 { // further generations
			w.write([]*dm3node.Store{warm, cold}[i%2], 100+i, i%6 == 0)
		}
		if w.failed > 0 && ended > 0 {
			t.Error("a call failed although all went well")
		}
		w.agree(k, warm, cold, newStore(t, server, account, nil))
	}
}

// world is what must be there, and what may be.
type world struct {
	t      *testing.T
	want   map[string]int64
	doubt  []string
	failed int
}

// write puts an object, and deletes it again unless it is kept. What fails is in doubt.
func (w *world) write(store providers.Store, number int, kept bool) {
	object := name(1, number)
	err := store.Put(w.t.Context(), object, []byte("x"))
	if err == nil && kept {
		w.want[object] = 1
	}
	if err == nil && !kept {
		err = store.Delete(w.t.Context(), object)
	}
	if err != nil {
		w.doubt = append(w.doubt, object)
		w.failed++
	}
}

// agree wants the same listing of all stores: what is wanted, and perhaps some of what is in doubt.
func (w *world) agree(k int, stores ...*dm3node.Store) {
	w.t.Helper()
	first := listed(w.t, stores[0], "")
	for i, store := range stores {
		got := listed(w.t, store, "")
		if !maps.Equal(got, first) {
			w.t.Errorf("broken off at request %d: store %d lists %v, another one %v", k, i, got, first)
		}
		for _, object := range w.doubt {
			delete(got, object)
		}
		if !maps.Equal(got, w.want) {
			w.t.Errorf("broken off at request %d: store %d lists %v, want %v", k, i, got, w.want)
		}
	}
}
