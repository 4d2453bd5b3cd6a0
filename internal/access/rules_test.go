package access_test

import (
	"net/http"
	"testing"

	"github.com/dm3sync/dm3sync/internal/access"
)

// TestChange: other rules hold for the next request; who is in stays in, until there is no page any more.
func TestChange(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	from := func(origin string) answer { return r.request("GET", "/v1/status", "", r.bearer(), "Origin: "+origin) }
	r.served("a page on the list", from(page))
	r.gate.Change(access.Rules{Origins: []string{"https://other.example"}, PerSecond: 1, Burst: 2, Page: true})
	if got := from(page); got.status != http.StatusForbidden {
		t.Errorf("a page that is no longer on the list: %d", got.status)
	}
	r.served("a page that is new on the list", from("https://other.example"))
	for range 2 {
		r.request("GET", "/v1/status", "", r.bearer())
	}
	if got := r.request("GET", "/v1/status", "", r.bearer()); got.status != http.StatusTooManyRequests {
		t.Errorf("the new limit: %d", got.status)
	}
	r.served("a browser that was in", r.request("GET", "/", "", cookie))
	code, _, err := r.gate.NewLink(false)
	if err != nil {
		t.Fatal(err)
	}
	r.gate.Change(access.Rules{PerSecond: 1000, Burst: 1000})
	if got := r.request("GET", "/", "", cookie); got.status != http.StatusUnauthorized {
		t.Errorf("a browser without a page: %d", got.status)
	}
	if got := r.request("GET", access.EnterPath(code), ""); got.status != http.StatusUnauthorized {
		t.Errorf("a link without a page: %d", got.status)
	}
	r.served("the token", r.request("GET", "/v1/status", "", r.bearer()))
}
