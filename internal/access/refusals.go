package access

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// refusal is an answer of the guard itself.
type refusal struct {
	status int
	word   string // for counts and logs
	title  string
	detail string // what it means, and what to do
	retry  int    // seconds
	close  bool   // the connection is not worth keeping
}

var (
	wrongForm   = refusal{status: http.StatusBadRequest, word: "form", title: "This is no proxy", detail: "The request names a whole address. Send its path alone.", close: true}
	wrongHost   = refusal{status: http.StatusMisdirectedRequest, word: "host", title: "This is not the host that was asked", detail: "The interface answers only as 127.0.0.1, [::1] or localhost, with its own port. Use the address that `dm3sync ui --print` shows.", close: true}
	wrongMethod = refusal{status: http.StatusMethodNotAllowed, word: "method", title: "There is no such method", detail: "The interface has GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.", close: true}
	noUpgrade   = refusal{status: http.StatusBadRequest, word: "upgrade", title: "There is no other protocol here", detail: "The interface speaks HTTP/1.1 and no WebSocket. Events come as a stream of server-sent events.", close: true}
	wrongPath   = refusal{status: http.StatusBadRequest, word: "path", title: "The path is not clean", detail: "It holds a parent folder, a backslash or a control character. Nothing was looked up.", close: true}
	inQuery     = refusal{status: http.StatusBadRequest, word: "query", title: "A token does not belong in an address", detail: "Addresses are kept in histories and logs. Send the header `Authorization: Bearer` with the token; if this was the real one, `dm3sync token --new` makes another."}
	tooLarge    = refusal{status: http.StatusRequestEntityTooLarge, word: "body", title: "The request is too large", detail: "Nothing of it was taken. Send less at once.", close: true}
	wrongOrigin = refusal{status: http.StatusForbidden, word: "origin", title: "This web page may not use dm3sync", detail: "The request came from another page. If you trust that page, list it in interface.origins and give it the token."}
	wrongToken  = refusal{status: http.StatusUnauthorized, word: "wrong-token", title: "The token is wrong", detail: "It may have been replaced. `dm3sync token` prints the one that counts."}

	noCredential = refusal{status: http.StatusUnauthorized, word: "no-credential", title: "You are not in yet", detail: "To open the page, run `dm3sync ui`. Programs send the header `Authorization: Bearer` with the token that `dm3sync token` prints."}
	rateExceeded = refusal{status: http.StatusTooManyRequests, word: "rate", title: "Too many requests", detail: "Wait for a moment and try again."}
	linkRefused  = refusal{status: http.StatusForbidden, word: "link", title: "This link does not work any more", detail: "A link is good once, for two minutes. Run `dm3sync ui` for a new one. If you did not open this one yourself before, somebody else had it: what they opened with it is closed now; run `dm3sync token --new` to close everything."}
	linkForeign  = refusal{status: http.StatusForbidden, word: "link-foreign", title: "This link has to be opened by itself", detail: "It was followed from another page. Copy it into the address line; it is still good."}
	doorMethod   = refusal{status: http.StatusMethodNotAllowed, word: "method", title: "This can't be done here", detail: "A link is opened with GET; a session is left with POST."}
	left         = refusal{status: http.StatusOK, word: "left", title: "You have left", detail: "This browser can't use dm3sync any more. To open the page again, run `dm3sync ui`."}
	failed       = refusal{status: http.StatusInternalServerError, word: "failed", title: "That did not work", detail: "The agent's log says why."}
)

// refuse answers for people or for programs, and returns the word.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, refused refusal) string {
	header := w.Header()
	if refused.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(refused.retry))
	}
	if refused.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="dm3sync"`)
	}
	if refused.close {
		header.Set("Connection", "close")
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		refused.page(w, r, g.rules.Load().Page)
		return refused.word
	}
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(refused.status)
	_ = json.NewEncoder(w).Encode(struct { // a client that left does not want it
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{refused.title, refused.status, refused.detail})
	return refused.word
}
