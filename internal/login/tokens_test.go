package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// child is what a process of its own is told to do on its standard input.
type child struct {
	Do     string // token, or panic
	Place  placeFields
	Folder string
	Ahead  time.Duration
}

// placeFields is Place without its methods.
type placeFields Place

// TestMain is also the beginning of a second process that shares a login with the test.
func TestMain(m *testing.M) {
	if os.Getenv("DM3SYNC_LOGIN_CHILD") == "" {
		os.Exit(m.Run())
	}
	var c child
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l, err := Open(Options{Place: Place(c.Place), Folder: c.Folder, Unlock: unlockTest, Now: (&clock{ahead: c.Ahead}).now})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if c.Do == "panic" {
		r, err := l.kept(context.Background())
		if err != nil {
			os.Exit(1)
		}
		defer panic(*r)
		a, err := l.newAttempt("http://127.0.0.1:1/")
		if err != nil {
			os.Exit(1)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, value := range []any{r, *r, r.Refresh, l, Place(c.Place), Options{Place: Place(c.Place)}, a, *a, unkept{r.Refresh, *r}, answer{code: r.Refresh}} {
				defer panic(fmt.Sprintf(verb, value))
			}
		}
		encoded := slog.New(slog.NewJSONHandler(os.Stderr, nil))
		encoded.Info("all", "record", r, "value", *r, "refresh", r.Refresh, "place", Place(c.Place), "attempt", a, "login", l)
		panic(r.Refresh)
	}
	token, err := l.Token()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(token.AccessToken)
}

// process starts a process of its own with the rig's login; the result waits for what it prints.
func (r *rig) process(do string) func() (string, error) {
	r.t.Helper()
	program, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := json.Marshal(child{Do: do, Place: placeFields(r.place), Folder: r.folder, Ahead: r.clock.ahead})
	if err != nil {
		r.t.Fatal(err)
	}
	command := exec.CommandContext(r.t.Context(), program)
	command.Env = append(os.Environ(), "DM3SYNC_LOGIN_CHILD=1", "GORACE=atexit_sleep_ms=20")
	command.Stdin = strings.NewReader(string(text))
	out := &strings.Builder{}
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		r.t.Fatal(err)
	}
	return func() (string, error) {
		err := command.Wait()
		return strings.TrimSpace(out.String()), err
	}
}

func TestRefresh(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		t.Run(fmt.Sprint("rotate ", rotate), func(t *testing.T) {
			r := newRig(t, habits{"rotate": rotate})
			l := r.open()
			r.login(l)
			before := r.kept()
			for range 3 { // with rotation, each uses the token that the one before brought
				old, err := l.Token()
				if err != nil {
					t.Fatal(r.err(err))
				}
				r.clock.advance(2 * time.Hour)
				token, err := l.Token()
				if err != nil || token.AccessToken == old.AccessToken || !r.works(token.AccessToken) {
					t.Fatalf("no other token, or one that does not work: %v", r.err(err))
				}
			}
			after := r.kept()
			if (after.Refresh != before.Refresh) != rotate || !after.Used.After(before.Used) || after.Scope != before.Scope {
				t.Error("what is kept is not what the server gave")
			}
			if refreshes, _ := r.front.count(); refreshes != 3 {
				t.Errorf("%d refreshes", refreshes)
			}
			if again, err := r.open().Token(); err != nil || string(after.Access) != again.AccessToken {
				t.Errorf("another process does not get the kept token: %v", r.err(err))
			}
		})
	}
}

// TestRefreshedAheadOfTime: near its end a token is still handed out, and replaced in the background.
func TestRefreshedAheadOfTime(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	first, err := l.Token()
	if err != nil {
		t.Fatal(err)
	}
	r.front.breakWith(hangUp)
	r.clock.advance(57 * time.Minute)
	for range 20 { // a server that is down is not asked by each
		if token, err := l.Token(); err != nil || token.AccessToken != first.AccessToken {
			t.Fatalf("the token that still works was not handed out: %v", r.err(err))
		}
		l.groups.Wait()
	}
	if refreshes, _ := r.front.count(); refreshes != 1 {
		t.Errorf("%d refreshes while the server was down", refreshes)
	}
	r.front.breakWith(nil)
	r.clock.advance(quietTime)
	if token, err := l.Token(); err != nil || token.AccessToken != first.AccessToken {
		t.Fatalf("the token that still works was not handed out: %v", r.err(err))
	}
	l.groups.Wait()
	if token, err := l.Token(); err != nil || token.AccessToken == first.AccessToken {
		t.Errorf("not refreshed in the background: %v", r.err(err))
	}
}

