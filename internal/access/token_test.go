package access_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/access"
)

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", access.TokenName)
	first, err := access.ReadToken(path, rand.Reader)
	if err != nil || len(first) != 43 {
		t.Fatalf("token of %d characters, error %v", len(first), err)
	}
	if again, err := access.ReadToken(path, rand.Reader); err != nil || again != first {
		t.Errorf("the second reading gave another token, error %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := access.NewToken(path, rand.Reader)
	if err != nil || second == first {
		t.Errorf("a new token is the old one, error %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file has mode %v", info.Mode())
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("files beside the token: %v", names)
	}
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.ReadToken(path, rand.Reader); !errors.Is(err, access.ErrToken) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a damaged token: %v", err)
	}
}

func TestWrongToken(t *testing.T) {
	r := newRig(t)
	r.refused("no token", r.request("GET", "/v1/status", ""), http.StatusUnauthorized)
	for what, line := range map[string]string{
		"another token": "Authorization: Bearer " + strings.Repeat("A", 43),
		"a part":        "Authorization: Bearer " + r.token[:42],
		"more":          "Authorization: Bearer " + r.token + "A",
		"empty":         "Authorization: Bearer ",
		"basic":         "Authorization: Basic " + r.token,
		"bare":          "Authorization: " + r.token,
		"twice":         r.bearer() + "\r\n" + r.bearer(),
	} {
		r.refused(what, r.request("GET", "/v1/status", "", line), http.StatusUnauthorized)
	}
	r.served("the token", r.request("GET", "/v1/status", "", r.bearer()))
	if got := r.gate.Counts(); got["wrong-token"] < 7 || got["served"] != 1 {
		t.Errorf("counts %v", got)
	}
}

// TestWrongTokensAreSlowed: who guesses is made to wait, and the user is not.
func TestWrongTokensAreSlowed(t *testing.T) {
	r := newRig(t)
	slowed := 0
	for range 30 {
		got := r.request("GET", "/v1/status", "", "Authorization: Bearer guess")
		r.refused("a guess", got, http.StatusUnauthorized, http.StatusTooManyRequests)
		if got.status == http.StatusTooManyRequests {
			slowed++
			if got.header.Get("Retry-After") == "" {
				t.Error("no word on how long to wait")
			}
		}
	}
	if slowed != 20 {
		t.Errorf("%d of 30 guesses were slowed, want 20", slowed)
	}
	r.served("the token, meanwhile", r.request("GET", "/v1/status", "", r.bearer()))
	r.advance(time.Minute)
	if got := r.request("GET", "/v1/status", "", "Authorization: Bearer guess"); got.status != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", got.status)
	}
}

func TestOldTokenIsRefused(t *testing.T) {
	r := newRig(t)
	r.backend.wrote = make(chan int64, 1)
	cookie, old := r.enter(), r.bearer()
	running := r.dial()
	defer running.Close()
	if _, err := running.Write([]byte("GET /endless HTTP/1.1\r\nHost: " + r.address + "\r\n" + old + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := running.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	link, _, err := r.gate.NewLink(false)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := r.gate.ReplaceToken()
	if err != nil {
		t.Fatal(err)
	}
	r.refused("the old token", r.request("GET", "/v1/status", "", old), http.StatusUnauthorized)
	r.refused("a link of before", r.request("GET", access.EnterPath(link), ""), http.StatusForbidden)
	r.refused("a session of before", r.request("GET", "/v1/status", "", cookie), http.StatusUnauthorized)
	r.served("the new token", r.request("GET", "/v1/status", "", "Authorization: Bearer "+fresh))
	go func() { // so that the answer is not stopped by a full connection
		buffer := make([]byte, 1<<20)
		for err := error(nil); err == nil; {
			_, err = running.Read(buffer)
		}
	}()
	<-r.backend.wrote // what was under way with the old one has ended
}

func TestTokenInQueryIsRefused(t *testing.T) {
	r := newRig(t)
	for _, query := range []string{"access_token=" + r.token, "token=" + r.token, "TOKEN=x", "contact=" + r.token} {
		r.refused(query[:6], r.request("GET", "/v1/status?"+query, ""), http.StatusBadRequest)
		r.refused(query[:6]+" with a token", r.request("GET", "/v1/status?"+query, "", r.bearer()), http.StatusBadRequest)
	}
}

// TestNothingIsLogged: neither credentials nor names of contacts reach the log.
func TestNothingIsLogged(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	r.served("a request", r.request("GET", messages, "", cookie))
	r.request("GET", messages+"?token="+r.token, "", "Authorization: Bearer guess")
	r.stop()
	for _, secret := range []string{r.token, strings.TrimPrefix(cookie, "Cookie: dm3sync-"+r.port+"="), "bob.eth", "guess"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(r.log.String(), "interface request") {
		t.Error("nothing was logged")
	}
}
