package ipfs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPinService: what is published is pinned at the service, older heads leave it after the grace time, and its word is
// not taken: a service that lies is found out.
func TestPinService(t *testing.T) {
	nodes := network(t, 1)
	gateway := httptest.NewServer(nodes[0].PinService("mine", false))
	defer gateway.Close()
	clock := newClock()
	o := at(t, nodes[0], 1, 1)
	o.PinService, o.PinGateway, o.UnpinAfter, o.Now = "mine", gateway.URL, time.Hour, clock.now
	store := open(t, o)
	for range 3 {
		put(t, store, "a/"+clock.now().Format("150405"), "b/"+clock.now().Format("150405"))
		names(t, store, "")
		tend(t, store)
		clock.pass(time.Minute)
	}
	if count := nodes[0].RemotePins("mine"); count != 3 {
		t.Errorf("%d heads at the service within the grace time", count)
	}
	clock.pass(time.Hour)
	tend(t, store)
	if count := nodes[0].RemotePins("mine"); count != 1 {
		t.Errorf("%d heads at the service after it", count)
	}
	asked := nodes[0].Asked("pin/remote/add")
	tend(t, store)
	if again := nodes[0].Asked("pin/remote/add"); again != asked {
		t.Error("nothing new was pinned again")
	}
}

func TestLyingPinService(t *testing.T) {
	nodes := network(t, 1)
	gateway := httptest.NewServer(nodes[0].PinService("mine", true))
	defer gateway.Close()
	for address, lies := range map[string]bool{gateway.URL: true, "": false} {
		o := at(t, nodes[0], 1, 1)
		o.PinService, o.PinGateway = "mine", address
		store := open(t, o)
		put(t, store, "a/1")
		names(t, store, "")
		err := store.Tend(t.Context())
		if lies != (err != nil && strings.Contains(err.Error(), "does not give it")) || !lies && err != nil {
			t.Errorf("gateway %q: %v", address, err)
		}
		store.Close()
	}
	o := at(t, nodes[0], 1, 1)
	o.PinService = "unknown"
	store := open(t, o)
	put(t, store, "a/2")
	names(t, store, "")
	if err := store.Tend(t.Context()); err == nil {
		t.Error("a service that the node does not know is fine")
	}
	wantObject(t, store, "a/2") // all else goes on
}

// TestPinServiceBytes: other bytes from the gateway are found out.
func TestPinServiceBytes(t *testing.T) {
	nodes := network(t, 1)
	nodes[0].PinService("mine", false)
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "other bytes") }))
	defer wrong.Close()
	o := at(t, nodes[0], 1, 1)
	o.PinService, o.PinGateway = "mine", wrong.URL
	store := open(t, o)
	put(t, store, "a/1")
	names(t, store, "")
	if err := store.Tend(t.Context()); err == nil || !strings.Contains(err.Error(), "other bytes") {
		t.Error(err)
	}
}
