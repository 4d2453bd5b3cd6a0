package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is one request as the server saw it. Ended is when its answer was ready, before the first byte of it went out:
// whoever depends on it starts later.
type request struct {
	method, path   string
	query          string
	started, ended time.Time
	status         int
	bytes          int // of the answer's body
	sent           int // of the request's body
}

func (r request) String() string {
	if len(r.path) > 40 {
		r.path = r.path[:20] + "…" + r.path[len(r.path)-16:]
	}
	return fmt.Sprintf("%s %s?%s -> %d, %d bytes", r.method, r.path, r.query, r.status, r.bytes)
}

// recorder stands before a server and writes down what is asked. Every answer takes delay longer, so that requests that do
// not wait for one another overlap.
type recorder struct {
	server http.Handler

	mu       sync.Mutex
	delay    time.Duration
	requests []request
}

func (r *recorder) between(server http.Handler) http.Handler {
	r.server = server
	return r
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, asked *http.Request) {
	seen := request{method: asked.Method, path: asked.URL.Path, query: asked.URL.RawQuery, sent: int(max(0, asked.ContentLength)), started: time.Now()}
	r.mu.Lock()
	delay := r.delay
	r.mu.Unlock()
	time.Sleep(delay)
	answer := httptest.NewRecorder()
	r.server.ServeHTTP(answer, asked)
	seen.status, seen.bytes, seen.ended = answer.Code, answer.Body.Len(), time.Now()
	r.mu.Lock()
	r.requests = append(r.requests, seen)
	r.mu.Unlock()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client went away; that is its affair
}

// during returns the requests made while do ran, each delayed.
func (r *recorder) during(delay time.Duration, do func()) []request {
	r.mu.Lock()
	r.delay, r.requests = delay, nil
	r.mu.Unlock()
	do()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = 0
	return slices.Clone(r.requests)
}

// depths returns, in the order of their starts, how many requests each one may have waited for, one after the other, itself
// included: it started when they had ended. Where the machine is slow that can be more than it did wait for, never less.
func depths(requests []request) ([]request, []int) {
	requests = slices.SortedFunc(slices.Values(requests), func(a, b request) int { return a.started.Compare(b.started) })
	deep := make([]int, len(requests))
	for i := range requests {
		deep[i] = 1
		for j := range i {
			if !requests[j].ended.After(requests[i].started) {
				deep[i] = max(deep[i], deep[j]+1)
			}
		}
	}
	return requests, deep
}

// layers tells what was asked in each round trip.
func layers(requests []request) (count int, text string) {
	requests, deep := depths(requests)
	parts := map[int]map[string]int{}
	size := map[int]int{}
	for i, request := range requests {
		if parts[deep[i]] == nil {
			parts[deep[i]] = map[string]int{}
		}
		kind := request.method
		if strings.Contains(request.query, "list-type") {
			kind = "LIST"
		}
		parts[deep[i]][kind]++
		size[deep[i]] += request.bytes
		count = max(count, deep[i])
	}
	var all []string
	for layer := 1; layer <= count; layer++ {
		all = append(all, fmt.Sprintf("%v %.1f kB", parts[layer], float64(size[layer])/1000))
	}
	return count, strings.Join(all, "; then ")
}

func answered(requests []request) (bytes int) {
	for _, request := range requests {
		bytes += request.bytes
	}
	return bytes
}

// TestDepths: requests that overlap don't depend on one another, and the longest chain counts.
func TestDepths(t *testing.T) {
	at := func(started, ended int) request {
		return request{method: "GET", started: time.UnixMilli(int64(started)), ended: time.UnixMilli(int64(ended))}
	}
	for want, requests := range map[int][]request{
		0: nil,
		1: {at(0, 10), at(5, 20), at(9, 10)},
		2: {at(0, 10), at(0, 30), at(10, 20), at(15, 40)},
		3: {at(20, 30), at(0, 10), at(10, 20), at(10, 12)},
		4: {at(0, 100), at(0, 1), at(1, 2), at(2, 3), at(3, 4)},
	} {
		if got, text := layers(requests); got != want {
			t.Errorf("%d layers, want %d: %s", got, want, text)
		}
	}
}
