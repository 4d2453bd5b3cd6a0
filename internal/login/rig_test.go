package login

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/servertest"
)

// storageKey is the account's in all tests.
var storageKey = [32]byte{31: 7}

func unlockTest() ([32]byte, error) { return storageKey, nil }

// habits are what a client of the test server wants; see .ci/tools/oidc/server.mjs.
type habits map[string]any

// rig is a login at the strict server, and everything that came out of it.
type rig struct {
	t      *testing.T
	server *servertest.Logins
	front  *front
	place  Place
	folder string
	vault  keyring.Vault
	clock  *clock
	out    *recorder

	browsing sync.WaitGroup // browsers that have not shown their last page yet
}

// clock is a wall clock that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// recorder is all that was printed, logged, shown, or went into errors; and the secrets that must not be in it.
type recorder struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) tell(sentence string) { fmt.Fprintln(r, sentence) }

func (r *recorder) hide(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if len(s) >= 8 && !slices.Contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
}

func (r *recorder) string() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// leaks returns the secrets that are in the text.
func (r *recorder) leaks() (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		if strings.Contains(r.text.String(), s) || strings.Contains(r.text.String(), url.QueryEscape(s)) {
			found = append(found, s)
		}
	}
	return found
}

// newRig makes a client at the strict server. At the end of the test, nothing that came out may hold a secret that went
// over the wire.
func newRig(t *testing.T, wanted habits) *rig {
	t.Helper()
	text := []byte("{}")
	if wanted != nil {
		var err error
		if text, err = json.Marshal(wanted); err != nil {
			t.Fatal(err)
		}
	}
	server := servertest.NewLogins(t, string(text))
	r := &rig{t: t, server: server, folder: filepath.Join(t.TempDir(), "account"), clock: &clock{}, out: &recorder{}}
	r.front = newFront(t, server.Address, r.out)
	r.out.hide(server.Secret)
	r.place = Place{
		Title: "Google Drive", ClientID: server.ID, ClientSecret: server.Secret, Scopes: []string{scopeFiles},
		AuthURL: server.Address + "/auth", TokenURL: r.front.URL + "/token", RevokeURL: r.front.URL + "/token/revocation",
		Parameters: map[string]string{"access_type": "offline", "prompt": "consent"}, Command: commandLogin,
	}
	t.Cleanup(func() {
		if leaks := r.out.leaks(); len(leaks) > 0 {
			t.Errorf("%d of %d secrets came out:\n%s", len(leaks), len(r.out.secrets), r.out.string())
		}
	})
	return r
}

// open opens a login on the rig's folder, as one process would.
func (r *rig) open() *Login {
	r.t.Helper()
	l, err := Open(Options{
		Place: r.place, Folder: r.folder, Unlock: unlockTest, Vault: r.vault, Now: r.clock.now,
		Log: slog.New(slog.NewJSONHandler(r.out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	return l
}

// err keeps an error's text in every form, for the search; it returns what it was given.
func (r *rig) err(err error) error {
	fmt.Fprintf(r.out, "%v\n%+v\n%#v\n", err, err, err)
	return err
}

// login logs in as a person with a browser does.
func (r *rig) login(l *Login) Result {
	r.t.Helper()
	result, err := r.tryLogin(l, r.browser())
	if err != nil {
		r.t.Fatal(r.err(err))
	}
	return result
}

func (r *rig) tryLogin(l *Login, browser func(context.Context, string) error) (Result, error) {
	result, err := l.Browser(r.t.Context(), BrowserOptions{Open: browser, Tell: r.out.tell, Limit: time.Minute})
	r.browsing.Wait()
	return result, r.err(err)
}

// browser goes through the login without a person, to its end, in the background; the page goes to the record.
func (r *rig) browser() func(context.Context, string) error {
	return func(_ context.Context, address string) error {
		r.browsing.Go(func() {
			status, page, err := r.browse(address)
			fmt.Fprintln(r.out, "page", status, page, err)
		})
		return nil
	}
}

// browse opens an address, follows every redirect, and returns the last page.
func (r *rig) browse(address string) (status int, page string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	response, err := client.Get(address)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

// lastAddress opens an address and returns the one at the loopback port that it ends at, without opening that.
func (r *rig) lastAddress(address string) string {
	r.t.Helper()
	last, err := r.server.LastAddress(r.t.Context(), address)
	if err != nil {
		r.t.Fatal(err)
	}
	return last
}

// attempt begins a login, lets a browser answer, and returns what that brought.
func (r *rig) attempt(l *Login) (*attempt, secret) {
	r.t.Helper()
	a, err := l.newAttempt("http://127.0.0.1:49999/")
	if err != nil {
		r.t.Fatal(err)
	}
	last, err := url.Parse(r.lastAddress(l.address(a)))
	if err != nil {
		r.t.Fatal(err)
	}
	code, err := l.judge(a, last.Query())
	if err != nil {
		r.t.Fatal(r.err(err))
	}
	return a, code
}

// works says whether the server still takes an access token.
func (r *rig) works(token string) bool {
	r.t.Helper()
	form := url.Values{"token": {token}, "client_id": {r.place.ClientID}, "client_secret": {r.place.ClientSecret}}
	response, err := http.PostForm(r.server.Address+"/token/introspection", form)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Active bool `json:"active"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		r.t.Fatal(err)
	}
	return answer.Active
}

// kept reads what is kept, as a new process would.
func (r *rig) kept() *record {
	r.t.Helper()
	rec, _, err := r.open().store.load(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return rec
}

// front stands before the server's token endpoints: it can be broken, counts, and learns the secrets that pass.
type front struct {
	*httptest.Server
	out *recorder

	mu        sync.Mutex
	broken    http.HandlerFunc
	refreshes int
	requests  int
}

func newFront(t *testing.T, server string, out *recorder) *front {
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{out: out}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(response *http.Response) error {
		data, err := io.ReadAll(response.Body)
		response.Body = io.NopCloser(bytes.NewReader(data))
		var answer map[string]any
		if json.Unmarshal(data, &answer) == nil {
			for _, name := range []string{"access_token", "refresh_token"} {
				if token, ok := answer[name].(string); ok {
					out.hide(token)
				}
			}
		}
		return err
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		request.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		for _, name := range []string{"code", "code_verifier", "refresh_token", "client_secret", "token"} {
			out.hide(form.Get(name))
		}
		f.mu.Lock()
		f.requests++
		if form.Get("grant_type") == "refresh_token" {
			f.refreshes++
		}
		broken := f.broken
		f.mu.Unlock()
		if broken != nil {
			broken(w, request)
			return
		}
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(f.Close)
	return f
}

// breakWith makes every request end in a handler; nil mends it.
func (f *front) breakWith(handler http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = handler
}

func (f *front) count() (refreshes, requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshes, f.requests
}

// echo answers with a status, headers and what it was sent: what a bad proxy does.
func echo(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		form, _ := url.ParseQuery(string(body))
		fmt.Fprintf(w, "<p>you sent %s %v", body, form)
	}
}

// hangUp ends connections without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}
