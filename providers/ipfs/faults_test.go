package ipfs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// TestPartnerAway: a device goes on while another one's node is away: it writes, lists and reads what that one published,
// also after a restart, for it fetched it all. A third device learns of it from the second.
func TestPartnerAway(t *testing.T) {
	nodes := network(t, 3)
	one, two := open(t, hasty(t, nodes[0], 1, 3)), open(t, hasty(t, nodes[1], 2, 3))
	put(t, one, "a/1", "b/1")
	wantNames(t, one, "", "a/1", "b/1")
	wantNames(t, two, "", "a/1", "b/1")
	put(t, two, "a/2")
	tend(t, two) // fetches, and publishes what it saw
	nodes[0].Cut(true)
	nodes[1].Withhold(one.Name(1), true) // no more answers for that name

	wantNames(t, two, "", "a/1", "a/2", "b/1")
	wantObject(t, two, "b/1")
	put(t, two, "a/3")
	wantAbsent(t, two, "a/none") // what is known is enough for that
	two.Close()
	two = open(t, hasty(t, nodes[1], 2, 3))
	wantNames(t, two, "", "a/1", "a/2", "a/3", "b/1")
	wantObject(t, two, "b/1")

	nodes[2].Withhold(one.Name(1), true)
	three := open(t, hasty(t, nodes[2], 3, 3))
	wantNames(t, three, "", "a/1", "a/2", "a/3", "b/1")
	wantObject(t, three, "b/1")
	remove(t, three, "b/1")
	wantAbsent(t, three, "b/1")
	wantNames(t, three, "", "a/1", "a/2", "a/3")

	put(t, one, "a/4") // meanwhile, cut off
	wantNames(t, one, "", "a/1", "a/4", "b/1")
	nodes[0].Cut(false)
	nodes[1].Withhold(one.Name(1), false)
	wantNames(t, one, "", "a/1", "a/2", "a/3", "a/4")
	wantNames(t, two, "", "a/1", "a/2", "a/3", "a/4")
}

// TestBlocksThatNeverCome: an object, or a head, whose blocks nobody gives is no absent one, and holds up nothing for
// longer than the patience.
func TestBlocksThatNeverCome(t *testing.T) {
	nodes := network(t, 2)
	o := at(t, nodes[1], 2, 2)
	o.Patience = time.Second
	one, two := open(t, at(t, nodes[0], 1, 2)), open(t, o)
	put(t, one, "a/1", "a/2")
	names(t, one, "")
	nodes[1].Withhold(kubotest.Identifier([]byte("object a/1")), true)
	wantNames(t, two, "", "a/1", "a/2")
	begun := time.Now()
	_, err := two.Get(t.Context(), "a/1")
	_, part := two.GetRange(t.Context(), "a/1", 1, 2)
	if !errors.Is(err, providers.ErrTransient) || !errors.Is(part, providers.ErrTransient) {
		t.Errorf("get %v, range %v", err, part)
	}
	if took := time.Since(begun); took > 45*time.Second {
		t.Errorf("it took %v", took)
	}
	wantObject(t, two, "a/2")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := two.Tend(ctx); err == nil {
		t.Error("fetching everything did not notice")
	}
	nodes[1].Withhold(kubotest.Identifier([]byte("object a/1")), false)
	wantObject(t, two, "a/1")
	tend(t, two)
}

// TestHeadNotReadable: a newer head that can't be read is stood in for by the last one that could.
func TestHeadNotReadable(t *testing.T) {
	nodes := network(t, 2)
	one, two := open(t, hasty(t, nodes[0], 1, 2)), open(t, hasty(t, nodes[1], 2, 2))
	put(t, one, "a/1")
	names(t, one, "")
	wantNames(t, two, "", "a/1")
	put(t, one, "a/2")
	names(t, one, "")
	nodes[1].Refuse(func(command string) int {
		if command == "ls" {
			return http.StatusInternalServerError
		}
		return 0
	})
	if err := listing(t.Context(), two); err == nil {
		t.Error("nothing can be listed, and it is no error")
	}
	nodes[1].Refuse(nil)
	nodes[0].Cut(true)
	wantNames(t, two, "a/", "a/1")
	nodes[0].Cut(false)
	soon(t, two, "a/", 2)
}

// soon looks until there are so many names: an answer that was under way may be an old one.
func soon(t *testing.T, store *ipfs.Store, prefix string, count int) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(time.Millisecond) {
		if len(names(t, store, prefix)) == count {
			return
		}
	}
	t.Errorf("list %q never shows %d names", prefix, count)
}

