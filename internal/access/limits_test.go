package access_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
)

func TestOversizedHeaders(t *testing.T) {
	r := newRig(t)
	for what, line := range map[string]string{
		"one long line":  "X-Long: " + strings.Repeat("x", 40_000),
		"many lines":     strings.TrimSuffix(strings.Repeat("X-Many: 1234567890\r\n", 2000), "\r\n"),
		"a long cookie":  "Cookie: dm3sync-" + r.port + "=" + strings.Repeat("x", 40_000),
		"a long token":   "Authorization: Bearer " + strings.Repeat("x", 40_000),
		"a long referer": "Referer: http://" + r.address + "/" + strings.Repeat("x", 40_000),
	} {
		r.refused(what, r.request("GET", "/v1/status", "", r.bearer(), line), http.StatusRequestHeaderFieldsTooLarge)
	}
	r.refused("a long path", r.request("GET", "/v1/status?"+strings.Repeat("x", 40_000), "", r.bearer()), http.StatusRequestHeaderFieldsTooLarge)
}

func TestOversizedBodies(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("x", 1001)
	head := "POST " + passes + " HTTP/1.1\r\nHost: " + r.address + "\r\n" + r.bearer() + "\r\n"
	r.refused("announced", r.send(head+"Content-Length: 9999999999999\r\n\r\n"), http.StatusRequestEntityTooLarge)
	r.refused("a little too long", r.request("POST", passes, long, r.bearer()), http.StatusRequestEntityTooLarge)
	// In pieces nobody knows beforehand, so reading stops at the bound.
	chunked := head + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	r.refused("in pieces", r.send(chunked+fmt.Sprintf("%x\r\n{\"x\":\"%s\"}\r\n0\r\n\r\n", len(long)+8, long)), http.StatusRequestEntityTooLarge)
	// Messages may be as many as they like.
	body := strings.Repeat("x", 5_000_000)
	r.served("an append", r.request("POST", messages, body, r.bearer(), lines))
	if calls := r.backend.all(); len(calls) != 1 || calls[0] != "append 5000000 bob.eth" {
		t.Errorf("calls %v", calls)
	}
}

// impatient makes a rig that waits for no body and no reader. Headers come in time on a busy machine, too.
func impatient(o *access.Options, _ *access.ServerOptions) {
	o.Patience = access.Patience{Read: 150 * time.Millisecond, Rate: 1000, Write: 150 * time.Millisecond}
}

// hurried makes a rig that waits little for headers: long enough for those of the tests themselves on a busy machine.
func hurried(_ *access.Options, s *access.ServerOptions) { s.HeaderWait = 2 * time.Second }

func TestSlowHeaders(t *testing.T) {
	r := newRig(t, hurried)
	for _, part := range []string{"", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: " + r.address + "\r\nX-Slow: "} {
		connection := r.dial()
		if _, err := io.WriteString(connection, part); err != nil {
			t.Fatal(err)
		}
		if part == "" { // nothing at all is an idle connection, which waits as long as one may
			connection.Close()
			continue
		}
		if _, err := io.Copy(io.Discard, connection); err != nil { // returns when the server hangs up
			t.Errorf("after %q: %v", part, err)
		}
		connection.Close()
	}
	r.served("others, meanwhile", r.request("GET", "/v1/status", "", r.bearer()))
}

func TestSlowBody(t *testing.T) {
	r := newRig(t, impatient)
	for what, feed := range map[string]func(net.Conn) error{
		"nothing comes": func(net.Conn) error { return nil },
		"much, and then nothing": func(c net.Conn) error {
			_, err := io.WriteString(c, strings.Repeat("x", 50_000))
			return err
		},
		"drops": func(c net.Conn) error { // each well in time, all of them far too slow
			for range 1000 {
				if _, err := io.WriteString(c, "x"); err != nil {
					return nil //nolint:nilerr // the server hung up, as it should
				}
				time.Sleep(10 * time.Millisecond)
			}
			return fmt.Errorf("1000 drops were taken")
		},
	} {
		connection := r.dial()
		head := "POST " + messages + " HTTP/1.1\r\nHost: " + r.address + "\r\n" + r.bearer() + "\r\n" + lines + "\r\nContent-Length: 100000\r\n\r\n"
		if _, err := io.WriteString(connection, head); err != nil {
			t.Fatal(err)
		}
		fed := make(chan error, 1)
		go func() { fed <- feed(connection) }()
		answer, _ := io.ReadAll(connection) // returns when the server hangs up
		connection.Close()
		if err := <-fed; err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if calls := r.backend.all(); len(calls) > 0 {
			t.Errorf("%s: %v was taken for whole, answer %s", what, calls, answer)
		}
	}
}

