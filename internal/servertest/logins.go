package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// Logins is the strict OAuth server, with a client of one test's own.
type Logins struct {
	// Address is the server's, without a slash at the end: it has /auth, /token,
	// /token/revocation and /token/introspection.
	Address string `json:"-"`
	// ID and Secret are the client's.
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// NewLogins makes a client at the server that .ci/run names; see Named. habits is what the
// client wants, as JSON; see .ci/tools/oidc/server.mjs.
func NewLogins(t testing.TB, habits string) *Logins {
	t.Helper()
	l := &Logins{Address: Named(t, "DM3SYNC_TEST_OIDC")}
	response, err := http.Post(l.Address+"/admin/clients", "application/json", strings.NewReader(habits))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(l); err != nil || l.Secret == "" {
		t.Fatalf("making a client: %v", err)
	}
	return l
}

// Revoke ends the client's only login at the server.
func (l *Logins) Revoke(t testing.TB) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, l.Address+"/admin/clients/"+l.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != `{"ended":1}` {
		t.Fatalf("revoking: %s, %v", text, err)
	}
}

// LastAddress goes through a login as a browser does, and returns the address outside of
// the server that it ends at, without opening that.
func (l *Logins) LastAddress(ctx context.Context, address string) (last string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(request *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(request.URL.String(), l.Address) {
			last = request.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	if last == "" {
		return "", fmt.Errorf("the server did not send the browser back: %s", response.Status)
	}
	return last, nil
}
