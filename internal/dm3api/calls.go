package dm3api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// storage is a call of the storage service with a session. Further parts of the path are escaped.
func (c *Client) storage(route string, parts ...string) *call {
	path := "/storage/new/" + url.PathEscape(c.options.Account) + "/" + route
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return &call{route: route, path: path, login: true}
}

func (p Page) query() url.Values {
	return url.Values{"pageSize": {strconv.Itoa(p.Size)}, "offset": {strconv.Itoa(p.Offset)}}
}

// AddConversation makes a conversation, visible, or sets the profile location of one that is there: "" clears it. Two
// calls at one time may make two conversations of one name, which share their messages.
func (c *Client) AddConversation(ctx context.Context, contact, profileLocation string) error {
	request := c.storage("addConversation")
	request.body = conversationRequest{Contact: contact, ProfileLocation: profileLocation}
	return c.do(ctx, request)
}

// ConversationsPage returns a page of the visible conversations, those first that changed last.
func (c *Client) ConversationsPage(ctx context.Context, page Page) (conversations []Conversation, err error) {
	request := c.storage("getConversations")
	request.query, request.answer = page.query(), (*list[Conversation])(&conversations)
	return conversations, c.do(ctx, request)
}

// NumberOfConversations counts them, hidden ones too.
func (c *Client) NumberOfConversations(ctx context.Context) (number int, err error) {
	request := c.storage("getNumberOfConversations")
	request.answer = &number
	return number, c.do(ctx, request)
}

// ToggleHideConversation hides a conversation or shows it again. No error says that there is none of the name. Of two
// conversations of one name, one is toggled.
func (c *Client) ToggleHideConversation(ctx context.Context, contact string, hide bool) error {
	request := c.storage("toggleHideConversation")
	request.body = hideRequest{Contact: contact, Hide: hide}
	return c.do(ctx, request)
}

// AddMessage adds a record, and its conversation where it is missing. An identifier that is there already, or a time that
// is no date, is [ErrNotAdded]: so of two calls with one identifier one succeeds.
func (c *Client) AddMessage(ctx context.Context, contact string, record Record) error {
	request := c.storage("addMessage")
	request.body, request.bad, request.refuse = addRequest{Contact: contact, Record: record}, ErrNotAdded, notAdded
	return c.do(ctx, request)
}

// AddMessageBatch adds records, and their conversation. A stock server says yes to everything: when one identifier is
// there already, all of them are dropped. Only reading back tells; EditMessageBatch is exact.
func (c *Client) AddMessageBatch(ctx context.Context, contact string, records []Record) error {
	request := c.storage("addMessageBatch")
	request.body = addBatchRequest{Contact: contact, Records: records}
	return c.do(ctx, request)
}

// EditMessageBatch gives known records another container, and only that, wherever they are, and adds unknown ones with the
// server's time, not halted. The conversation must be there: else many of one name may come of one batch.
func (c *Client) EditMessageBatch(ctx context.Context, contact string, records []Record) error {
	request := c.storage("editMessageBatch")
	request.body = editBatchRequest{Contact: contact, Records: records}
	return c.do(ctx, request)
}

// MessagesPage returns a page of a conversation's records, those first whose time is last. A conversation that is not
// there has none.
func (c *Client) MessagesPage(ctx context.Context, contact string, page Page) ([]Message, error) {
	var texts []string
	request := c.storage("getMessages", contact)
	request.query, request.answer = page.query(), (*list[string])(&texts)
	if err := c.do(ctx, request); err != nil {
		return nil, err
	}
	messages := make([]Message, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &messages[i]); err != nil {
			return nil, fmt.Errorf("dm3api: getMessages: %w: %w", ErrNotNode, err)
		}
	}
	return messages, nil
}

// NumberOfMessages counts a conversation's records: on a stock server those of all accounts that use this name for one.
func (c *Client) NumberOfMessages(ctx context.Context, contact string) (number int, err error) {
	request := c.storage("getNumberOfMessages", contact)
	request.answer = &number
	return number, c.do(ctx, request)
}

// HaltedMessages returns the messages that were not delivered yet.
func (c *Client) HaltedMessages(ctx context.Context) (messages []HaltedMessage, err error) {
	request := c.storage("getHaltedMessages")
	request.answer = (*list[HaltedMessage])(&messages)
	return messages, c.do(ctx, request)
}

// ClearHaltedMessage says that a message, by its [StoredID], was delivered to a contact under the given encrypted name,
// which its conversation takes then. An unknown identifier is [ErrNotAdded].
func (c *Client) ClearHaltedMessage(ctx context.Context, storedID, alias string) error {
	request := c.storage("clearHaltedMessage")
	request.body, request.bad = clearRequest{MessageID: storedID, Alias: alias}, ErrNotAdded
	return c.do(ctx, request)
}

// Profile returns a name's profile, without a session, or [ErrNoProfile]. The name is normalised, see [CheckName]; whether
// the signature is true is the caller's to judge.
func (c *Client) Profile(ctx context.Context, name string) (profile SignedProfile, err error) {
	if err := CheckName(name, c.options.Normalise); err != nil {
		return SignedProfile{}, err
	}
	request := &call{route: "profile", path: "/profile/" + url.PathEscape(name), answer: &profile, absent: ErrNoProfile}
	return profile, c.do(ctx, request)
}

// Register makes the account known to the service. An account that is known already, or a bad signature, is [ErrLogin].
func (c *Client) Register(ctx context.Context, profile SignedProfile) error {
	var token string
	return c.do(ctx, &call{
		route: "profile", path: "/profile/" + url.PathEscape(c.options.Account), body: profile, answer: &token, bad: ErrLogin,
	})
}

// Incoming returns what waits at a delivery service: at most about 100 conversations, and of each the newest 1,000 or so.
// Asking removes nothing.
func (c *Client) Incoming(ctx context.Context) (envelopes []EncryptionEnvelop, err error) {
	request := &call{route: "incoming", path: "/delivery/messages/incoming/" + url.PathEscape(c.options.Account), login: true, answer: (*list[EncryptionEnvelop])(&envelopes)}
	return envelopes, c.do(ctx, request)
}

// Acknowledge tells a delivery service that one copy of each message may go. It also succeeds for messages that are not
// there.
func (c *Client) Acknowledge(ctx context.Context, acknowledgements []Acknowledgement) error {
	return c.do(ctx, &call{
		route: "syncAcknowledgements", path: "/delivery/messages/" + url.PathEscape(c.options.Account) + "/syncAcknowledgements/",
		login: true, answer: ignored{}, body: struct {
			Acknowledgements []Acknowledgement `json:"acknowledgements"`
		}{acknowledgements},
	})
}

// Call calls a delivery service's RPC, without a session, and returns the result as it is.
func (c *Client) Call(ctx context.Context, method string, parameters ...string) (json.RawMessage, error) {
	var answer RPCAnswer
	err := c.do(ctx, &call{
		route: method, path: "/rpc", body: RPCRequest{Version: "2.0", Method: method, Params: parameters}, answer: &answer,
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Error) > 0 {
		return nil, fmt.Errorf("dm3api: %s: the service refuses", method)
	}
	return answer.Result, nil
}
