package gdrive_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/faulttest"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
	"golang.org/x/oauth2"
)

// wantError wants exactly one sentinel, or with nil a permanent error that matches none; and no secret.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	faulttest.WantError(t, what, err, want, "secret-access-token", "secret-refresh-token", "secret-upload", "ya29", "Bearer")
}

// operations makes each call once. The objects that it uses are there before.
func operations(t *testing.T, store *gdrive.Store, report func(operation string, err error)) {
	t.Helper()
	report("put", store.Put(t.Context(), "a/new", []byte("x")))
	report("put in parts", store.Put(t.Context(), "a/large", make([]byte, 6<<20)))
	_, err := store.Get(t.Context(), "a/1")
	report("get", err)
	_, err = store.GetRange(t.Context(), "a/1", 0, 10)
	report("range", err)
	_, err = store.Get(t.Context(), "b/none")
	report("get unknown", err)
	_, err = list(t.Context(), store, "a/")
	report("list", err)
	report("delete", store.Delete(t.Context(), "a/1"))
	report("delete many", store.Delete(t.Context(), "a/1", "a/2"))
	_, err = store.Space(t.Context())
	report("space", err)
}

// after runs operations on a store that is at work, with a fault from then on.
func after(t *testing.T, fault drivetest.Fault, report func(operation string, err error)) {
	t.Helper()
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1", "a/2")
	server.Inject(func(drivetest.Call) *drivetest.Fault { return &fault })
	operations(t, store, report)
}

func TestErrorAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		reason string
		want   error
	}{
		{401, "authError", providers.ErrUnauthorised},
		{403, "insufficientPermissions", providers.ErrUnauthorised},
		{403, "insufficientFilePermissions", providers.ErrUnauthorised},
		{403, "appNotAuthorizedToFile", providers.ErrUnauthorised},
		{403, "accessNotConfigured", providers.ErrUnauthorised},
		{403, "domainPolicy", providers.ErrUnauthorised},
		{403, "somethingNew", providers.ErrUnauthorised},
		{403, "userRateLimitExceeded", providers.ErrRateLimited},
		{403, "rateLimitExceeded", providers.ErrRateLimited},
		{403, "dailyLimitExceeded", providers.ErrRateLimited},
		{403, "sharingRateLimitExceeded", providers.ErrRateLimited},
		{403, "downloadQuotaExceeded", providers.ErrRateLimited},
		{429, "rateLimitExceeded", providers.ErrRateLimited},
		{429, "", providers.ErrRateLimited},
		{403, "storageQuotaExceeded", providers.ErrQuota},
		{403, "teamDriveFileLimitExceeded", providers.ErrQuota},
		{403, "numChildrenInNonRootLimitExceeded", providers.ErrQuota},
		{500, "backendError", providers.ErrTransient},
		{503, "backendError", providers.ErrTransient},
		{502, "", providers.ErrTransient},
		{408, "", providers.ErrTransient},
		{400, "badRequest", nil},
		{501, "notImplemented", nil},
		{302, "", nil},
	} {
		after(t, drivetest.Fault{Status: c.status, Reason: c.reason}, func(operation string, err error) {
			wantError(t, fmt.Sprint(c.status, " ", c.reason, " ", operation), err, c.want)
		})
	}
}

// TestRetryAfter: the wait that the server names reaches the caller, with a 5xx too.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		status int
		reason string
	}{{403, "userRateLimitExceeded"}, {429, "rateLimitExceeded"}, {503, "backendError"}} {
		after(t, drivetest.Fault{Status: c.status, Reason: c.reason, RetryAfter: "7"}, func(operation string, err error) {
			var limit *providers.RateLimitError
			if !errors.As(err, &limit) || limit.Wait != 7*time.Second {
				t.Errorf("%d %s: %v", c.status, operation, err)
			}
		})
	}
}

// TestNotFoundIsDefinite: a proxy's page with 404 is nobody's word about an object, and a broken page no listing.
func TestNotFoundIsDefinite(t *testing.T) {
	after(t, drivetest.Fault{Status: 404, Page: "<html>404</html>"}, func(operation string, err error) {
		wantError(t, "a page: "+operation, err, map[string]error{"put in parts": nil}[operation])
	})
	after(t, drivetest.Fault{Status: 200, Page: "<html>Log in to this hotel's network</html>"}, func(operation string, err error) {
		if !strings.HasPrefix(operation, "delete") {
			wantError(t, "a portal: "+operation, err, providers.ErrTransient)
		}
	})
	after(t, drivetest.Fault{Status: 200, Page: "{}"}, func(operation string, err error) {
		if operation == "list" || operation == "get unknown" || operation == "put" {
			wantError(t, "an empty answer: "+operation, err, providers.ErrTransient)
		}
	})
}

