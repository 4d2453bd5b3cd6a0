package s3

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lateWriter is a connection whose writes return some time after the other side has got the bytes, as on a busy machine.
type lateWriter struct{ net.Conn }

func (l lateWriter) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	time.Sleep(20 * time.Millisecond)
	return n, err
}

// TestQuickAnswers: an answer that comes before the writer of the request has noticed that it is done is read whole.
func TestQuickAnswers(t *testing.T) {
	var names []string
	var answer strings.Builder
	for i := range 200 {
		names = append(names, fmt.Sprintf("a/%d", i))
		fmt.Fprintf(&answer, "<Deleted><Key>%s</Key></Deleted>", names[i])
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method != http.MethodPost {
			return
		}
		text := "<DeleteResult>" + answer.String() + "</DeleteResult>"
		io.WriteString(w, text[:100])
		http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond) // the rest comes after the writer's return
		io.WriteString(w, text[100:])
	}))
	defer server.Close()
	store, err := New(t.Context(), "bucket", &Options{Endpoint: server.URL, PathStyle: true, AccessKey: "k", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	dial := store.transport.DialContext
	store.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dial(ctx, network, address)
		return lateWriter{connection}, err
	}
	for range 3 {
		if err := store.Delete(t.Context(), names...); err != nil {
			t.Error(err)
		}
		if err := store.Put(t.Context(), "a/1", make([]byte, 100_000)); err != nil {
			t.Error(err)
		}
	}
}

// TestEndlessAnswers: a server whose listings and errors never end costs no more memory than one that ends.
func TestEndlessAnswers(t *testing.T) {
	entry := strings.Repeat("<Contents><Key>a/1</Key><Size>1</Size></Contents>", 1000)
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !r.URL.Query().Has("list-type") {
			w.WriteHeader(http.StatusForbidden)
		}
		_, err := io.WriteString(w, "<ListBucketResult>")
		for err == nil && sent.Load() < 1<<30 {
			_, err = io.WriteString(w, entry)
			sent.Add(int64(len(entry)))
		}
	}))
	defer server.Close()
	store, err := New(t.Context(), "bucket", &Options{Endpoint: server.URL, PathStyle: true, AccessKey: "k", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, call := range map[string]func() error{
		"list": func() error {
			for _, err := range store.List(t.Context(), "a/") {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"get":    func() error { _, err := store.Get(t.Context(), "a/1"); return err },
		"put":    func() error { return store.Put(t.Context(), "a/1", []byte("x")) },
		"delete": func() error { return store.Delete(t.Context(), "a/1") },
	} {
		sent.Store(0)
		if err := call(); err == nil || sent.Load() > 8*mostAnswer {
			t.Errorf("%s: %v after %d bytes", name, err, sent.Load())
		}
	}
}
