package access

import (
	"net/http"
	"slices"
	"strings"
)

// What pages on the list may send and see.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
	corsExposed = "ETag, Link, Location, Retry-After"
	corsSeconds = "600"
)

// own tells whether an Origin header names this listener's own page.
func (g *guard) own(origin string, r *http.Request) bool { return origin == "http://"+r.Host }

// origin is the foreign page on the list that sent a request; empty for the own
// page and for programs. Any other page is refused, whatever it shows.
func (g *guard) origin(r *http.Request) (string, *refusal) {
	values := r.Header.Values("Origin")
	switch {
	case len(values) > 1:
		return "", &wrongOrigin
	case len(values) == 1 && slices.Contains(g.rules.Load().Origins, values[0]):
		return values[0], nil
	case len(values) == 1 && !g.own(values[0], r):
		return "", &wrongOrigin
	}
	// Browsers that send no Origin with a form still say where it comes from.
	if http.NewCrossOriginProtection().Check(r) != nil {
		return "", &wrongOrigin
	}
	return "", nil
}

// answerOrigin lets a page on the list read the answer, and answers what its
// browser asks beforehand; then it returns true. Credentials that browsers add by
// themselves are never allowed: such a page has to be given the token.
func (g *guard) answerOrigin(w http.ResponseWriter, r *http.Request, origin string) (answered bool) {
	header := w.Header()
	header.Add("Vary", "Origin")
	header.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions {
		header.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	header.Set("Access-Control-Allow-Methods", corsMethods)
	header.Set("Access-Control-Allow-Headers", corsHeaders)
	header.Set("Access-Control-Max-Age", corsSeconds)
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// fromPage asks of requests with a cookie, which browsers add by themselves,
// that the own page sent them, or the user: pages of other ports of this machine
// count as the same site, so SameSite does not hold them off.
func (g *guard) fromPage(r *http.Request) *refusal {
	site, safe := r.Header.Get("Sec-Fetch-Site"), r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case site != "" && site != "same-origin" && (site != "none" || !safe):
		return &wrongOrigin
	case site == "" && !safe && r.Header.Get("Origin") == "":
		return &wrongOrigin // every browser says one of both
	case slices.Contains([]string{"iframe", "frame", "embed", "object"}, strings.ToLower(r.Header.Get("Sec-Fetch-Dest"))):
		return &wrongOrigin
	}
	return nil
}
