package access_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestForeignHost(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	for _, host := range []string{
		"evil.example", "evil.example:" + r.port, "127.0.0.1", "localhost", "127.0.0.1:1", "localhost:" + r.port + "0", "localhost:0" + r.port,
		"localhost.:" + r.port, "127.0.0.1.:" + r.port, r.gate.Name() + ".:" + r.port, r.gate.Name(), "x." + r.gate.Name() + ":" + r.port,
		"127.0.0.1.evil.example:" + r.port, "localhost.evil.example:" + r.port, "evil.localhost:" + r.port, "localhost:" + r.port + "@evil.example",
		"evil.example@localhost:" + r.port, "localhost:" + r.port + ", evil.example", "localhost:" + r.port + "#evil.example", "",
		"127.1:" + r.port, "127.0.0.2:" + r.port, "0.0.0.0:" + r.port, "2130706433:" + r.port, "0x7f000001:" + r.port, "0177.0.0.1:" + r.port,
		"[::]:" + r.port, "[0:0:0:0:0:0:0:1]:" + r.port, "[::ffff:127.0.0.1]:" + r.port, "[::1%25lo]:" + r.port, "::1:" + r.port,
	} {
		for _, credential := range []string{r.bearer(), cookie} {
			r.refused("host "+host, r.request("GET", "/v1/status", "", "Host: "+host, credential), http.StatusMisdirectedRequest, http.StatusBadRequest)
		}
	}
	r.refused("no host", parse(t, strings.NewReader(r.exchange("GET /v1/status HTTP/1.0\r\n"+r.bearer()+"\r\n\r\n"))), http.StatusMisdirectedRequest)
	r.refused("two hosts", r.request("GET", "/v1/status", "", "Host: "+r.address, "Host: evil.example", r.bearer()), http.StatusBadRequest)
	r.refused("two hosts, the right one last", r.request("GET", "/v1/status", "", "Host: evil.example", "Host: "+r.address, r.bearer()), http.StatusBadRequest)
	for _, line := range []string{"http://evil.example/v1/status", "http://" + r.address + "/v1/status", "http://evil.example:" + r.port + "/v1/status", "//evil.example/v1/status"} {
		r.refused("the line "+line, r.request("GET", line, "", r.bearer()), http.StatusBadRequest, http.StatusNotFound, http.StatusTemporaryRedirect)
	}
	r.refused("CONNECT", r.request("CONNECT", "evil.example:443", "", r.bearer()), http.StatusBadRequest)
	r.refused("OPTIONS *", r.request("OPTIONS", "*", "", r.bearer()), http.StatusBadRequest)
	for _, host := range []string{r.address, "localhost:" + r.port, "LocalHost:" + r.port, "[::1]:" + r.port, r.gate.Name() + ":" + r.port} {
		r.served("host "+host, r.request("GET", "/v1/status", "", "Host: "+host, r.bearer()))
	}
}

// foreignOrigins are pages that are neither the interface's own nor on the list.
func foreignOrigins(r *rig) []string {
	return []string{
		"https://evil.example", "null", "", "http://127.0.0.1", "http://localhost:" + r.port, "https://" + r.address, "http://" + r.address + ".evil.example",
		"http://127.0.0.1:1", "http://" + r.address + "/", "HTTP://" + r.address, "file://", "chrome-extension://abc",
		"https://app.example.org.evil.example", "https://app.example.org:443", "https://app.example.org/", "http://app.example.org", "HTTPS://app.example.org",
		"https://APP.example.org", "https://evil.example/https://app.example.org", "https://app.example.org https://evil.example", "*",
	}
}

