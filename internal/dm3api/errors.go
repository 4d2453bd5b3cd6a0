package dm3api

import (
	"errors"
	"fmt"
	"net/http"
)

// Sentinel errors of the client.
var (
	// ErrInside says that the server failed inside: stock servers answer that as 404 with a web page, so that a 404 of the
	// storage service never means absence. The same call may succeed later, and what it did is unknown.
	ErrInside = errors.New("dm3api: the node failed inside")
	// ErrNotAdded is AddMessage's answer for an identifier that is there already, or a time that is no date.
	ErrNotAdded = errors.New("dm3api: the node did not add the message")
	// ErrNoProfile says that nobody published a profile under a name.
	ErrNoProfile = errors.New("dm3api: no profile under this name")
	// ErrLogin says that a node gives no challenge, or no session for its signature.
	ErrLogin = errors.New("dm3api: the node refuses the login")
	// ErrNotNode is for answers that no dm3 node gives, such as login pages of networks and proxies.
	ErrNotNode = errors.New("dm3api: the answer is not a dm3 node's: a wrong url, or a login page of the network")
	// ErrTooLong says that an answer is longer than the client takes.
	ErrTooLong = errors.New("dm3api: the answer is longer than it may be")
)

// StatusError is an answer that means failure. Which sentinel it matches stands there.
type StatusError struct {
	Route  string      // such as "getMessages"
	Status int         // as answered
	Header http.Header // as answered
	Reason string      // the server's word, where it is short and plain
	kind   error
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: the node answers %d %s", e.Route, e.Status, http.StatusText(e.Status))
	if e.Reason != "" {
		text += fmt.Sprintf(" (%q)", e.Reason)
	}
	if e.kind != nil {
		text += ": " + e.kind.Error()
	}
	return text
}

// Unwrap returns the sentinel, nil where none fits.
func (e *StatusError) Unwrap() error { return e.kind }
