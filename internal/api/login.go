package api

import (
	"context"
	"time"
)

// The states of a login, as [LoginStatus] has them.
const (
	LoginNone    = "none"    // none is under way, and none ended lately
	LoginWaiting = "waiting" // for the browser's answer
	LoginDone    = "done"
	LoginFailed  = "failed"
)

// LoginStatus says how far a login to an account's place is. It holds no secret: Address is
// worth nothing without the process that waits.
type LoginStatus struct {
	Account string `json:"account"`
	Mirror  string `json:"mirror,omitempty"` // empty: the account's own place
	State   string `json:"state"`            // one of the states above
	// Address is what a browser opens, and Redirect how the address begins that it ends at: a
	// browser on another machine can't show that page, and its address is pasted instead.
	Address  string `json:"address,omitempty"`
	Redirect string `json:"redirect,omitempty"`
	// Text is a sentence about how it ended.
	Text string `json:"text,omitempty"`
	// Until is when the wait ends; zero where none is.
	Until time.Time `json:"until,omitzero"`
}

// LoginStarter is a [Backend] that can log accounts in to their places. An account is named as
// for [Backend.Account], and need not be open; a mirror by its name, empty for the account's own
// place. Errors: ErrNoAccount, and ErrRequest for a place that takes no login.
type LoginStarter interface {
	// StartLogin begins a login and returns while it waits for the browser; one that waits
	// already for the same place is given up. It goes on when ctx ends.
	StartLogin(ctx context.Context, account, mirror string) (LoginStatus, error)
	// Login says how far the last one is.
	Login(ctx context.Context, account, mirror string) (LoginStatus, error)
	// AnswerLogin takes the address that the browser ended at. ErrRequest: it is another one, or
	// no login waits.
	AnswerLogin(ctx context.Context, account, mirror, address string) error
	// StopLogin gives the login up that waits, if one does.
	StopLogin(ctx context.Context, account, mirror string) error
}
