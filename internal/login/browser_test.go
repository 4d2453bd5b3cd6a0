package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

func TestBrowserLogin(t *testing.T) {
	r := newRig(t, habits{"rotate": true})
	l := r.open()
	if _, err := l.Token(); !errors.Is(r.err(err), ErrNeeded) || !errors.Is(err, providers.ErrUnauthorised) || !strings.Contains(err.Error(), "run `dm3sync login drive`") {
		t.Fatalf("before the login: %v", err)
	}
	result := r.login(l)
	if want := "sealed in " + r.folder; !strings.HasPrefix(result.Kept, want) || result.Kept != l.Kept() {
		t.Errorf("%q, want %q…", result.Kept, want)
	}
	token, err := l.Token()
	if err != nil || !r.works(token.AccessToken) || token.RefreshToken != "" {
		t.Fatalf("the token does not work: %v", r.err(err))
	}
	if refreshes, requests := r.front.count(); refreshes != 0 || requests != 1 {
		t.Errorf("%d refreshes, %d requests", refreshes, requests)
	}
	if text := r.out.string(); !strings.Contains(text, "page 200") || !strings.Contains(text, "You are logged in") {
		t.Errorf("the page is missing: %s", text)
	}
	if len(r.out.secrets) < 5 { // client's secret, code, verifier, two tokens
		t.Errorf("only %d secrets went over the wire", len(r.out.secrets))
	}
}

// TestAuthorizationRequest: what the browser is sent with.
func TestAuthorizationRequest(t *testing.T) {
	l := openOffline(t, nil)
	a, err := l.newAttempt("http://127.0.0.1:4711/")
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.newAttempt("http://127.0.0.1:4711/")
	if err != nil || other.state == a.state || other.verifier == a.verifier || a.state == a.verifier || len(a.verifier) != 43 || len(a.state) != 43 {
		t.Fatalf("the secrets of attempts are not their own: %v", err)
	}
	address, err := url.Parse(l.address(a))
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "client", "redirect_uri": "http://127.0.0.1:4711/", "scope": scopeFiles, "state": string(a.state),
		"code_challenge_method": "S256", "access_type": "offline", "prompt": "consent",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if challenge := query.Get("code_challenge"); len(challenge) != 43 || strings.Contains(address.String(), string(a.verifier)) || strings.Contains(address.String(), "hunter2") {
		t.Errorf("challenge %q, or a secret is in the address", challenge)
	}
}

func TestDenied(t *testing.T) {
	r := newRig(t, habits{"consent": "deny"})
	_, err := r.tryLogin(r.open(), r.browser())
	if !errors.Is(err, ErrNotCompleted) || !errors.Is(err, errDenied) || !strings.Contains(err.Error(), "access was not granted; to try again, run `dm3sync login drive`") {
		t.Errorf("error %v", err)
	}
	if _, requests := r.front.count(); requests != 0 {
		t.Errorf("%d requests for tokens", requests)
	}
	if text := r.out.string(); !strings.Contains(text, "page 403") || !strings.Contains(text, "Access was not granted") {
		t.Errorf("the page is missing: %s", text)
	}
}

func TestScopeNotGranted(t *testing.T) {
	r := newRig(t, habits{"withhold": true})
	l := r.open()
	_, err := r.tryLogin(l, r.browser())
	if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "drive.file was not granted") {
		t.Errorf("error %v", err)
	}
	if l.Kept() != "" {
		t.Error("a token that is good for nothing was kept")
	}
}

func TestNoRefreshToken(t *testing.T) {
	r := newRig(t, habits{"refresh": false})
	_, err := r.tryLogin(r.open(), r.browser())
	if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "no refresh token") || !strings.Contains(err.Error(), "connections") {
		t.Errorf("error %v", err)
	}
}

