package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// OnlyAccount names the account of an agent that has only one.
const OnlyAccount = "-"

// Account is the state of one account; see the operation account in internal/docs/interface.md for more than that.
type Account struct {
	Name          string    `json:"name"`
	Open          bool      `json:"open"`             // false: Reason says why
	Reason        string    `json:"reason,omitempty"` //
	State         string    `json:"state"`            // idle, working, blocked or closed
	Pending       int       `json:"pending"`          // messages that are not at the place yet
	Conversations int       `json:"conversations"`    // known here
	LastSuccess   time.Time `json:"last_success"`     // of a pass; zero: none yet
	LastError     string    `json:"last_error"`       // of the last pass
	Obstacle      string    `json:"obstacle"`         // the kind of that, or of Reason: a word as login or unreachable; empty: nothing is in the way
	Warning       string    `json:"warning"`          // what the place asks of the user
	Paused        bool      `json:"paused"`           //
	Stuck         bool      `json:"stuck"`            // something waits, and nothing has moved for a while
}

// Accounts lists the agent's accounts.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	var out struct{ Accounts []Account }
	return out.Accounts, c.ask(ctx, call{method: http.MethodGet, path: []string{"accounts"}}, nil, &out)
}

// Account returns one account by its name or an alias.
func (c *Client) Account(ctx context.Context, name string) (account Account, err error) {
	return account, c.ask(ctx, call{method: http.MethodGet, path: []string{"accounts", name}}, nil, &account)
}

// Conversation describes a conversation. Times are milliseconds since 1970, 0 where unknown.
type Conversation struct {
	Contact  string `json:"contact"`
	Messages int    `json:"messages"` // about
	First    int64  `json:"first"`
	Last     int64  `json:"last"`
	Pending  int    `json:"pending"` // messages that are not at the place yet
	Hidden   bool   `json:"hidden"`
}

// List says which conversations are listed, and how.
type List struct {
	Filter string // only contacts with this in their name
	Hidden bool   // hidden ones, too
	Recent bool   // the one with the newest message first; else by name
}

// Conversations goes through the conversations of an account, page by page. It ends with the first error.
func (c *Client) Conversations(ctx context.Context, account string, l List) iter.Seq2[Conversation, error] {
	return func(yield func(Conversation, error) bool) {
		query := url.Values{"limit": {"200"}, "filter": {l.Filter}, "hidden": {"leave-out"}}
		if l.Hidden {
			query.Set("hidden", "include")
		}
		if l.Recent {
			query.Set("order", "recent")
		}
		for {
			var page struct {
				Conversations []Conversation
				More          string
			}
			err := c.ask(ctx, call{method: http.MethodGet, path: []string{"accounts", account, "conversations"}, query: query}, nil, &page)
			if err != nil {
				yield(Conversation{}, err)
				return
			}
			for i := range page.Conversations {
				if !yield(page.Conversations[i], nil) {
					return
				}
			}
			if page.More == "" {
				return
			}
			query.Set("cursor", page.More)
		}
	}
}

// Hide hides a conversation on all devices (true), or shows it again.
func (c *Client) Hide(ctx context.Context, account, contact string, hidden bool) error {
	path := []string{"accounts", account, "conversations", contact}
	return c.ask(ctx, call{method: http.MethodPatch, path: path}, map[string]bool{"hidden": hidden}, nil)
}

// Pause stops passes that nobody asked for, for a time (0: until resumed), or resumes them.
func (c *Client) Pause(ctx context.Context, account string, paused bool, wait time.Duration) error {
	in := struct {
		Paused  bool  `json:"paused"`
		Seconds int64 `json:"seconds,omitempty"`
	}{paused, int64(wait / time.Second)}
	return c.ask(ctx, call{method: http.MethodPut, path: []string{"accounts", account, "pause"}}, in, nil)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