// TestBodyThatNobodyReads: the server wants to read what the handler left, before
// the next request.
func TestBodyThatNobodyReads(t *testing.T) {
	r := newRig(t, impatient)
	for _, line := range []string{r.bearer(), "Authorization: Bearer wrong"} { // of no media type that is taken; of nobody
		connection := r.dial()
		if _, err := io.WriteString(connection, "POST "+messages+" HTTP/1.1\r\nHost: "+r.address+"\r\n"+line+"\r\nContent-Length: 100000\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, connection) // returns when the server hangs up
		connection.Close()
	}
}

// TestPatientWithWork: neither a body that comes steadily nor an answer that
// takes its time is cut. What comes in takes longer than any patience here, and
// then the stream of events still stands.
func TestPatientWithWork(t *testing.T) {
	r := newRig(t, func(o *access.Options, _ *access.ServerOptions) {
		o.Patience = access.Patience{Read: 4 * time.Second, Rate: 1000, Write: 4 * time.Second}
	})
	r.backend.event = make(chan struct{})
	var streams []io.Reader
	for _, request := range []string{"GET /events HTTP/1.1\r\n\r\n", "POST /events HTTP/1.1\r\nContent-Length: 3\r\n\r\nx=1"} {
		events := r.dial()
		defer events.Close()
		line, rest, _ := strings.Cut(request, "\r\n")
		if _, err := io.WriteString(events, line+"\r\nHost: "+r.address+"\r\n"+r.bearer()+"\r\nConnection: close\r\n"+rest); err != nil {
			t.Fatal(err)
		}
		stream, err := http.ReadResponse(bufio.NewReader(events), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		streams = append(streams, stream.Body)
	}
	body := r.dial()
	defer body.Close()
	if _, err := io.WriteString(body, "POST "+messages+" HTTP/1.1\r\nHost: "+r.address+"\r\n"+r.bearer()+"\r\n"+lines+"\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := io.WriteString(body, strings.Repeat("x", 2000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.served("a steady body", parse(t, body))
	close(r.backend.event)
	for _, stream := range streams {
		all, err := io.ReadAll(stream)
		if err != nil || string(all) != "first\nsecond\n" {
			t.Errorf("events %q, error %v", all, err)
		}
	}
}

func TestReaderThatDoesNotRead(t *testing.T) {
	r := newRig(t, impatient)
	r.backend.wrote = make(chan int64, 1)
	connection := r.dial()
	defer connection.Close()
	if _, err := io.WriteString(connection, "GET /endless HTTP/1.1\r\nHost: "+r.address+"\r\n"+r.bearer()+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	t.Logf("gave up after %d bytes", <-r.backend.wrote) // it comes only when the server has given up
}

func TestManyConnections(t *testing.T) {
	r := newRig(t, func(o *access.Options, s *access.ServerOptions) {
		hurried(o, s)
		s.Connections = 4
	})
	for range 10 { // each says a little and then nothing more
		connection := r.dial()
		defer connection.Close()
		if _, err := io.WriteString(connection, "GET / HT"); err != nil {
			t.Fatal(err)
		}
	}
	r.served("behind them", r.request("GET", "/v1/status", "", r.bearer()))
}

func TestRate(t *testing.T) {
	r := newRig(t, func(o *access.Options, _ *access.ServerOptions) { o.PerSecond, o.Burst = 1, 5 })
	cookie := r.enter()
	for range 5 {
		r.served("within the burst", r.request("GET", "/v1/status", "", r.bearer()))
	}
	got := r.request("GET", "/v1/status", "", r.bearer())
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("beyond the burst: %d %v", got.status, got.header)
	}
	r.served("a browser, meanwhile", r.request("GET", "/v1/status", "", cookie))
	r.advance(time.Second)
	r.served("a second later", r.request("GET", "/v1/status", "", r.bearer()))
}

func TestHealthNeedsNoToken(t *testing.T) {
	r := newRig(t)
	r.served("health", r.request("GET", "/healthz", ""))
	r.refused("health of another host", r.request("GET", "/healthz", "", "Host: evil.example"), http.StatusMisdirectedRequest)
	r.refused("health from another page", r.request("GET", "/healthz", "", "Origin: https://evil.example"), http.StatusForbidden)
	for _, path := range []string{"/healthz/", "//healthz", "/healthz/../v1/status", "/healthz%2f..%2fv1/status", "/HEALTHZ", "/healthz%00"} {
		r.refused(path, r.request("GET", path, ""), http.StatusUnauthorized, http.StatusBadRequest)
	}
	r.refused("writing to it", r.request("POST", "/healthz", ""), http.StatusUnauthorized)
}
