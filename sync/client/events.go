package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// Kinds of events that the client adds to those of the agent.
const (
	KindReady  = "ready"  // the feed stands, and everything from here on is told
	KindMissed = "missed" // some events were missed: ask for what you show once more
)

// longestEvent bounds one line of the feed in bytes, and longestWait the wait between two attempts.
const (
	longestEvent = 1 << 20
	longestWait  = 30 * time.Second
)

// Event is something that happened.
type Event struct {
	ID      string    `json:"-"`       // for Follow, to go on behind it
	Kind    string    `json:"-"`       // messages, conversation, pass, problem, healed, status, job, ready or missed
	Time    time.Time `json:"time"`    //
	Account string    `json:"account"` //
	Contact string    `json:"contact"` //
	Text    string    `json:"text"`    // a sentence for people
	Count   int       `json:"count"`   // of messages, where known
	Error   string    `json:"error"`   // why it failed
}

// Follow tells what happens in an account, or, with an empty name, in all. It begins behind the event with the id after;
// empty: now. A connection that ends is made again, and nothing is missed without an event of [KindMissed]. It ends when
// ctx does, with its error, or when the agent refuses, as with a wrong token.
func (c *Client) Follow(ctx context.Context, account, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		path := []string{"events"}
		if account != "" {
			path = []string{"accounts", account, "events"}
		}
		wait := c.wait
		for {
			err := c.follow(ctx, path, &after, func(e Event) bool {
				wait = c.wait
				return yield(e, nil)
			})
			if errors.Is(err, errEnough) {
				return
			}
			problem := (*ProblemError)(nil)
			if refused := errors.As(err, &problem) && problem.Status/100 == 4 && problem.Status != http.StatusTooManyRequests; refused || ctx.Err() != nil {
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				yield(Event{}, err)
				return
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			wait = min(2*wait, longestWait)
		}
	}
}

// errEnough says that the caller wants no more events.
var errEnough = errors.New("enough")

// follow reads one connection's events until it ends, and keeps the id of the last one.
func (c *Client) follow(ctx context.Context, path []string, last *string, take func(Event) bool) error {
	o := call{method: http.MethodGet, path: path, header: http.Header{"Accept": {"text/event-stream"}}}
	if *last != "" {
		o.header.Set("Last-Event-ID", *last)
	}
	response, err := c.open(ctx, o)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, longestEvent)
	var event Event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			event.ID = value
		case "event":
			event.Kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &event); err != nil {
				return fmt.Errorf("client: reading an event: %w", err)
			}
		case "":
			if event.Kind != "" {
				*last = event.ID
				if !take(event) {
					return errEnough
				}
			}
			event = Event{}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("client: following the agent: %w", err)
	}
	return fmt.Errorf("client: following the agent: %w", io.ErrUnexpectedEOF)
}