// twice is a fault that every request meets the first two times that it is made, whatever their order is. So a call has to
// be made at most twice as often as it takes different requests, and once more.
func twice(fault drivetest.Fault) func(drivetest.Call) *drivetest.Fault {
	met := make(map[string]int) // the double asks for one call at a time
	return func(call drivetest.Call) *drivetest.Fault {
		key := strings.Join([]string{call.Operation, call.FileID, call.Name, call.Range, call.Query.Encode()}, " ")
		if met[key]++; met[key] > 2 {
			return nil
		}
		return &fault
	}
}

// TestLostAnswers: whatever happens after the effect, the same again makes it right, and makes no twin.
func TestLostAnswers(t *testing.T) {
	for what, fault := range map[string]drivetest.Fault{
		"a rate limit":      {Status: 403, Reason: "userRateLimitExceeded", After: true},
		"a failure":         {Status: 503, Reason: "backendError", After: true},
		"no answer":         {Drop: true, After: true},
		"nothing happened":  {Drop: true},
		"a page of a proxy": {Status: 502, Page: "<html>", After: true},
	} {
		server := start(t)
		bare := open(t, options(server))
		put(t, bare, "b/1")
		server.Inject(twice(fault))
		store := providers.Retry(bare, &providers.RetryOptions{Sleep: instantly, Attempts: 40})
		for _, size := range []int{10, 9 << 20} {
			name, data := fmt.Sprintf("a/%d", size), bytes.Repeat([]byte("dm3"), size/3)
			if err := store.Put(t.Context(), name, data); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if files := filesOf(server, name); len(files) != 1 {
				t.Errorf("%s: %d files", what, len(files))
			}
			if got, err := store.Get(t.Context(), name); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := names(t, store, "b/"); fmt.Sprint(got) != "[b/1]" {
			t.Errorf("%s: %v", what, got)
		}
		if err := store.Delete(t.Context(), "b/1", "a/10"); err != nil || len(filesOf(server, "b/1")) > 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestUsedID: an id that was used for a file which somebody removed meanwhile does not stand for the object.
func TestUsedID(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	server.Inject(func(call drivetest.Call) *drivetest.Fault {
		if call.Operation == "files.create" {
			return &drivetest.Fault{Drop: true, After: true}
		}
		return nil
	})
	wantError(t, "no answer", store.Put(t.Context(), "a/1", []byte("of a/1")), providers.ErrTransient)
	server.Inject(nil)
	server.Trash(filesOf(server, "a/1")[0].ID)
	put(t, store, "a/1")
	wantBytes(t, another(t, options(server)), "a/1")
}

// TestPartsAreTakenUp: an upload that was cut goes on where the server says it is, within a call and in the next one.
func TestPartsAreTakenUp(t *testing.T) {
	const size = 13 << 20
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	server := start(t)
	store := open(t, options(server))
	var parts, cuts atomic.Int32
	server.Inject(func(call drivetest.Call) *drivetest.Fault {
		if call.Operation == "upload" && parts.Add(1) == 2 {
			return &drivetest.Fault{Drop: true, Keep: 1 << 20}
		}
		return nil
	})
	if err := store.Put(t.Context(), "a/1", data); err != nil {
		t.Fatal(err)
	}
	if counts := server.Counts(); counts["upload"] != 5 || counts["files.create"] != 2 { // 4, 1 and cut, a question, 4, 4; the folder, the upload
		t.Errorf("requests %v", counts)
	}
	parts.Store(0)
	server.Inject(func(call drivetest.Call) *drivetest.Fault {
		if call.Operation == "upload" && parts.Add(1) >= 2 {
			cuts.Add(1)
			return &drivetest.Fault{Drop: true}
		}
		return nil
	})
	wantError(t, "cut", store.Put(t.Context(), "a/2", data), providers.ErrTransient)
	if sizes := server.Uploads(); cuts.Load() == 0 || fmt.Sprint(sizes) != "[4194304]" {
		t.Errorf("%d cuts, uploads at %v", cuts.Load(), sizes)
	}
	server.Inject(nil)
	server.Counts()
	if err := store.Put(t.Context(), "a/2", data); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "the next call", server, map[string]int{"upload": 4}) // a question, then 4, 4, 1
	for _, name := range []string{"a/1", "a/2"} {
		if got, err := store.Get(t.Context(), name); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v", name, err)
		}
		if files := filesOf(server, name); len(files) != 1 {
			t.Errorf("%s: %d files", name, len(files))
		}
	}
}

// TestForgottenUpload: an upload that the server no longer knows is begun anew by the next call.
func TestForgottenUpload(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	server.Inject(func(call drivetest.Call) *drivetest.Fault {
		if call.Operation == "upload" {
			return &drivetest.Fault{Drop: true}
		}
		return nil
	})
	data := make([]byte, 6<<20)
	wantError(t, "cut", store.Put(t.Context(), "a/1", data), providers.ErrTransient)
	server.Inject(nil)
	server.EndUploads()
	wantError(t, "forgotten", store.Put(t.Context(), "a/1", data), providers.ErrTransient)
	if err := store.Put(t.Context(), "a/1", data); err != nil {
		t.Error(err)
	}
}

// TestBrokenDownloads are transient, never data.
func TestBrokenDownloads(t *testing.T) {
	for what, fault := range map[string]drivetest.Fault{"a flipped bit": {Flip: true}, "a short one": {Shorten: true}} {
		server := start(t)
		store := open(t, options(server))
		put(t, store, "a/1")
		server.Inject(func(call drivetest.Call) *drivetest.Fault {
			if call.Query.Get("alt") == "media" {
				return &fault
			}
			return nil
		})
		for range 2 {
			_, err := store.Get(t.Context(), "a/1")
			wantError(t, what, err, providers.ErrTransient)
		}
		server.Inject(nil)
		wantBytes(t, store, "a/1")
	}
}

// TestSpoiledPuts: bytes that Drive kept otherwise than they were sent are not acknowledged, and go.
func TestSpoiledPuts(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	server.Inject(func(drivetest.Call) *drivetest.Fault { return &drivetest.Fault{Spoil: true} })
	wantError(t, "spoiled", store.Put(t.Context(), "a/1", []byte("of a/1")), providers.ErrTransient)
	if files := filesOf(server, "a/1"); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
	server.Inject(nil)
	put(t, store, "a/1")
	wantBytes(t, another(t, options(server)), "a/1")
}

// TestPagesExpire: a listing that can't go on is transient, and providers.Retry begins it anew without doubles.
func TestPagesExpire(t *testing.T) {
	server := start(t)
	bare := open(t, options(server))
	server.SetPages(100)
	for i := range 250 {
		server.Add("a", folderOf(t, server).ID, "application/octet-stream", true, map[string]string{"name": fmt.Sprintf("a/%d", i)}, nil)
	}
	expire := func(store providers.Store, times int) (count int, err error) {
		for _, err = range store.List(t.Context(), "a/") {
			if count++; count%70 == 0 && times > 0 {
				times--
				server.ExpirePages()
			}
		}
		return count, err
	}
	_, err := expire(bare, 1)
	wantError(t, "expired", err, providers.ErrTransient)
	again := providers.Retry(bare, &providers.RetryOptions{Sleep: instantly})
	if count, err := expire(again, 1); count != 250 || err != nil {
		t.Errorf("%d names, %v", count, err)
	}
	server.SetPartial(true)
	_, err = list(t.Context(), bare, "a/")
	wantError(t, "an incomplete search", err, providers.ErrTransient)
	_, err = bare.Get(t.Context(), "a/none")
	wantError(t, "an incomplete search for a name", err, providers.ErrTransient)
}

func TestQuota(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	server.SetQuota(7 << 20)
	put(t, store, "a/1")
	if err := store.Put(t.Context(), "a/2", make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	wantError(t, "whole", store.Put(t.Context(), "a/3", make([]byte, 4<<20)), providers.ErrQuota)
	wantError(t, "in parts", store.Put(t.Context(), "a/4", make([]byte, 6<<20)), providers.ErrQuota)
	server.SetQuota(-1)
	put(t, store, "a/3", "a/4")
	wantBytes(t, store, "a/4")
}

// TestTokens: one that Drive no longer takes is replaced when the source has another, else that is said.
func TestTokens(t *testing.T) {
	server := start(t)
	o := options(server)
	kept := &keeping{source: server}
	o.Tokens = kept
	store := open(t, o)
	put(t, store, "a/1", "a/2")
	server.Renew()
	wantBytes(t, store, "a/1")
	if kept.rejected.Load() != 1 {
		t.Errorf("rejected %d times", kept.rejected.Load())
	}
	server.Renew()
	if err := store.Put(t.Context(), "a/3", make([]byte, 6<<20)); err != nil { // bodies are sent again, too
		t.Fatal(err)
	}
	o = options(server)
	o.Tokens = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "ya29.secret-access-token-0"})
	operations(t, another(t, o), func(operation string, err error) { wantError(t, "expired: "+operation, err, providers.ErrUnauthorised) })
	server.Revoke()
	operations(t, store, func(operation string, err error) { wantError(t, "revoked: "+operation, err, providers.ErrUnauthorised) })
}

