package ipfs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pinningService is a service as the Pinning Services API has it. It keeps nothing.
type pinningService struct {
	mu   sync.Mutex
	next int
	pins map[string]map[string]any // by request
}

// count is how many roots the service has.
func (s *pinningService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pins)
}

// ServeHTTP implements http.Handler.
func (s *pinningService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer token" {
		http.Error(w, `{"error":{"reason":"UNAUTHORIZED"}}`, http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.Method {
	case http.MethodPost:
		var pin map[string]any
		if err := json.NewDecoder(r.Body).Decode(&pin); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.next++
		id := fmt.Sprint("request", s.next)
		s.pins[id] = map[string]any{"requestid": id, "status": "pinned", "created": "2026-01-01T00:00:00Z", "delegates": []string{}, "pin": pin}
		w.WriteHeader(http.StatusAccepted)
		json.NewEncoder(w).Encode(s.pins[id])
	case http.MethodDelete:
		delete(s.pins, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		w.WriteHeader(http.StatusAccepted)
	default:
		found := []map[string]any{}
		for _, one := range s.pins {
			pin := one["pin"].(map[string]any)
			cids := strings.Split(r.URL.Query().Get("cid"), ",")
			if name := r.URL.Query().Get("name"); (name == "" || name == pin["name"]) && (cids[0] == "" || slices.Contains(cids, pin["cid"].(string))) {
				found = append(found, one)
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"count": len(found), "results": found})
	}
}

// TestKuboPinService: a real node speaks to a pinning service, whose gateway is the node's own here, and lets go of what is
// old.
func TestKuboPinService(t *testing.T) {
	node, _ := realNodes(t)
	service := &pinningService{pins: make(map[string]map[string]any)}
	server := httptest.NewServer(service)
	defer server.Close()
	node.PinService("mine", server.URL, "token")
	clock := newClock()
	o := options(t, node.URL, 1, 1)
	o.PinService, o.PinGateway, o.UnpinAfter, o.Now = "mine", node.Gateway(), time.Hour, clock.now
	store := open(t, o)
	for i := range 2 {
		put(t, store, fmt.Sprintf("a/%d", i))
		names(t, store, "")
		tend(t, store) // asks
		tend(t, store) // and hears that it is there
	}
	if count := service.count(); count != 2 {
		t.Errorf("%d heads at the service within the grace time", count)
	}
	clock.pass(2 * time.Hour)
	tend(t, store)
	if count := service.count(); count != 1 {
		t.Errorf("%d heads at the service after it", count)
	}
}