// TestRefreshedOnce: however many ask at once, in one login, in several, and in several processes, the server is asked
// once, and all get the token; with rotation, a second request would end the login.
func TestRefreshedOnce(t *testing.T) {
	r := newRig(t, habits{"rotate": true})
	first := r.open()
	r.login(first)
	r.clock.advance(2 * time.Hour)
	processes := []func() (string, error){r.process("token"), r.process("token")}
	logins := []*Login{first, r.open(), r.open()}
	tokens := make(chan string, 3*8+len(processes))
	var group sync.WaitGroup
	for _, l := range logins {
		for range 8 {
			group.Go(func() {
				token, err := l.Token()
				if err != nil {
					t.Error(r.err(err))
					return
				}
				tokens <- token.AccessToken
			})
		}
	}
	for _, wait := range processes {
		text, err := wait()
		if err != nil {
			t.Errorf("a process failed: %v %s", err, text)
		}
		tokens <- text
	}
	group.Wait()
	close(tokens)
	got := map[string]int{}
	for token := range tokens {
		got[token]++
	}
	if refreshes, _ := r.front.count(); refreshes != 1 || len(got) != 1 {
		t.Errorf("%d refreshes gave %d different tokens", refreshes, len(got))
	}
	for token := range got {
		if !r.works(token) {
			t.Error("the token does not work")
		}
	}
}

// TestReusedRefreshToken: a copy of the token elsewhere uses it first. The strict server ends both logins; that is said
// once, and not tried again, until there is a new login, which a running process notices.
func TestReusedRefreshToken(t *testing.T) {
	r := newRig(t, habits{"rotate": true})
	l := r.open()
	r.login(l)
	file, err := os.ReadFile(l.store.path)
	if err != nil {
		t.Fatal(err)
	}
	r.clock.advance(2 * time.Hour)
	if _, err := l.Token(); err != nil {
		t.Fatal(r.err(err))
	}
	if err := os.WriteFile(l.store.path, file, 0o600); err != nil { // a backup comes back
		t.Fatal(err)
	}
	running := r.open()
	for range 3 {
		if _, err := running.Token(); !errors.Is(r.err(err), ErrNeeded) || !strings.Contains(err.Error(), "ended or was revoked; run `dm3sync login drive`") {
			t.Fatalf("error %v", err)
		}
	}
	if _, err := r.open().Token(); !errors.Is(r.err(err), ErrNeeded) {
		t.Errorf("another process: %v", err)
	}
	if refreshes, _ := r.front.count(); refreshes != 2 {
		t.Errorf("%d refreshes, want the right one and one reuse", refreshes)
	}
	if warning := running.Warning(r.clock.now()); !strings.Contains(warning, "run `dm3sync login drive`") {
		t.Errorf("warning %q", warning)
	}
	r.login(r.open())
	if token, err := running.Token(); err != nil || !r.works(token.AccessToken) {
		t.Errorf("the running process does not see the new login: %v", r.err(err))
	}
}

func TestExpiredRefreshToken(t *testing.T) {
	r := newRig(t, habits{"refreshTTL": 1})
	l := r.open()
	r.login(l)
	refresh := string(r.kept().Refresh)
	for r.works(refresh) {
		time.Sleep(50 * time.Millisecond)
	}
	r.clock.advance(2 * time.Hour)
	if _, err := l.Token(); !errors.Is(r.err(err), ErrNeeded) || errors.Is(err, providers.ErrTransient) {
		t.Errorf("error %v", err)
	}
}

// TestServerDown: what is only for the moment keeps the token, and is told from the end of a login.
func TestServerDown(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	before := r.kept().Refresh
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"hangs up":      {hangUp, providers.ErrTransient},
		"500":           {echo(500), providers.ErrTransient},
		"503":           {echo(503), providers.ErrTransient},
		"429":           {echo(429, "Retry-After", "120"), providers.ErrRateLimited},
		"a portal":      {echo(200, "Content-Type", "text/html"), providers.ErrTransient},
		"a proxy's 403": {echo(403, "Content-Type", "text/html"), providers.ErrTransient},
		"a redirect":    {echo(307, "Location", r.front.URL+"/elsewhere"), providers.ErrTransient},
		"a word for it": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"temporarily_unavailable"}`)
		}, providers.ErrTransient},
		"nothing in it": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{}`)
		}, providers.ErrTransient},
	} {
		r.front.breakWith(c.handler)
		r.clock.advance(2 * time.Hour)
		_, before := r.front.count()
		_, err := l.Token()
		if _, requests := r.front.count(); requests != before+1 {
			t.Errorf("%s: %d requests", name, requests-before)
		}
		if !errors.Is(r.err(err), c.want) || errors.Is(err, providers.ErrUnauthorised) || !strings.Contains(err.Error(), "Google Drive") {
			t.Errorf("%s: error %v", name, err)
		}
		if limit := (*providers.RateLimitError)(nil); errors.As(err, &limit) && limit.Wait != 2*time.Minute {
			t.Errorf("%s: wait %v", name, limit.Wait)
		}
	}
	if r.kept().Refresh != before {
		t.Error("the token was not kept")
	}
	r.front.breakWith(nil)
	if token, err := l.Token(); err != nil || !r.works(token.AccessToken) {
		t.Errorf("the server is up again: %v", r.err(err))
	}
}

