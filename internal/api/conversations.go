package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	pathConversations = "/v1/accounts/{account}/conversations"
	pathConversation  = pathConversations + "/{contact}"

	maxConversations = 1000 // on one page
)

// Orders of conversations.
const (
	orderName   = "name"
	orderRecent = "recent"
)

// addConversations adds the lists and the single conversation.
func (s *service) addConversations() {
	add(s, operation{
		id: "list-conversations", method: http.MethodGet, path: pathConversations, tag: "conversations",
		summary: "Conversations, page by page",
		about: "What this device knows: no place is asked. In the order of names, a conversation that is there all the time is listed\n" +
			"exactly once, whatever arrives between two pages. With order=recent, one that gets a message meanwhile moves to the\n" +
			"front, and is told by the events.",
		limits: map[string]any{"page": maxConversations},
	}, s.listConversations)
	add(s, operation{
		id: "conversation", method: http.MethodGet, path: pathConversation, tag: "conversations", summary: "One conversation",
		about: "What this device knows of it: no place is asked.", problems: []string{"name", "no-conversation"},
	}, s.oneConversation)
	add(s, operation{
		id: "change-conversation", method: http.MethodPatch, path: pathConversation, tag: "conversations",
		summary:  "Hide a conversation, or show it again",
		about:    "It is durable here when it is answered, and reaches all devices. Nothing is deleted.",
		problems: []string{"name", "journal-full", "disk-full", "disk-read-only"},
	}, s.changeConversation)
}

type conversationsInput struct {
	AccountPath
	Filter string `query:"filter" maxLength:"1024" doc:"Only contacts whose name has this in it; case doesn't count"`
	Hidden string `query:"hidden" enum:"leave-out,include,only" default:"leave-out" doc:"What becomes of hidden conversations"`
	Order  string `query:"order" enum:"name,recent" default:"name" doc:"name: by contact; recent: the one with the newest message first"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The more of the page before, with the same filter and order"`
}

type conversationsOutput struct {
	Body struct {
		Conversations []engine.Conversation `json:"conversations" nullable:"false"`
		More          string                `json:"more,omitempty" doc:"The cursor of the next page; empty at the end"`
		Total         int                   `json:"total" doc:"How many there are on all pages"`
	}
}

type conversationOutput struct{ Body engine.Conversation }

type changeInput struct {
	ConversationPath
	Body struct {
		Hidden bool `json:"hidden" doc:"true hides, false shows again"`
	}
}

func (s *service) listConversations(ctx context.Context, in *conversationsInput) (*conversationsOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	after, err := parsePlaceInList(in.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := account.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	filter := strings.ToLower(in.Filter)
	list := slices.DeleteFunc(ForPeople(all), func(c engine.Conversation) bool {
		return c.Hidden && in.Hidden == "leave-out" || !c.Hidden && in.Hidden == "only" || !strings.Contains(strings.ToLower(c.Contact), filter)
	})
	compare := func(a, b engine.Conversation) int { return cmp.Compare(a.Contact, b.Contact) }
	if in.Order == orderRecent {
		compare = func(a, b engine.Conversation) int {
			return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Contact, b.Contact))
		}
	}
	slices.SortFunc(list, compare)
	out := &conversationsOutput{}
	out.Body.Total = len(list)
	if in.Cursor != "" {
		list = slices.DeleteFunc(list, func(c engine.Conversation) bool { return compare(c, after) <= 0 })
	}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.More = placeInList(list[in.Limit-1])
	}
	out.Body.Conversations = slices.Concat([]engine.Conversation{}, list)
	return out, nil
}

// ForPeople is a new list, never nil, without the conversation in which an account keeps what its apps say of the others:
// nobody wrote that. What goes through all objects (verify, export FILE, mirrors) takes it along.
func ForPeople(list []engine.Conversation) []engine.Conversation {
	return slices.DeleteFunc(append([]engine.Conversation{}, list...), func(c engine.Conversation) bool { return c.Contact == bridge.NotesContact })
}

// placeInList is the cursor behind a conversation, good for both orders.
func placeInList(c engine.Conversation) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.Last, 10) + " " + c.Contact))
}

func parsePlaceInList(cursor string) (at engine.Conversation, err error) {
	if cursor == "" {
		return at, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	last, contact, ok := strings.Cut(string(text), " ")
	if err == nil && ok {
		at.Contact = contact
		if at.Last, err = strconv.ParseInt(last, 10, 64); err == nil {
			return at, nil
		}
	}
	return at, fmt.Errorf("%w: the cursor is none of this list; leave it out to begin anew", ErrRequest)
}

// contactOf is a contact as conversations have it.
func contactOf(name string) (string, error) {
	normal, err := identity.Normalize(name)
	if err != nil || normal == "" {
		return "", fmt.Errorf("reading the contact: %w", history.ErrName)
	}
	return normal, nil
}

func (s *service) oneConversation(ctx context.Context, in *ConversationPath) (*conversationOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	contact, err := contactOf(in.Contact)
	if err != nil {
		return nil, err
	}
	all, err := account.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Contact == contact {
			return &conversationOutput{all[i]}, nil
		}
	}
	return nil, engine.ErrNoConversation
}

func (s *service) changeConversation(ctx context.Context, in *changeInput) (*done, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	return nil, account.Hide(ctx, in.Contact, in.Body.Hidden)
}
