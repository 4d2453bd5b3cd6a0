package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/faulttest"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// wantError wants exactly one sentinel, or with nil a permanent error that matches none; and no secret.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	faulttest.WantError(t, what, err, want, testSecret)
}

// operations makes each call once.
func operations(t *testing.T, store providers.Store, report func(operation string, err error)) {
	t.Helper()
	report("put", store.Put(t.Context(), "a/1", []byte("x")))
	_, err := store.Get(t.Context(), "a/1")
	report("get", err)
	_, err = store.GetRange(t.Context(), "a/1", 0, 10)
	report("range", err)
	err = nil
	for _, err = range store.List(t.Context(), "a/") {
	}
	report("list", err)
	report("delete", store.Delete(t.Context(), "a/1"))
	report("delete many", store.Delete(t.Context(), "a/1", "a/2"))
}

func answer(status int, code string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(status)
		if code != "" {
			fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>m</Message><RequestId>1</RequestId></Error>`, code)
		}
	})
}

func TestErrorAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{403, "AccessDenied", providers.ErrUnauthorised},
		{403, "InvalidAccessKeyId", providers.ErrUnauthorised},
		{403, "SignatureDoesNotMatch", providers.ErrUnauthorised},
		{400, "ExpiredToken", providers.ErrUnauthorised},
		{401, "", providers.ErrUnauthorised},
		{403, "", providers.ErrUnauthorised},
		{407, "", providers.ErrUnauthorised},
		{404, "NoSuchBucket", nil}, // a missing bucket is no missing object
		{404, "", nil},             // nor is some proxy's 404
		{301, "PermanentRedirect", nil},
		{400, "InvalidBucketName", nil},
		{501, "NotImplemented", nil},
		{429, "TooManyRequests", providers.ErrRateLimited},
		{429, "", providers.ErrRateLimited},
		{503, "SlowDown", providers.ErrRateLimited},
		{503, "ServiceUnavailable", providers.ErrTransient},
		{500, "InternalError", providers.ErrTransient},
		{502, "", providers.ErrTransient},
		{504, "<html>", providers.ErrTransient},
		{400, "RequestTimeout", providers.ErrTransient},
		{403, "RequestTimeTooSkewed", providers.ErrTransient},
		{409, "OperationAborted", providers.ErrTransient},
		{507, "XMinioStorageFull", providers.ErrQuota},
		{507, "", providers.ErrQuota},
		{403, "QuotaExceeded", providers.ErrQuota},
	} {
		endpoint := serve(t, answer(c.status, c.code))
		operations(t, newStore(t, "bucket", options(endpoint)), func(operation string, err error) {
			wantError(t, fmt.Sprint(c.status, " ", c.code, " ", operation), err, c.want)
			if err != nil && strings.Contains(err.Error(), testSecret) {
				t.Errorf("the secret is in %v", err)
			}
			var limit *providers.RateLimitError
			if c.status == 429 && (!errors.As(err, &limit) || limit.Wait != 7*time.Second) {
				t.Errorf("%s: wait lost in %v", operation, err)
			}
		})
	}
}

// TestNotFoundIsDefinite: only NoSuchKey, and only of a get.
func TestNotFoundIsDefinite(t *testing.T) {
	store := newStore(t, "bucket", options(serve(t, answer(404, "NoSuchKey"))))
	operations(t, store, func(operation string, err error) {
		switch operation {
		case "get", "range":
			wantError(t, operation, err, providers.ErrNotFound)
		case "delete":
			if err != nil {
				t.Errorf("delete of an absent object: %v", err)
			}
		default:
			wantError(t, operation, err, nil)
		}
	})
}

func TestUnreachable(t *testing.T) {
	closed := "http://127.0.0.1:1"
	operations(t, newStore(t, "bucket", options(closed)), func(operation string, err error) {
		wantError(t, "refused, "+operation, err, providers.ErrTransient)
	})
	cut := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			connection.Close()
		}
	}))
	operations(t, newStore(t, "bucket", options(cut)), func(operation string, err error) {
		wantError(t, "cut, "+operation, err, providers.ErrTransient)
	})
	page := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html><body>Please log in to this network<p></body></html>")
	}))
	store := newStore(t, "bucket", options(page))
	for _, err := range store.List(t.Context(), "") {
		wantError(t, "a login page, list", err, providers.ErrTransient)
	}
	wantError(t, "a login page, delete many", store.Delete(t.Context(), "a/1", "a/2"), providers.ErrTransient)
}

// TestStall: a server that stops in the middle is given up, wherever it stops, and one that is slow is not.
func TestStall(t *testing.T) {
	t.Parallel()
	var store *s3.Store
	faulttest.Stall(t, func(address string, stall time.Duration) providers.Store {
		o := options(address)
		o.Stall = stall
		store = newStore(t, "bucket", o)
		return store
	}, func(report func(operation string, err error)) { operations(t, store, report) })
}

// TestSlowListing: a listing that comes slowly is not given up while it moves, though all of it takes longer than a stall.
func TestSlowListing(t *testing.T) {
	t.Parallel()
	const stall, pieces = 10 * time.Second, 6
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<ListBucketResult>")
		for i := range pieces {
			fmt.Fprintf(w, "<Contents><Key>a/%d</Key><Size>1</Size></Contents>", i)
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(stall / 4):
			case <-r.Context().Done():
				return
			}
		}
		io.WriteString(w, "</ListBucketResult>")
	}))
	o := options(endpoint)
	o.Stall = stall
	listed := 0
	for _, err := range newStore(t, "bucket", o).List(t.Context(), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		listed++
	}
	if listed != pieces {
		t.Errorf("%d of %d objects", listed, pieces)
	}
}

// TestBadBodies: a short body, one that is too long, announced or not, and a server that ignores ranges.
func TestBadBodies(t *testing.T) {
	var header, body atomic.Value
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if length := header.Load().(string); length != "" {
			w.Header().Set("Content-Length", length)
		} else {
			http.NewResponseController(w).Flush() // chunked
		}
		io.WriteString(w, body.Load().(string))
	}))
	o := options(endpoint)
	o.MaxObject = 1000
	store := newStore(t, "bucket", o)
	for _, c := range []struct {
		length, body string
		want         error
	}{
		{"10", "12345", providers.ErrTransient},
		{"1001", strings.Repeat("x", 1001), providers.ErrTooLarge},
		{"", strings.Repeat("x", 1001), providers.ErrTooLarge},
	} {
		header.Store(c.length)
		body.Store(c.body)
		_, err := store.Get(t.Context(), "a/1")
		wantError(t, c.length+" announced", err, c.want)
	}
	header.Store("")
	body.Store("0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 10, "0123456789"}, {2, 3, "234"}, {8, 5, "89"}, {10, 1, ""}, {50, 1, ""}} {
		if data, err := store.GetRange(t.Context(), "a/1", c.offset, c.length); err != nil || string(data) != c.want {
			t.Errorf("ignored range of %d from %d: %q %v", c.length, c.offset, data, err)
		}
	}
}

// TestBrokenListings: an answer that promises more, and does not say how to get it, is no end.
func TestBrokenListings(t *testing.T) {
	const begin = `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated>`
	object := func(key string) string { return "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>" }
	for name, next := range map[string]string{"no token": "", "same token": "<NextContinuationToken>t</NextContinuationToken>"} {
		endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, begin+next+object("a/1")+object("a/1 (copy)")+object("other")+"</ListBucketResult>")
		}))
		var failure error
		for object, err := range newStore(t, "bucket", options(endpoint)).List(t.Context(), "a/") {
			if failure = err; err == nil && object.Name != "a/1" {
				t.Errorf("listed %s", object.Name)
			}
		}
		wantError(t, name, failure, providers.ErrTransient)
	}
}

// TestDeletions: the answer to a deletion of many is read, and a server without it gets them one by one.
func TestDeletions(t *testing.T) {
	var mutex sync.Mutex
	deleted, many := 0, 0
	var reply func(w http.ResponseWriter)
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		if r.Method == http.MethodDelete {
			deleted++
			w.WriteHeader(http.StatusNoContent)
			return
		}
		many++
		reply(w)
	}))
	set := func(next func(w http.ResponseWriter)) {
		mutex.Lock()
		defer mutex.Unlock()
		reply, many = next, 0
	}
	store := newStore(t, "bucket", options(endpoint))
	result := func(entries string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			io.WriteString(w, `<?xml version="1.0"?><DeleteResult>`+entries+`</DeleteResult>`)
		}
	}
	done := func(key string) string { return "<Deleted><Key>" + key + "</Key></Deleted>" }
	failed := func(key, code string) string { return "<Error><Key>" + key + "</Key><Code>" + code + "</Code></Error>" }
	for _, c := range []struct {
		name, entries string
		want          error
	}{
		{"one denied", done("a/1") + failed("a/2", "AccessDenied"), providers.ErrUnauthorised},
		{"one failed", done("a/1") + failed("a/2", "InternalError"), providers.ErrTransient},
		{"one limited", done("a/1") + failed("a/2", "SlowDown"), providers.ErrRateLimited},
		{"one forgotten", done("a/1"), providers.ErrTransient},
		{"none told", "", providers.ErrTransient},
	} {
		set(result(c.entries))
		wantError(t, c.name, store.Delete(t.Context(), "a/1", "a/2"), c.want)
	}
	set(result(done("a/1") + failed("a/2", "NoSuchKey")))
	if err := store.Delete(t.Context(), "a/1", "a/2", "a/1"); err != nil {
		t.Error(err)
	}
	set(func(w http.ResponseWriter) { answer(501, "NotImplemented").ServeHTTP(w, nil) })
	for range 2 {
		if err := store.Delete(t.Context(), "a/1", "a/2", "a/3"); err != nil {
			t.Error(err)
		}
	}
	mutex.Lock()
	defer mutex.Unlock()
	if deleted != 6 || many != 1 {
		t.Errorf("%d single deletions, %d of many", deleted, many)
	}
}

// TestWrongClock: when the server says so and shows its own time, the request is signed once more with that.
func TestWrongClock(t *testing.T) {
	ahead := 3 * time.Hour
	var requests atomic.Int32
	handler := fake(t, "bucket", nil)
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		now := time.Now().Add(ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || now.Sub(signed).Abs() > 15*time.Minute {
			answer(403, "RequestTimeTooSkewed").ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	store := newStore(t, "bucket", options(endpoint))
	for range 3 {
		if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if requests.Load() > 4 {
		t.Errorf("%d requests for 3 puts", requests.Load())
	}
}

// TestOneRequestEach: nothing but the clock is repeated here; Retry counts attempts.
func TestOneRequestEach(t *testing.T) {
	var requests atomic.Int32
	inner := answer(503, "SlowDown")
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		inner.ServeHTTP(w, r)
	}))
	store := newStore(t, "bucket", options(endpoint))
	operations(t, store, func(operation string, _ error) {
		if got := requests.Swap(0); got != 1 {
			t.Errorf("%s: %d requests", operation, got)
		}
	})
}

var _ providers.Store = (*s3.Store)(nil)
