package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	pathMessages  = pathConversation + "/messages"
	pathMessage   = pathMessages + "/{hash}"
	pathStretches = pathConversation + "/stretches"
	pathFetch     = pathConversation + "/fetch"
)

// readProblems are those of everything that may have to ask a place.
var readProblems = []string{
	"name", "cursor", "no-conversation", "blocked", "login-needed", "unauthorised", "rate-limited", "transient", "not-found",
	"other-key", "damaged", "deadline",
}

// addMessages adds what programs read of a conversation.
func (s *service) addMessages() {
	add(s, operation{
		id: "list-messages", method: http.MethodGet, path: pathMessages, tag: "messages", problems: readProblems,
		summary: "Messages of a conversation: the newest, or next to a cursor, around a date, or in a time range",
		about: "They stand in the order of time. older and newer lead on in both directions; they hold a message's time and hash, so they\n" +
			"stay right while messages arrive on either side, early or late, and mean the same on all devices. Who waits for new\n" +
			"messages asks for what is after end, when an event says so.\n\n" +
			"What is not on this device is fetched, unless local is set: then gaps says what was left out. A page is provisional,\n" +
			"with the reasons, when something may be missing from it.",
		limits: map[string]any{"page": history.MaxLimit},
	}, s.listMessages)
	add(s, operation{
		id: "message", method: http.MethodGet, path: pathMessage, tag: "messages", problems: append([]string{"no-message"}, readProblems...),
		summary: "One message by its hash", about: "It is fetched where it is not on this device.",
	}, s.oneMessage)
	add(s, operation{
		id: "stretches", method: http.MethodGet, path: pathStretches, tag: "messages", problems: []string{"name", "no-conversation"},
		summary: "The time line of a conversation: how much lies where, and what is on this device",
		about:   "Oldest first and without holes. It asks no place.",
	}, s.stretches)
	add(s, operation{
		id: "fetch", method: http.MethodPost, path: pathFetch, tag: "messages", problems: append([]string{"no-room"}, readProblems...),
		summary: "Bring a time range of a conversation to this device",
		about:   "The answer is lines of progress, and then one that ends it. What was fetched before an error stays.",
		answers: s.lines("Progress, then an empty result", schema[nothing](s)),
	}, func(_ context.Context, in *fetchInput) (*streamed, error) {
		return s.work(&in.AccountPath, func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error) {
			body := orEmpty(in.Body)
			return nothing{}, account.Fetch(ctx, in.Contact, body.From, body.To, progress)
		})
	})
}

// nothing is a result without anything in it.
type nothing struct{}

type messagesInput struct {
	ConversationPath
	Before string `query:"before" maxLength:"100" doc:"Messages before this cursor"`
	After  string `query:"after" maxLength:"100" doc:"Messages after this cursor"`
	Around int64  `query:"around" minimum:"0" doc:"Messages around this time; 0 is none"`
	From   int64  `query:"from" minimum:"0" doc:"Only messages from this time on"`
	To     int64  `query:"to" minimum:"0" doc:"Only messages before this time; 0 is no end"`
	Order  string `query:"order" enum:"newest,oldest" default:"newest" doc:"With which side a list without a cursor begins"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many at most"`
	Local  bool   `query:"local" doc:"Only what is on this device: nothing is fetched"`
}

// slicePage is [history.Slice] as it travels.
type slicePage struct {
	Contact     string            `json:"contact"`
	Messages    []json.RawMessage `json:"messages" nullable:"false" doc:"Envelopes as they are stored, oldest first"`
	Older       history.Cursor    `json:"older,omitempty" doc:"For before: what comes before these; empty when there is nothing now"`
	Newer       history.Cursor    `json:"newer,omitempty" doc:"For after: what comes after these; empty when there is nothing now"`
	Begin       history.Cursor    `json:"begin,omitempty" doc:"Stands at the first message"`
	End         history.Cursor    `json:"end,omitempty" doc:"Stands at the last message"`
	Provisional bool              `json:"provisional" doc:"Something may be missing"`
	Reasons     []string          `json:"reasons,omitempty" nullable:"false" doc:"Why"`
	Fetched     int               `json:"fetched" doc:"Objects fetched from the place"`
	Gaps        []engine.Gap      `json:"gaps,omitempty" nullable:"false" doc:"With local: what was left out"`
}

type messagesOutput struct{ Body slicePage }

func (s *service) listMessages(ctx context.Context, in *messagesInput) (*messagesOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	o := history.ReadOptions{
		Before: history.Cursor(in.Before), After: history.Cursor(in.After), Around: in.Around, Limit: in.Limit, Local: in.Local,
	}
	if in.Before == "" && in.After == "" && in.Around == 0 {
		switch {
		case in.Order == "oldest":
			o.After = atTime(in.From)
		case in.To > 0:
			o.Before = atTime(in.To)
		}
	}
	slice, err := account.Read(ctx, in.Contact, o)
	if err != nil {
		return nil, err
	}
	cut(&slice, in.From, in.To)
	page := slicePage{
		Contact: in.Contact, Messages: make([]json.RawMessage, len(slice.Messages)), Older: slice.Older, Newer: slice.Newer, Begin: slice.Begin,
		End: slice.End, Provisional: slice.Provisional, Reasons: slice.Reasons, Fetched: slice.Fetched, Gaps: slice.Gaps,
	}
	for i := range slice.Messages {
		page.Messages[i] = slice.Messages[i].JSON
	}
	return &messagesOutput{page}, nil
}