// TestRefusals: the server's words for what the user must mend.
func TestRefusals(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	r.clock.advance(2 * time.Hour)
	for code, want := range map[string]error{
		"invalid_client": ErrClient, "unauthorized_client": ErrClient, "deleted_client": ErrClient, "disabled_client": ErrClient, "admin_policy_enforced": ErrNeeded,
	} {
		r.front.breakWith(func(w http.ResponseWriter, request *http.Request) {
			_ = request.ParseForm()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "bad\n\x1b[31m " + request.Form.Encode() + " " + request.Form.Get("refresh_token")})
		})
		_, err := l.Token()
		if !errors.Is(r.err(err), want) || !errors.Is(err, providers.ErrUnauthorised) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: error %v", code, err)
		}
	}
	r.front.breakWith(nil)
	if _, err := l.Token(); err != nil {
		t.Errorf("refused for ever: %v", r.err(err))
	}
}

func TestRejectedToken(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	first, err := l.Token()
	if err != nil {
		t.Fatal(err)
	}
	l.Reject(first)
	second, err := l.Token()
	if err != nil || second.AccessToken == first.AccessToken {
		t.Fatalf("the refused token came again: %v", r.err(err))
	}
	l.Reject(first) // late, of a request that began before
	if third, err := l.Token(); err != nil || third.AccessToken != second.AccessToken {
		t.Errorf("a good token was thrown away: %v", r.err(err))
	}
}

// TestUnkeptToken: a replacement that can't be kept is not used, not lost, and kept by the next attempt.
func TestUnkeptToken(t *testing.T) {
	r := newRig(t, habits{"rotate": true})
	l := r.open()
	r.login(l)
	replace := l.store.replace
	l.store.replace = func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }
	r.clock.advance(2 * time.Hour)
	for range 3 {
		if _, err := l.Token(); err == nil || !strings.Contains(r.err(err).Error(), "keeping the token") {
			t.Fatalf("error %v", err)
		}
	}
	l.store.replace = replace
	token, err := l.Token()
	if err != nil || !r.works(token.AccessToken) {
		t.Fatalf("lost: %v", r.err(err))
	}
	if refreshes, _ := r.front.count(); refreshes != 1 {
		t.Errorf("%d refreshes: a used token was sent again", refreshes)
	}
	if string(r.kept().Access) != token.AccessToken {
		t.Error("used, and not kept")
	}
}

// TestCallersThatLeave: one who leaves does not take the answer from the others.
func TestCallersThatLeave(t *testing.T) {
	r := newRig(t, nil)
	l := r.open()
	r.login(l)
	r.clock.advance(2 * time.Hour)
	asked, goOn := make(chan struct{}, 9), make(chan struct{})
	r.front.breakWith(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-goOn
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 2)
	go func() { _, err := l.TokenContext(ctx); left <- err }()
	<-asked
	cancel()
	if err := <-left; !errors.Is(r.err(err), context.Canceled) {
		t.Errorf("error %v", err)
	}
	go func() { _, err := l.Token(); left <- err }()
	close(goOn)
	if err := <-left; !errors.Is(r.err(err), providers.ErrTransient) {
		t.Errorf("error %v", err)
	}
	l.Close()
	if _, err := l.Token(); err == nil {
		t.Error("a token after Close")
	}
}

// TestPanicsShowNothing: a process that dies with a login in its hands prints no secret.
func TestPanicsShowNothing(t *testing.T) {
	r := newRig(t, nil)
	r.login(r.open())
	rec := r.kept()
	r.out.hide(string(rec.Refresh), string(rec.Access))
	text, err := r.process("panic")()
	if err == nil || !strings.Contains(text, "panic:") || !strings.Contains(text, "(secret)") || !strings.Contains(text, "(unkept login)") {
		t.Fatalf("no panic: %s", text)
	}
	fmt.Fprintln(r.out, text)
}

// TestSearchFindsSecrets: the search at the end of every test is able to find what it looks for.
func TestSearchFindsSecrets(t *testing.T) {
	r := &recorder{}
	r.hide("s3cret/+token", "short")
	for text, want := range map[string]int{"nothing": 0, "short": 0, "a s3cret/+token b": 1, "q=s3cret%2F%2Btoken": 1} {
		r.text.Reset()
		r.tell(text)
		if got := len(r.leaks()); got != want {
			t.Errorf("%q: %d found, want %d", text, got, want)
		}
	}
}