// TestForeignAnswers: whoever does not know the state can neither finish nor end a login.
func TestForeignAnswers(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	foreign := func(_ context.Context, address string) error {
		parsed, err := url.Parse(address)
		if err != nil {
			return err
		}
		redirect, state := parsed.Query().Get("redirect_uri"), parsed.Query().Get("state")
		for _, c := range []struct {
			request string
			host    string
			method  string
			status  int
		}{
			{"?code=stolen&state=wrong", "", "GET", 400},
			{"?error=access_denied&state=wrong", "", "GET", 400},
			{"?error=access_denied", "", "GET", 400},
			{"?code=stolen", "", "GET", 400},
			{"", "", "GET", 400},
			{"?state=" + state, "", "GET", 400},
			{"?code=a&code=b&state=" + state, "", "GET", 400},
			{"?code=a&state=wrong&state=" + state, "", "GET", 400},
			{"?code=%zz&state=" + state, "", "GET", 400},
			{"?code=stolen&state=" + state, "evil.example.org", "GET", 404},
			{"?code=stolen&state=" + state, "localhost:1", "GET", 404},
			{"elsewhere?code=stolen&state=" + state, "", "GET", 404},
			{"?code=stolen&state=" + state, "", "POST", 405},
		} {
			request, err := http.NewRequest(c.method, redirect+c.request, nil)
			if err != nil {
				return err
			}
			request.Host = c.host
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			page, err := io.ReadAll(response.Body)
			if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != c.status || !safePage(response, string(page)) {
				t.Errorf("%+v: %s, %v, %s", c, response.Status, err, page)
			}
		}
		if _, requests := r.front.count(); requests != 0 {
			t.Errorf("%d requests for tokens", requests)
		}
		return r.browser()(nil, address)
	}
	if _, err := r.tryLogin(l, foreign); err != nil {
		t.Fatalf("the right answer was refused afterwards: %v", err)
	}
	if _, err := l.Token(); err != nil {
		t.Error(err)
	}
}

// safePage says whether a page can do nothing and shows nothing of the request.
func safePage(response *http.Response, page string) bool {
	policy := response.Header.Get("Content-Security-Policy")
	return strings.Contains(policy, "default-src 'none'") && !strings.Contains(policy, "unsafe") && response.Header.Get("Cache-Control") == "no-store" &&
		response.Header.Get("Referrer-Policy") == "no-referrer" && !strings.Contains(page, "<script") && !strings.Contains(page, "src=") && !strings.Contains(page, "href=") &&
		!strings.Contains(page, "stolen") && strings.Contains(page, "<h1")
}

// TestOnlyOneAnswer: while the first answer is worked on, and after it, no second one is taken.
func TestOnlyOneAnswer(t *testing.T) {
	l := openOffline(t, nil)
	a, err := l.newAttempt("http://127.0.0.1:4711/")
	if err != nil {
		t.Fatal(err)
	}
	w := &waiter{login: l, attempt: a, host: "127.0.0.1:4711", answers: make(chan *answer)}
	w.answered.Store(true)
	recorded := serveOnce(w, "http://127.0.0.1:4711/?code=second&state="+string(a.state))
	if recorded.Code != http.StatusConflict || !strings.Contains(recorded.Body.String(), "has its answer already") {
		t.Errorf("%d %s", recorded.Code, recorded.Body)
	}
}

func TestWrongVerifier(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	a, code := r.attempt(l)
	other, err := l.newAttempt(a.redirect)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.finish(t.Context(), other, code, false)
	if !errors.Is(r.err(err), ErrNotCompleted) || !strings.Contains(err.Error(), "did not accept the browser's answer") || l.Kept() != "" {
		t.Errorf("error %v", err)
	}
}

// TestReplayedCode: a code works once; the strict server ends the login when it comes twice.
func TestReplayedCode(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	a, code := r.attempt(l)
	if _, err := l.finish(t.Context(), a, code, false); err != nil {
		t.Fatal(r.err(err))
	}
	token, err := l.Token()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.finish(t.Context(), a, code, false); !errors.Is(r.err(err), ErrNotCompleted) || !strings.Contains(err.Error(), "was used already") {
		t.Errorf("error %v", err)
	}
	if r.works(token.AccessToken) {
		t.Error("the server did not notice")
	}
	r.clock.advance(2 * time.Hour)
	if _, err := l.Token(); !errors.Is(r.err(err), ErrNeeded) {
		t.Errorf("error %v, want ErrNeeded", err)
	}
}

func TestWrongClientSecret(t *testing.T) {
	r := newRig(t, nil)
	r.place.ClientSecret = "not-the-secret-of-this-client"
	r.out.hide(r.place.ClientSecret)
	_, err := r.tryLogin(r.open(), r.browser())
	if !errors.Is(err, ErrClient) || !errors.Is(err, providers.ErrUnauthorised) || !strings.Contains(err.Error(), "check client_id and secret_*") {
		t.Errorf("error %v", err)
	}
}

