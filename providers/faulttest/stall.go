package faulttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// stall is how long the stores of Stall wait for progress.
const stall = 300 * time.Millisecond

// slow is a server that keeps its clients waiting, until release is closed.
type slow struct {
	announced atomic.Int64 // bytes of each answer; 0: it does not answer
	pause     atomic.Int64 // nanoseconds after each byte
	release   chan struct{}
}

// ServeHTTP implements http.Handler.
func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	length := s.announced.Load()
	if length == 0 {
		select {
		case <-r.Context().Done():
		case <-s.release:
		}
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(length))
	w.WriteHeader(http.StatusOK)
	for range length {
		_, _ = w.Write([]byte("x")) // who left does not want it
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(time.Duration(s.pause.Load())):
		case <-s.release:
			return
		}
	}
}

// Stall wants a place over HTTP to give up a server that stops in the middle, wherever it
// stops, and not one that is slow. open opens a store at an address, which gives up after
// stall without progress; calls makes each call of that store.
func Stall(t *testing.T, open func(address string, stall time.Duration) providers.Store, calls func(report func(operation string, err error))) {
	t.Helper()
	s := &slow{release: make(chan struct{})}
	server := httptest.NewServer(s)
	defer server.Close()
	defer close(s.release)
	store := open(server.URL, stall)
	calls(func(operation string, err error) {
		t.Helper()
		WantError(t, "silent, "+operation, err, providers.ErrTransient)
	})
	s.announced.Store(5)
	s.pause.Store(int64(stall / 3)) // more than stall in all
	if data, err := store.Get(t.Context(), "a/1"); err != nil || string(data) != "xxxxx" {
		t.Errorf("slow: %q %v", data, err)
	}
	s.pause.Store(int64(time.Minute))
	_, err := store.Get(t.Context(), "a/1")
	WantError(t, "silent in the body", err, providers.ErrTransient)
	ctx, cancel := context.WithTimeout(t.Context(), stall/3)
	defer cancel()
	if _, err := store.Get(ctx, "a/1"); !errors.Is(err, context.DeadlineExceeded) || providers.Retriable(err) {
		t.Errorf("the caller's deadline: %v", err)
	}
}
