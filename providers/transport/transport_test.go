package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
)

func TestOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]*transport.Options{
		"proxy":              {Proxy: "http://user:hunter2@host:bad"},
		"proxy without host": {Proxy: "hunter2"},
		"no authority file":  {CAFile: junk + ".missing"},
		"junk authority":     {CAFile: junk},
		"junk certificate":   {CertificateFile: junk},
		"no key":             {CertificateFile: junk, KeyFile: junk + ".missing"},
	} {
		if made, err := transport.New(o); made != nil || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v %v", name, made, err)
		}
	}
	if made, err := transport.New(nil); err != nil || !made.DisableCompression || made.TLSClientConfig != nil {
		t.Errorf("%+v %v", made, err)
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Mon, 02 Mar 2026 10:00:00 GMT"
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "99999999": 24 * time.Hour, "soon": 0,
		"Mon, 02 Mar 2026 10:01:00 GMT": time.Minute, "Mon, 02 Mar 2026 09:00:00 GMT": 0, "Mon, 02 Mar 2099 09:00:00 GMT": 24 * time.Hour,
	} {
		if got := transport.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if got := transport.RetryAfter(http.Header{"Retry-After": {date}}); got != 0 {
		t.Errorf("without the server's clock: %v", got)
	}
}

// TestRead: bodies are bounded and whole.
func TestRead(t *testing.T) {
	_, dog := transport.Watch(t.Context(), &http.Transport{}, time.Hour)
	defer dog.Stop()
	for _, c := range []struct {
		body        string
		size, limit int64
		want        error
	}{
		{"12345", 5, 5, nil},
		{"12345", -1, 5, nil},
		{"", 0, 0, nil},
		{strings.Repeat("x", 5000), -1, 5000, nil},
		{"12345", 6, 10, io.ErrUnexpectedEOF},
		{"12345", 5, 4, transport.ErrTooLong},
		{"12345", -1, 4, transport.ErrTooLong},
	} {
		data, err := dog.Read(strings.NewReader(c.body), c.size, c.limit)
		if !errors.Is(err, c.want) || err == nil && string(data) != c.body {
			t.Errorf("%+v: %q %v", c, data, err)
		}
	}
}

// TestAnnounced: no more room is made than bytes come, whatever length a server announces; what comes is whole.
func TestAnnounced(t *testing.T) {
	const announced = 100 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	data, err := transport.ReadWhole(strings.NewReader("a few bytes"), announced, announced)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) || after.TotalAlloc-before.TotalAlloc > announced/4 {
		t.Errorf("%d bytes, %v, and room for %d", len(data), err, after.TotalAlloc-before.TotalAlloc)
	}
	large := bytes.Repeat([]byte("0123456789"), 1<<20)
	for _, size := range []int64{int64(len(large)), -1} {
		if data, err := transport.ReadWhole(bytes.NewReader(large), size, announced); err != nil || !bytes.Equal(data, large) {
			t.Errorf("%d of %d bytes, %v", len(data), len(large), err)
		}
	}
}

// TestStalled: without progress the context ends, and the error says why; after Stop nothing is said of it.
func TestStalled(t *testing.T) {
	ctx, dog := transport.Watch(t.Context(), &http.Transport{}, time.Millisecond)
	<-ctx.Done()
	if err := dog.Explain(context.Canceled); !errors.Is(err, transport.ErrStalled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := dog.Explain(nil); err != nil {
		t.Error(err)
	}
	dog.Stop()
	ctx, dog = transport.Watch(t.Context(), &http.Transport{}, time.Hour)
	dog.Stop()
	<-ctx.Done()
	if err := dog.Explain(context.Canceled); errors.Is(err, transport.ErrStalled) {
		t.Error(err)
	}
}

// TestBody: a body ends where its limit is, to the byte, and stays ended; without a limit it goes on.
func TestBody(t *testing.T) {
	_, dog := transport.Watch(t.Context(), &http.Transport{}, time.Hour)
	defer dog.Stop()
	for limit, want := range map[int64]error{-1: nil, 5: nil, 4: transport.ErrTooLong, 0: transport.ErrTooLong} {
		body := dog.Body(io.NopCloser(iotest.OneByteReader(strings.NewReader("12345"))), limit)
		data, err := io.ReadAll(body)
		if !errors.Is(err, want) || int64(len(data)) != map[bool]int64{true: 5, false: limit}[want == nil] {
			t.Errorf("%d: %q %v", limit, data, err)
		}
	}
	body := dog.Body(io.NopCloser(strings.NewReader("12345678")), 4)
	piece := make([]byte, 5)
	if n, err := body.Read(piece); n != 0 || !errors.Is(err, transport.ErrTooLong) {
		t.Errorf("%d %v", n, err)
	}
	if n, err := body.Read(piece); n != 0 || !errors.Is(err, transport.ErrTooLong) {
		t.Errorf("again: %d %v", n, err)
	}
}

// TestBodyExplains: a body that broke because nothing moved says so.
func TestBodyExplains(t *testing.T) {
	ctx, dog := transport.Watch(t.Context(), &http.Transport{}, time.Millisecond)
	defer dog.Stop()
	<-ctx.Done()
	_, err := dog.Body(io.NopCloser(iotest.ErrReader(context.Canceled)), -1).Read(make([]byte, 1))
	if !errors.Is(err, transport.ErrStalled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
