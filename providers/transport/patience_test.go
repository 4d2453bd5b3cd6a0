package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

// refusing is a service that answers 429 so many times, and remembers the bodies that it was sent.
type refusing struct {
	times  int
	after  string
	bodies []string
	closed int
}

// RoundTrip implements http.RoundTripper.
func (r *refusing) RoundTrip(request *http.Request) (*http.Response, error) {
	text := ""
	if request.Body != nil {
		read, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		text = string(read)
	}
	r.bodies = append(r.bodies, text)
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: r}
	if len(r.bodies) <= r.times {
		answer.StatusCode = http.StatusTooManyRequests
		answer.Header.Set("Retry-After", r.after)
	}
	return answer, nil
}

// Read and Close make an empty body that knows whether it was closed.
func (r *refusing) Read([]byte) (int, error) { return 0, io.EOF }

func (r *refusing) Close() error {
	r.closed++
	return nil
}

// TestPatience: what a service put off is sent again, whole, after the wait that it asked for, and not for ever.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		times  int
		after  string
		stream bool // a body that can't be read again
		status int
		sent   int
		waited time.Duration
	}{
		"answered at once": {0, "1", false, 200, 1, 0},
		"twice":            {2, "2", false, 200, 3, 6 * time.Second},
		"for ever":         {99, "10", false, 429, 5, time.Minute},
		"too long":         {1, "11", false, 429, 1, 0},
		"no word":          {1, "", false, 429, 1, 0},
		"a stream":         {1, "1", true, 429, 1, 0},
	} {
		service, waited := &refusing{times: c.times, after: c.after}, time.Duration(0)
		patience := &transport.Patience{Base: service, Random: func() float64 { return 0.5 }, Sleep: func(_ context.Context, wait time.Duration) error {
			waited += wait
			return nil
		}}
		var body io.Reader = strings.NewReader("all of it")
		if c.stream {
			body = io.MultiReader(body)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://node.example.org/", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := patience.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer.Body.Close()
		if answer.StatusCode != c.status || len(service.bodies) != c.sent || waited != c.waited || service.closed != c.sent {
			t.Errorf("%s: %d after %d requests and %v, %d answers closed", name, answer.StatusCode, len(service.bodies), waited, service.closed)
		}
		for _, sent := range service.bodies {
			if sent != "all of it" {
				t.Errorf("%s: sent %q", name, sent)
			}
		}
	}
}

// TestPatienceEnds: an ended context ends the wait.
func TestPatienceEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node.example.org/", nil)
	if err != nil {
		t.Fatal(err)
	}
	patience := &transport.Patience{Base: &refusing{times: 1, after: "1"}}
	answer, err := patience.RoundTrip(request)
	if err == nil {
		err = answer.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
