package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Append says how messages are appended.
type Append struct {
	// Contact is the conversation that they go to; empty: the other side of each one's from and to.
	Contact string
	// Key is a word of your choice, the same when an append is tried again: it is then answered as the first time.
	// 1 to 200 visible ASCII characters; empty: none. Without one a retry is harmless, too.
	Key string
}

// AppendResult says what became of the lines. What was accepted is durable on this device.
type AppendResult struct {
	Accepted   int         `json:"accepted"`
	Rejected   int         `json:"rejected"`
	Rejections []Rejection `json:"rejections"` // the first 100
}

// Rejection is a line that was not taken, and why.
type Rejection struct {
	Line   int    `json:"line"` // from 1
	Reason string `json:"reason"`
}

// Append sends NDJSON, one envelope a line, while lines is read. With an error there can be a result, too, in the
// [ProblemError]; trying again is harmless.
func (c *Client) Append(ctx context.Context, account string, o Append, lines io.Reader) (result AppendResult, err error) {
	path := []string{"accounts", account, "messages"}
	if o.Contact != "" {
		path = []string{"accounts", account, "conversations", o.Contact, "messages"}
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	if o.Key != "" {
		header.Set("Idempotency-Key", o.Key)
	}
	return result, c.ask(ctx, call{method: http.MethodPost, path: path, header: header, body: lines}, nil, &result)
}

// Page says which messages are wanted. The zero value asks for the newest.
type Page struct {
	Before, After string // a cursor
	Around        int64  // a time
	From, To      int64  // only messages from From on and before To; To 0 is no end
	OldestFirst   bool   // without a cursor: begin with the oldest
	Limit         int    // on one page; 0 is 50, at most 1,000
	Local         bool   // only what is on this device
}

// Messages is a page of a conversation, oldest first.
type Messages struct {
	Messages     []json.RawMessage `json:"messages"` // envelopes as they are stored
	Older, Newer string            // cursors that lead on; empty: nothing there now
	Begin, End   string            // cursors at the first and the last message
	Provisional  bool              // something may be missing
	Reasons      []string          // why
}

// Page returns a page of a conversation.
func (c *Client) Page(ctx context.Context, account, contact string, p Page) (page Messages, err error) {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			query.Set(name, value)
		}
	}
	set("before", p.Before)
	set("after", p.After)
	set("around", number(p.Around))
	set("from", number(p.From))
	set("to", number(p.To))
	set("limit", number(int64(p.Limit)))
	if p.OldestFirst {
		query.Set("order", "oldest")
	}
	if p.Local {
		query.Set("local", "true")
	}
	path := []string{"accounts", account, "conversations", contact, "messages"}
	return page, c.ask(ctx, call{method: http.MethodGet, path: path, query: query}, nil, &page)
}

// Messages goes through a conversation, page by page: backwards from the newest or from p.Before, or, with p.OldestFirst
// or p.After, forwards. It ends with the first error.
func (c *Client) Messages(ctx context.Context, account, contact string, p Page) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		forwards := p.OldestFirst || p.After != ""
		for {
			page, err := c.Page(ctx, account, contact, p)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Messages {
				at := i
				if !forwards {
					at = len(page.Messages) - 1 - i
				}
				if !yield(page.Messages[at], nil) {
					return
				}
			}
			p.Around = 0
			if forwards {
				p.After, p.Before = page.Newer, ""
			} else {
				p.Before, p.After = page.Older, ""
			}
			if p.After+p.Before == "" {
				return
			}
		}
	}
}

// Message returns one message by its hash: the envelope as it is stored.
func (c *Client) Message(ctx context.Context, account, contact, hash string) (json.RawMessage, error) {
	var out struct{ Message json.RawMessage }
	path := []string{"accounts", account, "conversations", contact, "messages", hash}
	return out.Message, c.ask(ctx, call{method: http.MethodGet, path: path}, nil, &out)
}

// Deletion says which messages are deleted: those with the Hashes, or, without any, those From up to To, or All.
type Deletion struct {
	Hashes []string `json:"hashes,omitempty"`
	From   int64    `json:"from,omitempty"`
	To     int64    `json:"to,omitempty"`
	All    bool     `json:"all,omitempty"`
	DryRun bool     `json:"dry_run,omitempty"` // count, and change nothing
}

// Deleted says what was deleted, or would be.
type Deleted struct {
	Messages    int      `json:"messages"`
	Unknown     []string `json:"unknown"`     // hashes that no message has: then nothing is deleted
	Provisional bool     `json:"provisional"` // some could not be read, and are not deleted
}

// Delete deletes messages for ever, on all devices.
func (c *Client) Delete(ctx context.Context, account, contact string, d Deletion) (deleted Deleted, err error) {
	path := []string{"accounts", account, "conversations", contact, "deletions"}
	return deleted, c.ask(ctx, call{method: http.MethodPost, path: path}, d, &deleted)
}

// Query says what is searched; only Text must be set.
type Query struct {
	Text    string `json:"text"`
	Contact string `json:"contact,omitempty"`
	From    int64  `json:"from,omitempty"`
	To      int64  `json:"to,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	After   string `json:"after,omitempty"` // Found.More of the page before
}

// Found is a page of what was found.
type Found struct {
	Hits []struct {
		Contact   string `json:"contact"`
		Hash      string `json:"hash"`
		Timestamp int64  `json:"timestamp"`
		Snippet   []struct {
			Text  string `json:"text"`
			Match bool   `json:"match"`
		} `json:"snippet"`
	} `json:"hits"`
	More            string `json:"more"`
	MissingMessages int    `json:"missing_messages"` // that were not searched, about
}

// Search searches what is on this device.
func (c *Client) Search(ctx context.Context, account string, q Query) (found Found, err error) {
	return found, c.ask(ctx, call{method: http.MethodPost, path: []string{"accounts", account, "search"}}, q, &found)
}

// Sync runs a pass now: it uploads what waits and takes what others wrote. progress may be nil.
func (c *Client) Sync(ctx context.Context, account string, progress func(step string, done, total int64)) error {
	return c.work(ctx, []string{"accounts", account, "passes"}, struct{}{}, progress)
}

// Fetch brings a time range of a conversation to this device; to 0 is no end, progress may be nil.
func (c *Client) Fetch(ctx context.Context, account, contact string, from, to int64, progress func(step string, done, total int64)) error {
	in := map[string]int64{"from": from, "to": to}
	return c.work(ctx, []string{"accounts", account, "conversations", contact, "fetch"}, in, progress)
}

// work reads the lines of long work: progress, and one that ends it.
func (c *Client) work(ctx context.Context, path []string, in any, progress func(step string, done, total int64)) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("client: writing the request: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	response, err := c.open(ctx, call{method: http.MethodPost, path: path, header: header, body: bytes.NewReader(body)})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for decoder := json.NewDecoder(response.Body); ; {
		var line struct {
			Progress *struct {
				Step        string
				Done, Total int64
			}
			Error *ProblemError
		}
		if err := decoder.Decode(&line); err != nil {
			return fmt.Errorf("client: the agent's answer broke off: %w", err)
		}
		switch {
		case line.Progress == nil && line.Error != nil:
			return line.Error
		case line.Progress == nil:
			return nil
		case progress != nil:
			progress(line.Progress.Step, line.Progress.Done, line.Progress.Total)
		}
	}
}
