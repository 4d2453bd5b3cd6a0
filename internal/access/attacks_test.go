package access_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPathTraversal: the token lies in the folder whose files are served, so that
// whoever gets above or around would find it; and no account or contact is
// looked up with such a name.
func TestPathTraversal(t *testing.T) {
	r := newRig(t)
	folder := filepath.Dir(r.file)
	if err := os.WriteFile(filepath.Join(folder, "style.css"), []byte("body{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(filepath.Dir(folder), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(secret) })
	for _, step := range []string{
		"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "%2525252e%2525252e", "..%5c..", "..\\..", "%5c..%5c", "..%00", "%00", ".", "%2e", "..%2f..", "..%252f..",
		"%0a", "%0d%0aX-Evil:%201", "%7f",
	} {
		for _, path := range []string{"/static/" + step + "/secret", "/static/style.css/" + step + "/" + step + "/secret", "/v1/" + step + "/status", "/v1/accounts/" + step + "/conversations", "/v1/accounts/alice.eth/conversations/" + step + "/messages"} {
			r.refused(path, r.request("GET", path, "", r.bearer()), http.StatusBadRequest)
			r.refused(path+", writing", r.request("POST", path, "x", r.bearer()), http.StatusBadRequest)
		}
	}
	r.served("a file", r.request("GET", "/static/style.css", "", r.bearer()))
	r.refused("a file, by nobody", r.request("GET", "/static/style.css", ""), http.StatusUnauthorized)
	got := r.request("GET", "/static//secret", "", r.bearer())
	if strings.Contains(got.body, "secret\n") || got.status == http.StatusOK {
		t.Errorf("answer %d %s", got.status, got.body)
	}
	if got := r.request("GET", "/v1/contacts/a%2541", "", r.bearer()); got.status != http.StatusNotFound { // an odd name, and nothing else
		t.Errorf("a name with a percent sign: %d", got.status)
	}
}

func TestHeaderInjection(t *testing.T) {
	r := newRig(t)
	evil := "a\r\nSet-Cookie: dm3sync-" + r.port + "=planted\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script>"
	for _, path := range []string{
		"/header?name=" + url.QueryEscape(evil), "/v1/accounts/-/conversations/" + url.PathEscape(evil) + "/messages", "/v1/status?account=" + url.QueryEscape(evil),
		"/v1/accounts/" + url.PathEscape(evil), messages + "?around=" + url.QueryEscape(evil), "/enter?code=" + url.QueryEscape(evil), "/" + url.PathEscape(evil),
	} {
		for _, accept := range []string{"text/html", "application/json"} {
			got := r.request("GET", path, "", r.bearer(), "Accept: "+accept)
			if got.header.Get("Set-Cookie") != "" || got.header.Get("X-Evil") != "" {
				t.Errorf("%s: headers %v", path, got.header)
			}
			if strings.Contains(got.body, "<script>") && got.header.Get("Content-Type") == "text/html; charset=utf-8" {
				t.Errorf("%s: %s", path, got.body)
			}
		}
	}
	r = newRig(t)
	// In the request itself such bytes end a line, or the request is refused.
	r.refused("in the path", r.request("GET", "/v1/\r\nX-Evil: 1", "", r.bearer()), http.StatusBadRequest)
	r.refused("a bare line feed in a header", r.request("GET", "/v1/status", "", "Authorization: Bearer x\ny", "Host: "+r.address), http.StatusBadRequest)
	r.refused("a zero in a header", r.request("GET", "/v1/status", "", r.bearer()+"\x00"), http.StatusBadRequest)
	r.refused("a folded header", r.request("GET", "/v1/status", "", "X-Folded: a\r\n b", "Authorization: Bearer x"), http.StatusBadRequest, http.StatusUnauthorized)
}

func TestWebSocketIsRefused(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	for _, lines := range [][]string{
		{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
		{"Upgrade: WebSocket"}, {"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"},
	} {
		for _, credential := range []string{r.bearer(), cookie, "X-None: 1"} {
			r.refused(strings.Join(lines, ", "), r.request("GET", "/v1/status", "", append(lines, credential)...), http.StatusBadRequest)
		}
	}
	if all := r.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); strings.Contains(all, "200 OK") {
		t.Errorf("HTTP/2 is spoken: %q", all)
	}
}

// TestSmuggling: what hides in the body of a request is never taken for a request
// of its own, however the lengths contradict each other.
func TestSmuggling(t *testing.T) {
	r := newRig(t)
	hidden := "GET /v1/status HTTP/1.1\r\nHost: " + r.address + "\r\n" + r.bearer() + "\r\n\r\n"
	head := "POST /v1/nothing HTTP/1.1\r\nHost: " + r.address + "\r\n" + r.bearer() + "\r\n"
	length := "Content-Length: " + strconv.Itoa(len(hidden)+5) + "\r\n"
	for what, raw := range map[string]string{
		"length and chunks":      head + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and length":      head + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		"two lengths":            head + "Content-Length: 0\r\n" + length + "\r\n" + hidden + "12345",
		"a list of lengths":      head + "Content-Length: 0, 5\r\n\r\n" + hidden,
		"a signed length":        head + "Content-Length: +0\r\n\r\n" + hidden,
		"a negative length":      head + "Content-Length: -1\r\n\r\n" + hidden,
		"a length in hex":        head + "Content-Length: 0x0\r\n\r\n" + hidden,
		"an unknown coding":      head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"two codings":            head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"a list of codings":      head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a blank in the name":    head + "Transfer-Encoding : chunked\r\n" + length + "\r\n" + hidden + "12345",
		"a tab before the value": head + "Transfer-Encoding:\x0bchunked\r\n" + length + "\r\n" + hidden + "12345",
		"a bad chunk":            head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
		"a chunk without an end": head + "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n" + hidden + "\r\n",
		"a body with GET":        strings.Replace(head, "POST", "GET", 1) + "Content-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden,
	} {
		all := r.exchange(raw)
		if calls := r.backend.all(); strings.Contains(all, "secret status") || len(calls) > 0 {
			t.Errorf("%s: %v, answers %q", what, calls, all)
		}
	}
}

// TestHeadersOnEverything: also on refusals, on what is not there, and on what
// the handler says itself.
func TestHeadersOnEverything(t *testing.T) {
	r := newRig(t)
	for what, got := range map[string]answer{
		"an answer":    r.request("GET", "/v1/status", "", r.bearer()),
		"nothing":      r.request("GET", "/nothing", "", r.bearer()),
		"a refusal":    r.request("GET", "/v1/status", ""),
		"a page":       r.request("GET", "/", "", "Accept: text/html"),
		"another host": r.request("GET", "/", "", "Host: evil.example"),
		"a preflight":  r.request("OPTIONS", "/", "", "Origin: "+page),
		"a redirect":   r.request("GET", r.link(), ""),
		"the style":    r.request("GET", "/enter/style.css", ""),
		"health":       r.request("GET", "/healthz", ""),
		"an error":     r.request("GET", "/v1/accounts/nobody.eth", "", r.bearer()),
	} {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if values := got.header.Values(name); len(values) != 1 || values[0] != want {
				t.Errorf("%s: %s is %q", what, name, values)
			}
		}
		if got.header.Get("Permissions-Policy") == "" || !strings.Contains("same-origin no-referrer", got.header.Get("Referrer-Policy")) {
			t.Errorf("%s: headers %v", what, got.header)
		}
	}
	for _, accept := range []string{"text/html,application/xhtml+xml", "*/*"} {
		got := r.request("GET", "/", "", "Accept: "+accept)
		if !strings.Contains(got.body, "dm3sync ui") || strings.HasPrefix(got.header.Get("Content-Type"), "text/html") != (accept != "*/*") {
			t.Errorf("%s: %s", accept, got.body)
		}
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t)
	for _, method := range []string{"TRACE", "TRACK", "PROPFIND", "GETS", "get"} {
		r.refused(method, r.request(method, "/v1/status", "", r.bearer()), http.StatusMethodNotAllowed)
	}
}
