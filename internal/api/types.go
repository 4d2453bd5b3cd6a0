// Package api is the local interface of a running agent: HTTP/1.1 with JSON
// over a unix socket in the data folder, its server and its client.
//
// Import order: above internal/history and sync/engine; below internal/agent
// and cmd.
package api

import (
	"context"
	"io"
	"time"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// SocketName is the socket's file name inside the data folder.
const SocketName = "agent.sock"

// Account is one account, in this process or behind a socket. All methods are
// safe for concurrent use, and honour their context.
type Account interface {
	// Append takes NDJSON; see [history.History.Append].
	Append(ctx context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error)
	// Status never waits for the provider.
	Status(ctx context.Context) (AccountStatus, error)
	// Sync runs one pass; progress may be nil.
	Sync(ctx context.Context, w engine.Work, progress func(engine.Progress)) (engine.Report, error)
	// Delete deletes messages for ever; see [history.History.Delete].
	Delete(ctx context.Context, s history.Selection) (history.Deletion, error)
	// Hide hides a conversation on all devices (true), or shows it again.
	Hide(ctx context.Context, contact string, hidden bool) error
	// Conversations lists what is known locally.
	Conversations(ctx context.Context) ([]engine.Conversation, error)
	// Messages returns a range of one conversation.
	Messages(ctx context.Context, contact string, r engine.Range) (engine.Page, error)
	// Verify checks what is at the provider, as o says; progress may be nil.
	Verify(ctx context.Context, o engine.VerifyOptions, progress func(engine.Progress)) (engine.Verification, error)
	// Forget starts anew with the provider; see [engine.Engine.Forget].
	Forget(ctx context.Context) error
	// Pause stops (true) or resumes (false) passes that nobody asked for.
	Pause(ctx context.Context, paused bool) error
}

// Backend is what the server serves.
type Backend interface {
	// Account finds an account by name or alias; the empty name is the only
	// account. An unknown name is ErrNoAccount, an account that is not open yet
	// ErrNotReady with the reason.
	Account(name string) (Account, error)
	// Status tells about all accounts and never waits.
	Status() Status
}

// Status is the agent's state and that of each of its accounts.
type Status struct {
	Version  string          `json:"version,omitempty"`
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started,omitzero"`
	Accounts []AccountStatus `json:"accounts"`
}

// AccountStatus is the engine's status with what only the agent knows.
type AccountStatus struct {
	engine.Status
	// Name is the account's normalised name, also while it is not open.
	Name string `json:"name"`
	// Open is false until keys and cache are available; Reason says why not.
	Open   bool   `json:"open"`
	Reason string `json:"reason,omitempty"`
	// Provider is the provider's kind.
	Provider string `json:"provider"`
	// Paused says that passes run only when asked for.
	Paused bool `json:"paused,omitempty"`
	// Stuck says that something waits for the provider and that no pass has
	// succeeded, or moved anything, for a while; Since says since when.
	Stuck bool      `json:"stuck,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// NextPass is when the next pass is due.
	NextPass time.Time `json:"next_pass,omitzero"`
	// SpoolError is why the last look at the spool failed; SpoolRejected counts
	// rejected lines since the start.
	SpoolError    string `json:"spool_error,omitempty"`
	SpoolRejected int    `json:"spool_rejected,omitempty"`
	// Traffic counts requests and bytes since the account was opened.
	Traffic providers.Counts `json:"traffic"`
}
