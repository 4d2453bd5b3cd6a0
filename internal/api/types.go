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

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/limits"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
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
	// Read returns a part of one conversation, by cursors; see [history.History.Read].
	Read(ctx context.Context, contact string, o history.ReadOptions) (history.Slice, error)
	// Message returns one message; see [history.History.Message].
	Message(ctx context.Context, contact string, hash container.MessageHash) (container.Envelope, error)
	// Stretches draws the time line of one conversation and fetches nothing; see
	// [engine.Engine.Stretches].
	Stretches(ctx context.Context, contact string) ([]engine.Stretch, error)
	// Fetch brings a range of one conversation to this device; progress may be nil.
	// See [engine.Engine.Fetch].
	Fetch(ctx context.Context, contact string, from, to int64, progress func(engine.Progress)) error
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
	// Activity is the feed of what happens in all accounts, and of long work.
	Activity() *activity.Log
}

// Status is the agent's state and that of each of its accounts.
type Status struct {
	Version string    `json:"version,omitempty"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started,omitzero"`
	// Limits are the reasons why all accounts do less than they could.
	Limits   []Limit         `json:"limits,omitempty"`
	Accounts []AccountStatus `json:"accounts"`
}

// Limit is one reason why less is done than could be.
type Limit = limits.Cause

// AccountStatus is the engine's status with what only the agent knows.
type AccountStatus struct {
	engine.Status
	// Name is the account's normalised name, also while it is not open.
	Name string `json:"name"`
	// Aliases are further names of the same person.
	Aliases []string `json:"aliases,omitempty"`
	// Open is false until keys and cache are available; Reason says why not.
	Open   bool   `json:"open"`
	Reason string `json:"reason,omitempty"`
	// Provider is the provider's kind, and Place says where it is.
	Provider string `json:"provider"`
	Place    string `json:"place,omitempty"`
	// Space is the place's room, as it told last; nil when it does not tell, or
	// was not asked yet.
	Space *Space `json:"space,omitempty"`
	// Warning is a sentence when the place asks something of the user: its login
	// has ended, is missing, or will end soon, or it can't publish what it was given.
	Warning string `json:"warning,omitempty"`
	// Paused says that passes run only when asked for.
	Paused bool `json:"paused,omitempty"`
	// PausedUntil is when a pause ends by itself; zero: when it is resumed.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// Held says that a limit alone pauses it: it goes on when that ends.
	Held bool `json:"held,omitempty"`
	// Small says that a limit leaves only uploads of what waits.
	Small bool `json:"small,omitempty"`
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
	// Node is the bridge to the account's dm3 node; nil without one.
	Node *NodeStatus `json:"node,omitempty"`
	// Traffic counts requests and bytes since the account was opened.
	Traffic providers.Counts `json:"traffic"`
	// Mirrors are the account's further places.
	Mirrors []mirror.Status `json:"mirrors,omitempty"`
}

// Space is the room of a place, in bytes; -1 is what it does not tell.
type Space struct {
	Used  int64     `json:"used"`
	Left  int64     `json:"left"`
	Asked time.Time `json:"asked,omitzero"`
}
