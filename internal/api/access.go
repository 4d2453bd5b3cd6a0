package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Paths that the socket alone has: who reaches it is the user, and may let
// browsers and programs in.
const (
	pathLink  = "/v1/access/link"
	pathToken = "/v1/access/token"
)

// Link is an address that lets one browser in, once.
type Link struct {
	// URL is the whole address. It is a secret until it was opened.
	URL string `json:"url"`
	// Address is where the interface listens, host and port.
	Address string `json:"address"`
	// Expires is when it stops working.
	Expires time.Time `json:"expires"`
}

// LinkOptions says what kind of link is asked for.
type LinkOptions struct {
	// Numeric is for browsers that look names under localhost up elsewhere: the
	// link has an address in the place of a name.
	Numeric bool `json:"numeric,omitempty"`
	// OwnUser makes the link worthless for other users of the machine, where the
	// system can tell. It is for links that become arguments of a program.
	OwnUser bool `json:"own_user,omitempty"`
}

// Access lets browsers and programs in over loopback.
type Access interface {
	// NewLink makes a link for a browser.
	NewLink(ctx context.Context, o LinkOptions) (Link, error)
	// ReplaceToken makes a new token for programs, ends everything that came in
	// before, and returns it.
	ReplaceToken(ctx context.Context) (string, error)
}

// tokenAnswer is a token as it travels.
type tokenAnswer struct {
	Token string `json:"token"`
}

// AccessHandler answers for a what only the socket may be asked for.
func AccessHandler(a Access) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathLink, func(w http.ResponseWriter, r *http.Request) {
		var o LinkOptions
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			writeError(w, fmt.Errorf("%w: %w", ErrRequest, err))
			return
		}
		link, err := a.NewLink(r.Context(), o)
		answer(w, link, err)
	})
	mux.HandleFunc("POST "+pathToken, func(w http.ResponseWriter, r *http.Request) {
		token, err := a.ReplaceToken(r.Context())
		answer(w, tokenAnswer{token}, err)
	})
	return mux
}

// NewLink asks the agent for a link; see [Access].
func (c *Client) NewLink(ctx context.Context, o LinkOptions) (link Link, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return link, fmt.Errorf("api: writing request: %w", err)
	}
	return link, c.do(ctx, http.MethodPost, pathLink, nil, bytes.NewReader(body), decodeInto(&link))
}

// ReplaceToken asks the agent for a new token; see [Access].
func (c *Client) ReplaceToken(ctx context.Context) (string, error) {
	var result tokenAnswer
	return result.Token, c.do(ctx, http.MethodPost, pathToken, nil, nil, decodeInto(&result))
}
