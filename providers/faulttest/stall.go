package faulttest

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
)

const (
	// stall is how long a store waits for progress that never comes.
	stall = 300 * time.Millisecond
	// longStall is how long one waits that must not give up: far longer than a busy machine stands still.
	longStall = 10 * time.Second
	// pieces is how many bytes a slow server sends, with a quarter of longStall between two of them: more than that in all.
	pieces = 6
)

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
// stall without progress; calls makes each call of the store that was opened last.
func Stall(t *testing.T, open func(address string, stall time.Duration) providers.Store, calls func(report func(operation string, err error))) {
	t.Helper()
	s := &slow{release: make(chan struct{})}
	server := httptest.NewServer(s)
	defer server.Close()
	defer close(s.release)
	patient := open(server.URL, longStall)
	hasty := open(server.URL, stall)
	calls(func(operation string, err error) {
		t.Helper()
		WantError(t, "silent, "+operation, err, providers.ErrTransient)
	})
	s.announced.Store(pieces)
	s.pause.Store(int64(longStall / 4))
	if data, err := patient.Get(t.Context(), "a/1"); err != nil || string(data) != strings.Repeat("x", pieces) {
		t.Errorf("slow: %q %v", data, err)
	}
	s.pause.Store(int64(time.Hour))
	_, err := hasty.Get(t.Context(), "a/1")
	WantError(t, "silent in the body", err, providers.ErrTransient)
	ctx, cancel := context.WithTimeout(t.Context(), stall)
	defer cancel()
	if _, err := patient.Get(ctx, "a/1"); !errors.Is(err, context.DeadlineExceeded) || providers.Retriable(err) {
		t.Errorf("the caller's deadline: %v", err)
	}
}