func TestServerDownWhileLoggingIn(t *testing.T) {
	r := newRig(t, nil)
	r.front.breakWith(echo(http.StatusBadGateway))
	_, err := r.tryLogin(r.open(), r.browser())
	if !errors.Is(err, ErrNotCompleted) || !errors.Is(err, providers.ErrTransient) || !strings.Contains(err.Error(), "502") {
		t.Errorf("error %v", err)
	}
	if text := r.out.string(); !strings.Contains(text, "The login failed") {
		t.Errorf("the page is missing: %s", text)
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	l := openOffline(t, nil)
	never := func(context.Context, string) error { t.Error("a browser was opened"); return nil }
	_, err = l.Browser(t.Context(), BrowserOptions{Open: never, Tell: func(string) {}, Port: port})
	if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "port "+strconv.Itoa(port)+" of 127.0.0.1 is taken") || !strings.Contains(err.Error(), "--headless") {
		t.Errorf("error %v", err)
	}
	none := func(context.Context, string, string) (net.Listener, error) { return nil, errors.New("no loopback") }
	_, err = l.Browser(t.Context(), BrowserOptions{Open: never, Tell: func(string) {}, Listen: none})
	if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "use --headless") {
		t.Errorf("error %v", err)
	}
}

// TestBrowserClosed: nobody answers, and the login ends by itself; or it is cancelled.
func TestBrowserClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openOffline(t, nil)
		var told []string
		o := BrowserOptions{Listen: silent, Tell: func(s string) { told = append(told, s) }, Open: func(context.Context, string) error { return os.ErrNotExist }}
		began := time.Now()
		_, err := l.Browser(t.Context(), o)
		if waited := time.Since(began); waited != 5*time.Minute {
			t.Errorf("waited %v", waited)
		}
		if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "did not answer within 5m0s; run `dm3sync login drive` again") {
			t.Errorf("error %v", err)
		}
		if text := strings.Join(told, "\n"); !strings.Contains(text, "no browser could be started") || !strings.Contains(text, "\nhttp://server/auth?") {
			t.Errorf("told %s", text)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Browser(ctx, o); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotCompleted) {
			t.Errorf("error %v", err)
		}
	})
}

// silent is a listener that nobody connects to.
func silent(context.Context, string, string) (net.Listener, error) {
	return &silentListener{closed: make(chan struct{})}, nil
}

type silentListener struct{ closed chan struct{} }

func (s *silentListener) Accept() (net.Conn, error) {
	<-s.closed
	return nil, net.ErrClosed
}

func (s *silentListener) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func (s *silentListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }

func TestBrowserCommand(t *testing.T) {
	const address = "http://server/auth?a=b&c=%20d"
	for _, c := range []struct {
		system      string
		environment string
		want        string
	}{
		{"linux", "DISPLAY=:0", "[xdg-open " + address + "]"},
		{"freebsd", "WAYLAND_DISPLAY=w", "[xdg-open " + address + "]"},
		{"linux", "", "[] there is no desktop here"},
		{"linux", "BROWSER=firefox -new-tab", "[firefox -new-tab " + address + "]"},
		{"linux", "BROWSER=w3m --open=%s:lynx", "[w3m --open=" + address + "]"},
		{"darwin", "", "[open " + address + "]"},
		{"windows", "", "[rundll32 url.dll,FileProtocolHandler " + address + "]"},
	} {
		name, value, _ := strings.Cut(c.environment, "=")
		getenv := func(wanted string) string {
			if wanted == name {
				return value
			}
			return ""
		}
		got, err := browserCommand(c.system, getenv, address)
		text := fmt.Sprint(got)
		if err != nil {
			text += " " + err.Error()
		}
		if text != c.want {
			t.Errorf("%s with %s: %s, want %s", c.system, c.environment, text, c.want)
		}
	}
	missing := SystemBrowser(func(string) string { return "/does/not/exist" })
	if err := missing(t.Context(), address); err == nil || strings.Contains(err.Error(), address) {
		t.Errorf("error %v", err)
	}
}