// TestSlowNames: a name that does not answer is waited for once, then not long; the rest goes on. It is asked for again when
// the node has given it up, which takes the node a second, and not before.
func TestSlowNames(t *testing.T) {
	nodes := network(t, 2)
	o := at(t, nodes[0], 1, 2)
	o.Patience, o.Slow = time.Second, time.Millisecond
	one, two := open(t, o), open(t, at(t, nodes[1], 2, 2))
	put(t, two, "a/2")
	names(t, two, "")
	wantNames(t, one, "", "a/2")
	nodes[0].Withhold(two.Name(2), true)
	put(t, one, "a/1")
	before, begun := nodes[0].Asked("name/resolve"), time.Now()
	for range 10 {
		wantNames(t, one, "", "a/1", "a/2")
	}
	asked, took := nodes[0].Asked("name/resolve")-before, time.Since(begun)
	if asked > 2+int(took/time.Second) { // the own name among them, before it is published
		t.Errorf("%d questions for names in %v", asked, took)
	}
	nodes[0].Withhold(two.Name(2), false)
	put(t, two, "a/3")
	names(t, two, "")
	soon(t, one, "", 3)
}

// TestAbsentNames: numbers that nobody uses are asked for now and then.
func TestAbsentNames(t *testing.T) {
	nodes := network(t, 1)
	clock := newClock()
	o := at(t, nodes[0], 1, 5)
	o.AskAbsent, o.Now = time.Minute, clock.now
	store := open(t, o)
	put(t, store, "a/1")
	names(t, store, "")
	before := nodes[0].Asked("name/resolve")
	for range 5 {
		names(t, store, "")
	}
	if asked := nodes[0].Asked("name/resolve") - before; asked != 0 {
		t.Errorf("%d questions within the minute", asked)
	}
	clock.pass(time.Minute)
	names(t, store, "")
	if asked := nodes[0].Asked("name/resolve") - before; asked != 4 {
		t.Errorf("%d questions after it, want 4", asked)
	}
}

// TestIdle: a look costs one request for each device.
func TestIdle(t *testing.T) {
	nodes := network(t, 1)
	var requests atomic.Int64
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		nodes[0].ServeHTTP(w, r)
	}))
	defer counting.Close()
	store := open(t, options(t, counting.URL, 1, 1))
	put(t, store, "a/1")
	wantNames(t, store, "a/", "a/1")
	requests.Store(0)
	wantNames(t, store, "a/", "a/1")
	if count := requests.Load(); count != 1 {
		t.Errorf("%d requests", count)
	}
}

// TestGarbage: the node's garbage collection takes nothing that is used, and what was removed only after the grace time.
func TestGarbage(t *testing.T) {
	nodes := network(t, 2)
	clock := newClock()
	o := at(t, nodes[0], 1, 2)
	o.UnpinAfter, o.Now = time.Hour, clock.now
	one, two := open(t, o), open(t, at(t, nodes[1], 2, 2))
	put(t, one, "a/1", "a/2")
	names(t, one, "")
	names(t, two, "")
	tend(t, two)
	for _, node := range nodes {
		node.Collect()
	}
	wantObject(t, one, "a/1")
	wantObject(t, two, "a/1")
	if !nodes[1].Has([]byte("object a/1")) {
		t.Error("the second node never fetched it")
	}
	remove(t, one, "a/1")
	names(t, one, "")
	names(t, two, "")
	clock.pass(59 * time.Minute)
	tend(t, one)
	tend(t, two)
	nodes[0].Collect()
	if !nodes[0].Has([]byte("object a/1")) {
		t.Error("it went before the grace time was over")
	}
	clock.pass(time.Minute)
	tend(t, one)
	for _, node := range nodes {
		node.Collect()
		if node.Has([]byte("object a/1")) {
			t.Error("a node keeps it after the grace time")
		}
	}
	wantObject(t, one, "a/2")
	wantObject(t, two, "a/2")
}

// TestAnswers: what the node answers becomes the right error, and says what to do; nothing of it is taken for absence.
func TestAnswers(t *testing.T) {
	nodes := network(t, 1)
	store := open(t, at(t, nodes[0], 1, 1))
	put(t, store, "a/1")
	names(t, store, "")
	for status, want := range map[int]error{
		http.StatusUnauthorized: providers.ErrUnauthorised, http.StatusForbidden: providers.ErrUnauthorised,
		http.StatusInternalServerError: providers.ErrTransient, http.StatusBadGateway: providers.ErrTransient,
		http.StatusTooManyRequests: providers.ErrRateLimited, http.StatusServiceUnavailable: providers.ErrRateLimited,
		http.StatusInsufficientStorage: providers.ErrQuota, http.StatusNotFound: nil, http.StatusBadRequest: nil,
	} {
		nodes[0].Refuse(func(string) int { return status })
		_, got := store.Get(t.Context(), "a/1")
		for operation, err := range map[string]error{
			"put": store.Put(t.Context(), "a/2", nil), "get": got, "list": listing(t.Context(), store), "delete": store.Delete(t.Context(), "a/1"),
		} {
			if err == nil || errors.Is(err, providers.ErrNotFound) || want != nil && !errors.Is(err, want) || want == nil && providers.Retriable(err) {
				t.Errorf("%s answered %d: %v, want %v", operation, status, err, want)
			}
			if status == http.StatusNotFound && !strings.Contains(err.Error(), "endpoint must be its RPC") {
				t.Errorf("%s answered %d: %v", operation, status, err)
			}
		}
	}
	nodes[0].Refuse(nil)
	wantObject(t, store, "a/1")
	nodes[0].Close()
	_, got := store.Get(t.Context(), "a/1")
	if err := listing(t.Context(), store); !errors.Is(err, providers.ErrTransient) || !errors.Is(got, providers.ErrTransient) {
		t.Errorf("without a node: list %v, get %v", err, got)
	}
}