// atTime is the cursor before all messages of a time.
func atTime(milliseconds int64) history.Cursor {
	return history.CursorOf(&container.Envelope{Timestamp: milliseconds})
}

// cut takes out of a slice what lies outside a time range; there it leads on no further.
func cut(slice *history.Slice, from, to int64) {
	list := slice.Messages
	for len(list) > 0 && list[0].Timestamp < from {
		list, slice.Older = list[1:], ""
	}
	for to > 0 && len(list) > 0 && list[len(list)-1].Timestamp >= to {
		list, slice.Newer = list[:len(list)-1], ""
	}
	if len(list) == len(slice.Messages) {
		return
	}
	slice.Messages, slice.Begin, slice.End = list, "", ""
	if len(list) > 0 {
		slice.Begin, slice.End = history.CursorOf(&list[0]), history.CursorOf(&list[len(list)-1])
	}
}

type messageInput struct {
	ConversationPath
	Hash container.MessageHash `path:"hash" doc:"0x and 64 lowercase hexadecimal digits"`
}

type messageOutput struct {
	Body struct {
		Contact string                `json:"contact"`
		Hash    container.MessageHash `json:"hash"`
		Cursor  history.Cursor        `json:"cursor" doc:"Stands at the message: its neighbours are before and after it"`
		Message json.RawMessage       `json:"message" doc:"The envelope as it is stored"`
	}
}

func (s *service) oneMessage(ctx context.Context, in *messageInput) (*messageOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	found, err := account.Message(ctx, in.Contact, in.Hash)
	if err != nil {
		return nil, err
	}
	out := &messageOutput{}
	out.Body.Contact, out.Body.Hash, out.Body.Cursor, out.Body.Message = in.Contact, found.Hash, history.CursorOf(&found), found.JSON
	return out, nil
}

type stretchesOutput struct {
	Body struct {
		Stretches []engine.Stretch `json:"stretches" nullable:"false"`
	}
}

func (s *service) stretches(ctx context.Context, in *ConversationPath) (*stretchesOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	list, err := account.Stretches(ctx, in.Contact)
	out := &stretchesOutput{}
	out.Body.Stretches = append([]engine.Stretch{}, list...)
	return out, err
}

// fetchRequest is a time range.
type fetchRequest struct {
	From int64 `json:"from,omitempty" minimum:"0" doc:"From this time on, in milliseconds since 1970"`
	To   int64 `json:"to,omitempty" minimum:"0" doc:"Before this time; 0 is no end"`
}

type fetchInput struct {
	ConversationPath
	Body *fetchRequest // may be left out: everything
}

func (r remote) path(path, contact string) (string, error) {
	if contact == "" {
		return "", fmt.Errorf("api: reading the contact: %w", history.ErrName)
	}
	return pathOf(path, r.name, contact), nil
}

func (r remote) Stretches(ctx context.Context, contact string) ([]engine.Stretch, error) {
	path, err := r.path(pathStretches, contact)
	if err != nil {
		return nil, err
	}
	var out stretchesOutput
	return out.Body.Stretches, r.client.get(ctx, path, nil, &out.Body)
}

func (r remote) Fetch(ctx context.Context, contact string, from, to int64, progress func(engine.Progress)) error {
	path, err := r.path(pathFetch, contact)
	if err != nil {
		return err
	}
	return r.client.work(ctx, path, fetchRequest{from, to}, progress, &nothing{})
}

func (r remote) Read(ctx context.Context, contact string, o history.ReadOptions) (slice history.Slice, err error) {
	path, err := r.path(pathMessages, contact)
	if err != nil {
		return slice, err
	}
	query := url.Values{"before": {string(o.Before)}, "after": {string(o.After)}, "local": {strconv.FormatBool(o.Local)}}
	query.Set("around", strconv.FormatInt(o.Around, 10))
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(min(o.Limit, history.MaxLimit)))
	}
	var page slicePage
	if err := r.client.get(ctx, path, query, &page); err != nil {
		return slice, err
	}
	slice = history.Slice{
		Page:  engine.Page{Provisional: page.Provisional, Reasons: page.Reasons, Fetched: page.Fetched, Gaps: page.Gaps},
		Older: page.Older, Newer: page.Newer, Begin: page.Begin, End: page.End,
	}
	slice.Messages = make([]container.Envelope, len(page.Messages))
	for i, text := range page.Messages {
		if slice.Messages[i], _, err = container.ParseEnvelope(text); err != nil {
			return history.Slice{}, fmt.Errorf("api: reading message %d of the page: %w", i, err)
		}
	}
	return slice, nil
}

func (r remote) Message(ctx context.Context, contact string, hash container.MessageHash) (found container.Envelope, err error) {
	path, err := r.path(pathMessages, contact)
	if err != nil {
		return found, err
	}
	var out messageOutput
	if err := r.client.get(ctx, path+"/"+hash.String(), nil, &out.Body); err != nil {
		return found, err
	}
	if found, _, err = container.ParseEnvelope(out.Body.Message); err != nil {
		return found, fmt.Errorf("api: reading a message: %w", err)
	}
	return found, nil
}
