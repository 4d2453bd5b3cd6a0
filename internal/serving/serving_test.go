package serving_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/serving"
)

// running is a server in which one request is under way.
type running struct {
	stop   context.CancelFunc
	ended  chan error  // what Until returned
	answer chan string // of the request; empty where it was cut
}

// start asks a server for one page, and returns when handler has begun to answer it.
func start(t *testing.T, stop serving.Stop, handler http.HandlerFunc) running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := running{stop: cancel, ended: make(chan error, 1), answer: make(chan string, 1)}
	begun := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		close(begun)
		handler(w, request)
	})}
	go func() { r.ended <- serving.Until(ctx, "test", server, listener, stop) }()
	go func() {
		var text []byte
		response, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			text, _ = io.ReadAll(response.Body)
			response.Body.Close()
		}
		r.answer <- string(text)
	}()
	<-begun
	return r
}

// TestFinish: a request under way is answered as if nothing had happened, and only then the server ends.
func TestFinish(t *testing.T) {
	finish := make(chan struct{})
	r := start(t, serving.Stop{Wait: time.Minute, Finish: true}, func(w http.ResponseWriter, request *http.Request) {
		<-finish
		if request.Context().Err() == nil {
			_, _ = io.WriteString(w, "whole")
		}
	})
	r.stop()
	select {
	case err := <-r.ended:
		t.Fatalf("the server ended before its request: %v", err)
	default:
	}
	close(finish)
	if answer, err := <-r.answer, <-r.ended; answer != "whole" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// TestCancelled: without Finish a request hears at once that the server stops, and may still say so.
func TestCancelled(t *testing.T) {
	r := start(t, serving.Stop{Wait: time.Minute}, func(w http.ResponseWriter, request *http.Request) {
		<-request.Context().Done()
		_, _ = io.WriteString(w, "stopped")
	})
	r.stop()
	if answer, err := <-r.answer, <-r.ended; answer != "stopped" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// TestCut: whoever does not end in time is cut, and hears of it where it was to finish, too.
func TestCut(t *testing.T) {
	heard := make(chan struct{})
	r := start(t, serving.Stop{Wait: time.Nanosecond, Finish: true}, func(_ http.ResponseWriter, request *http.Request) {
		<-request.Context().Done()
		close(heard)
		panic(http.ErrAbortHandler)
	})
	r.stop()
	<-heard
	if answer, err := <-r.answer, <-r.ended; answer != "" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// broken is a listener that can't accept any more.
type broken struct{ closed chan struct{} }

var errBroken = errors.New("the listener broke")

func (b broken) Accept() (net.Conn, error) { return nil, errBroken }
func (b broken) Addr() net.Addr            { return &net.TCPAddr{} }
func (b broken) Close() error              { close(b.closed); return nil }

// TestServingFails: a fault before the stop is told with the caller's name, and the listener is closed.
func TestServingFails(t *testing.T) {
	listener := broken{make(chan struct{})}
	server := &http.Server{ReadHeaderTimeout: time.Minute}
	err := serving.Until(t.Context(), "test", server, listener, serving.Stop{Wait: time.Minute})
	if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "test: serving: ") {
		t.Errorf("error %v", err)
	}
	<-listener.closed
}