// TestCutShort: an answer that ends early, or says so at its end, is no object.
func TestCutShort(t *testing.T) {
	nodes := network(t, 1)
	var current atomic.Value
	current.Store("")
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch fault := current.Load(); {
		case !strings.HasSuffix(r.URL.Path, "/cat") || fault == "":
			nodes[0].ServeHTTP(w, r)
		case fault == "short":
			fmt.Fprint(w, "obj")
		case fault == "trailer":
			w.Header().Set("Trailer", "X-Stream-Error")
			fmt.Fprint(w, "object a/1")
			w.Header().Set("X-Stream-Error", "context deadline exceeded")
		case fault == "long":
			fmt.Fprint(w, "object a/1 and more")
		}
	}))
	defer between.Close()
	store := open(t, options(t, between.URL, 1, 1))
	put(t, store, "a/1")
	for _, fault := range []string{"short", "trailer", "long"} {
		current.Store(fault)
		if data, err := store.Get(t.Context(), "a/1"); !errors.Is(err, providers.ErrTransient) {
			t.Errorf("%s: %q %v", fault, data, err)
		}
	}
	current.Store("")
	wantObject(t, store, "a/1")
}

// TestLogin: a name and password, a token, and none; nothing of it stands in errors.
func TestLogin(t *testing.T) {
	nodes := network(t, 1)
	var wanted atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != wanted.Load() {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		nodes[0].ServeHTTP(w, r)
	}))
	defer proxy.Close()
	for _, c := range []struct{ username, secret, header string }{
		{"", "", ""}, {"alice", "hunter2", "Basic YWxpY2U6aHVudGVyMg=="}, {"", "hunter2", "Bearer hunter2"},
	} {
		o := options(t, proxy.URL, 1, 1)
		o.Username, o.Secret = c.username, c.secret
		store := open(t, o)
		wanted.Store("something else")
		if err := store.Put(t.Context(), "a/1", nil); !errors.Is(err, providers.ErrUnauthorised) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v refused: %v", c, err)
		}
		wanted.Store(c.header)
		put(t, store, "a/1")
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]*ipfs.Options{
		"nothing": nil, "no device": {Devices: 3}, "above the number": {Device: 3, Devices: 2}, "too many": {Device: 1, Devices: ipfs.MaxDevices + 1},
		"no address": {Device: 1, Devices: 1, Endpoint: "hunter2"}, "a password": {Device: 1, Devices: 1, Endpoint: "http://a:hunter2@host"},
		"a bad gateway": {Device: 1, Devices: 1, PinGateway: "hunter2"}, "a bad proxy": {Device: 1, Devices: 1, Proxy: "hunter2"},
	} {
		if store, err := ipfs.New(o); store != nil || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpace: the node's repository, and its owner's limit.
func TestSpace(t *testing.T) {
	nodes := network(t, 1)
	store := open(t, at(t, nodes[0], 1, 1))
	put(t, store, "a/1")
	space, err := providers.SpaceOf(t.Context(), store)
	if err != nil || space.Used <= 0 || space.Total != 10_000_000_000 {
		t.Errorf("%+v %v", space, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Space(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWarning: publications that keep failing are told with since when, after a while or some attempts, and no more once one succeeds.
func TestWarning(t *testing.T) {
	nodes := network(t, 1)
	o := at(t, nodes[0], 1, 1)
	clock := newClock()
	o.Now = clock.now
	store := open(t, o)
	refuse := func(command string) int {
		if command == "name/publish" {
			return http.StatusInternalServerError
		}
		return 0
	}
	try := func(name string) {
		t.Helper()
		put(t, store, name)
		if err := listing(t.Context(), store); err != nil {
			t.Error(err)
		}
	}
	try("a/0")
	for round, attempts := range []int{1, 4, 5} {
		nodes[0].Refuse(refuse)
		began := clock.now()
		for i := range attempts {
			try(fmt.Sprintf("a/%d-%d", round, i))
			clock.pass(time.Minute)
		}
		text := store.Warning(clock.now())
		if often := attempts >= 5; (text != "") != often {
			t.Errorf("after %d failures: %q", attempts, text)
		}
		if text = store.Warning(began.Add(10 * time.Minute)); !strings.Contains(text, began.Format("2006-01-02 15:04")) || !strings.Contains(text, "safe at the node") {
			t.Errorf("after ten minutes: %q", text)
		}
		nodes[0].Refuse(nil)
		try(fmt.Sprintf("a/%d", round))
		if text := store.Warning(clock.now().Add(time.Hour)); text != "" {
			t.Errorf("it works again: %q", text)
		}
	}
}