// keeping is a source that keeps a token until it is rejected, as oauth2's own keep it until it is old.
type keeping struct {
	source   oauth2.TokenSource
	mutex    sync.Mutex
	token    *oauth2.Token
	rejected atomic.Int32
}

// Token implements oauth2.TokenSource.
func (k *keeping) Token() (token *oauth2.Token, err error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.token == nil {
		k.token, err = k.source.Token()
	}
	return k.token, err
}

// Reject implements gdrive.Rejecter.
func (k *keeping) Reject(token *oauth2.Token) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.token != nil && k.token.AccessToken == token.AccessToken {
		k.token = nil
		k.rejected.Add(1)
	}
}

type failing struct{ err error }

// Token implements oauth2.TokenSource.
func (f failing) Token() (*oauth2.Token, error) { return nil, f.err }

// TestTokenErrors: what a source of tokens says.
func TestTokenErrors(t *testing.T) {
	own := errors.New("login: run `dm3sync login drive`")
	for _, c := range []struct {
		err, want error
	}{
		{&oauth2.RetrieveError{ErrorCode: "invalid_grant", Body: []byte("secret-refresh-token")}, providers.ErrUnauthorised},
		{&oauth2.RetrieveError{ErrorCode: "invalid_client"}, providers.ErrUnauthorised},
		{fmt.Errorf("login: %w", &oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusForbidden}, Body: []byte("secret-refresh-token")}), providers.ErrUnauthorised},
		{&oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusServiceUnavailable}, Body: []byte("secret-refresh-token")}, providers.ErrTransient},
		{fmt.Errorf("%w: %w", providers.ErrUnauthorised, own), providers.ErrUnauthorised},
		{fmt.Errorf("%w: %w", providers.ErrTransient, own), providers.ErrTransient},
		{own, nil},
		{nil, providers.ErrUnauthorised}, // no token and no error
	} {
		o := options(start(t))
		o.Tokens = failing{c.err}
		operations(t, another(t, o), func(operation string, err error) {
			wantError(t, fmt.Sprint(c.err, " ", operation), err, c.want)
			if errors.Is(c.err, own) && !errors.Is(err, own) {
				t.Errorf("%s lost the source's own error: %v", operation, err)
			}
		})
	}
}