func TestForeignOrigin(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	for _, origin := range foreignOrigins(r) {
		for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
			for _, credential := range []string{r.bearer(), cookie} {
				got := r.request(method, passes, "", "Origin: "+origin, credential)
				r.refused(method+" from "+origin, got, http.StatusForbidden)
				if got.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s from %q may be read", method, origin)
				}
			}
		}
	}
	r.refused("two origins, reading", r.request("GET", "/v1/status", "", "Origin: http://"+r.address, "Origin: https://evil.example", cookie), http.StatusForbidden)
	r.refused("a form without an origin, with the token", r.request("POST", passes, "", "Sec-Fetch-Site: cross-site", r.bearer()), http.StatusForbidden)
	r.refused("two origins", r.request("POST", passes, "", "Origin: "+page, "Origin: https://evil.example", r.bearer()), http.StatusForbidden)
	r.served("the own origin", r.request("POST", passes, "", "Origin: http://"+r.address, cookie))
}

// TestListedOrigin: a page on the list may use the token, and nothing that a
// browser adds by itself.
func TestListedOrigin(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	from := []string{"Origin: " + page, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"}
	r.refused("with the cookie", r.request("GET", "/v1/status", "", append(from, cookie)...), http.StatusUnauthorized)
	r.refused("writing with the cookie", r.request("POST", passes, "", append(from, cookie)...), http.StatusUnauthorized)
	got := r.request("OPTIONS", "/v1/pause", "", append(from, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization", "Access-Control-Request-Private-Network: true")...)
	if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
		got.header.Get("Access-Control-Allow-Private-Network") != "true" || got.header.Get("Vary") != "Origin" {
		t.Errorf("preflight: %d %v", got.status, got.header)
	}
	if got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("the page may send cookies")
	}
	got = r.request("POST", passes, "", append(from, r.bearer())...)
	r.served("with the token", got)
	if got.header.Get("Access-Control-Allow-Origin") != page || got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("headers %v", got.header)
	}
}

// TestForgedForms: what pages can send without asking first, with the cookie that
// the browser adds.
func TestForgedForms(t *testing.T) {
	r := newRig(t)
	cookie := r.enter()
	for _, path := range []string{passes, messages, "/v1/accounts/-/forget", "/"} {
		for _, content := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
			for what, said := range map[string][]string{
				"another site":            {"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"},
				"another port":            {"Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-site"},
				"another port, no origin": {"Sec-Fetch-Site: same-site"},
				"a sandbox":               {"Origin: null", "Sec-Fetch-Site: cross-site"},
				"no origin":               {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"},
				"nothing said":            {},
				"typed":                   {"Sec-Fetch-Site: none"},
			} {
				r.refused(path+" "+content+" from "+what, r.request("POST", path, "x=1", append(said, "Content-Type: "+content, cookie)...), http.StatusForbidden)
			}
		}
	}
	for _, dest := range []string{"iframe", "embed", "object", "frame"} {
		r.refused("framed as "+dest, r.request("GET", "/", "", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: "+dest, cookie), http.StatusForbidden)
	}
	r.refused("read from another port", r.request("GET", "/v1/status", "", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", cookie), http.StatusForbidden)
	r.refused("read from another site", r.request("GET", "/v1/status", "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", cookie), http.StatusForbidden)
	r.served("the own page", r.request("POST", "/", "x=1", "Origin: http://"+r.address, "Sec-Fetch-Site: same-origin", cookie))
}

// TestCookieOfAnotherPort: browsers keep cookies for all ports together, so those
// of others come along, and must neither let in nor get in the way.
func TestCookieOfAnotherPort(t *testing.T) {
	r, other := newRig(t), newRig(t)
	own, foreign := r.enter(), other.enter()
	r.refused("a session of another port", r.request("GET", "/v1/status", "", foreign), http.StatusUnauthorized)
	_, value, _ := strings.Cut(foreign, "=")
	r.refused("its value under the own name", r.request("GET", "/v1/status", "", "Cookie: dm3sync-"+r.port+"="+value), http.StatusUnauthorized)
	_, value, _ = strings.Cut(own, "=")
	r.refused("the own value under another name", r.request("GET", "/v1/status", "", "Cookie: dm3sync-1="+value), http.StatusUnauthorized)
	r.served("both", r.request("GET", "/v1/status", "", foreign+"; dm3sync-"+r.port+"=planted; "+strings.TrimPrefix(own, "Cookie: ")))
}