// TestScopes: a token for one space does not reach the other.
func TestScopes(t *testing.T) {
	server := start(t)
	server.SetScopes(drivetest.ScopeFile)
	o := options(server)
	modes["appdata"](o)
	wantError(t, "app data", another(t, o).Put(t.Context(), "a/1", nil), providers.ErrUnauthorised)
	put(t, open(t, options(server)), "a/1")
}

// TestTooLarge: nothing larger than allowed is read, whatever a listing says.
func TestTooLarge(t *testing.T) {
	server := start(t)
	o := options(server)
	put(t, open(t, o), "a/1")
	if err := open(t, o).Put(t.Context(), "a/2", make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	o.MaxObject = 1 << 20
	small := another(t, o)
	wantError(t, "put", small.Put(t.Context(), "a/3", make([]byte, 1<<20+1)), providers.ErrTooLarge)
	_, err := small.Get(t.Context(), "a/2")
	wantError(t, "get", err, providers.ErrTooLarge)
	_, err = small.GetRange(t.Context(), "a/2", 0, 2<<20)
	wantError(t, "range", err, providers.ErrTooLarge)
	wantBytes(t, small, "a/1")
}

// blocking is a source that answers when it is released.
type blocking struct{ release chan struct{} }

// Token implements oauth2.TokenSource.
func (b blocking) Token() (*oauth2.Token, error) {
	<-b.release
	return nil, errors.New("released")
}
