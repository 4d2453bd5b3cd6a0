package dm3api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
)

func newClient(t *testing.T, server *nodetest.Server, account nodetest.Account) *dm3api.Client {
	t.Helper()
	client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: server.URL, Account: account.Name, Sign: account.Sign, Normalise: identity.Normalize})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func records(prefix string, from, to int) (all []dm3api.Record) {
	for i := from; i < to; i++ {
		all = append(all, dm3api.Record{CreatedAt: int64(1000 + i), MessageID: fmt.Sprint(prefix, i), Container: fmt.Sprint("text ", i)})
	}
	return all
}

// read collects the containers of a conversation.
func read(t *testing.T, client *dm3api.Client, contact string, page int) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for message, err := range client.Messages(t.Context(), contact, page) {
		if err != nil {
			t.Fatal(err)
		}
		found[message.ID] = message.Container
	}
	return found
}

// TestRecords: what the client writes it reads, by the habits of the stock server.
func TestRecords(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	client, ctx := newClient(t, server, account), t.Context()
	const contact = "eyJhIjoi/+ü ?#=="
	for _, record := range records("m", 0, 3) {
		if err := client.AddMessage(ctx, contact, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.AddMessage(ctx, contact, records("m", 2, 3)[0]); !errors.Is(err, dm3api.ErrNotAdded) {
		t.Error("a double:", err)
	}
	if err := client.AddMessage(ctx, contact, dm3api.Record{MessageID: "x", CreatedAt: 9e15}); !errors.Is(err, dm3api.ErrNotAdded) {
		t.Error("no date:", err)
	}
	if err := client.AddMessageBatch(ctx, contact, append(records("n", 0, 5), records("m", 0, 1)...)); err != nil {
		t.Error("a dropped batch is answered as stored:", err)
	}
	if got := read(t, client, contact, 2); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
	if err := client.AddMessageBatch(ctx, contact, append(records("n", 0, 5), dm3api.Record{MessageID: "n0", Container: "second"})); err != nil {
		t.Error(err)
	}
	edited := append(records("m", 0, 2), records("e", 0, 2)...)
	for i := range edited {
		edited[i].Container = "edited"
	}
	if err := client.EditMessageBatch(ctx, contact, edited); err != nil {
		t.Error(err)
	}
	got := read(t, client, contact, 3)
	for id, want := range map[string]string{"m0": "edited", "m2": "text 2", "n0": "text 0", "n4": "text 4", "e1": "edited"} {
		if got[dm3api.StoredID(account.Name, id)] != want {
			t.Errorf("%s: %q", id, got[dm3api.StoredID(account.Name, id)])
		}
	}
	number, err := client.NumberOfMessages(ctx, contact)
	if err != nil || number != 10 || len(got) != 10 {
		t.Errorf("%d counted, %d read, %v", number, len(got), err)
	}
	page, err := client.MessagesPage(ctx, contact, dm3api.Page{Size: 4, Offset: 1})
	if err != nil || len(page) != 4 || page[0].Contact != contact || page[0].OwnerID != account.Name {
		t.Errorf("%+v %v", page, err)
	}
}

// TestShiftingPages: records that come while a conversation is read are no reason to miss others, or to see some twice.
func TestShiftingPages(t *testing.T) {
	server := nodetest.New(t)
	client, ctx := newClient(t, server, server.Account(1)), t.Context()
	if err := client.AddMessageBatch(ctx, "c", records("m", 0, 40)); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for message, err := range client.Messages(ctx, "c", 7) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[message.ID] {
			t.Error("twice")
		}
		seen[message.ID] = true
		if n := len(seen); n < 30 && n%3 == 0 { // some before, some behind the reader
			if err := client.AddMessageBatch(ctx, "c", append(records("late", 1000+n, 1001+n), records("early", n-900, n-899)...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if number, err := client.NumberOfMessages(ctx, "c"); err != nil || number != len(seen) || number != 58 {
		t.Errorf("%d seen of %d, %v", len(seen), number, err)
	}
}

func TestConversations(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	client, ctx := newClient(t, server, account), t.Context()
	for i := range 7 {
		if err := client.AddConversation(ctx, fmt.Sprint("c", i), "where"); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ToggleHideConversation(ctx, "c3", true); err != nil {
		t.Error(err)
	}
	if err := client.ToggleHideConversation(ctx, "nobody", true); err != nil {
		t.Error("an unknown one is no error:", err)
	}
	if err := client.AddMessage(ctx, "c5", records("m", 0, 1)[0]); err != nil {
		t.Error(err)
	}
	names := make(map[string]dm3api.Conversation)
	for one, err := range client.Conversations(ctx, 2) {
		if err != nil {
			t.Fatal(err)
		}
		names[one.Contact] = one
	}
	_, hidden := names["c3"]
	if len(names) != 6 || hidden || names["c5"].PreviewMessage == nil || *names["c5"].PreviewMessage != "text 0" || names["c1"].PreviewMessage != nil || names["c1"].ProfileLocation != "where" {
		t.Errorf("%+v", names)
	}
	if number, err := client.NumberOfConversations(ctx); err != nil || number != 7 {
		t.Error(number, err)
	}
}

func TestHalted(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	client, ctx := newClient(t, server, account), t.Context()
	if err := client.AddMessage(ctx, "old", dm3api.Record{CreatedAt: 5, MessageID: "h", Container: "x", IsHalted: true}); err != nil {
		t.Fatal(err)
	}
	halted, err := client.HaltedMessages(ctx)
	if err != nil || len(halted) != 1 || halted[0].MessageID != dm3api.StoredID(account.Name, "h") || halted[0].CreatedAt.UnixMilli() != 5 {
		t.Fatalf("%+v %v", halted, err)
	}
	if err := client.ClearHaltedMessage(ctx, "h", "new"); !errors.Is(err, dm3api.ErrNotAdded) {
		t.Error("the client's identifier:", err)
	}
	if err := client.ClearHaltedMessage(ctx, halted[0].MessageID, "new"); err != nil {
		t.Error(err)
	}
	if got := read(t, client, "new", 10); len(got) != 1 {
		t.Error(got)
	}
}

// TestLogins: one login at a time, a new one when the session has ended, and none that would sign anything else.
func TestLogins(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	client := newClient(t, server, account)
	ask := func() {
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				if _, err := client.NumberOfConversations(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	ask()
	if got := server.Logins(account.Name); got != 1 {
		t.Errorf("%d logins", got)
	}
	server.EndSessions()
	ask()
	if got := server.Logins(account.Name); got != 2 {
		t.Errorf("%d logins", got)
	}
	server.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
	ask()
	if got := server.Logins(account.Name); got != 3 {
		t.Errorf("%d logins", got)
	}
	server.FailRoute("getNumberOfConversations", nodetest.Refuse)
	ask()
	if got := server.Logins(account.Name); got != 4 {
		t.Errorf("%d logins", got)
	}
	stranger := nodetest.Account{Name: account.Name, Profile: identity.FromStorageKey([32]byte{9})}
	if _, err := newClient(t, server, stranger).NumberOfConversations(t.Context()); !errors.Is(err, dm3api.ErrLogin) {
		t.Error("another key:", err)
	}
	stranger.Name = "bob.eth"
	if _, err := newClient(t, server, stranger).NumberOfConversations(t.Context()); !errors.Is(err, dm3api.ErrInside) {
		t.Error("an unknown account is answered as a failure:", err)
	}
}

// TestStrangeChallenges: a node that asks for other signatures gets none.
func TestStrangeChallenges(t *testing.T) {
	account := nodetest.New(t).Account(1)
	for _, challenge := range []string{`"` + account.Name + `"`, `""`, `"a.b.c"`, `{}`, `null`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				t.Errorf("%s: something was signed", challenge)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, challenge)
		}))
		client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: server.URL, Account: account.Name, Sign: func(context.Context, string) (string, error) {
			t.Errorf("%s is signed", challenge)
			return "", nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.NumberOfConversations(t.Context()); !errors.Is(err, dm3api.ErrLogin) && !errors.Is(err, dm3api.ErrNotNode) {
			t.Errorf("%s: %v", challenge, err)
		}
		server.Close()
	}
}

// TestAnswers: failures are told from absence, and strangers from nodes.
func TestAnswers(t *testing.T) {
	server := nodetest.New(t)
	account := server.Account(1)
	client, ctx := newClient(t, server, account), t.Context()
	for failure, want := range map[nodetest.Failure]error{nodetest.Before: dm3api.ErrInside, nodetest.After: dm3api.ErrInside, nodetest.Cut: io.EOF} {
		server.FailRoute("addConversation", failure)
		if err := client.AddConversation(ctx, "c", ""); !errors.Is(err, want) {
			t.Errorf("%v: %v", failure, err)
		}
	}
	server.FailRoute("getMessages", nodetest.Before)
	if messages, err := client.MessagesPage(ctx, "nobody", dm3api.Page{Size: 5}); !errors.Is(err, dm3api.ErrInside) || messages != nil {
		t.Error("a failure is no absence:", err)
	}
	if messages, err := client.MessagesPage(ctx, "nobody", dm3api.Page{Size: 5}); err != nil || len(messages) > 0 {
		t.Errorf("no conversation: %v %v", messages, err)
	}
	if _, err := client.MessagesPage(ctx, "nobody", dm3api.Page{Size: -5}); !strings.Contains(fmt.Sprint(err), "invalid schema") {
		t.Error(err)
	}
	if _, err := client.Profile(ctx, "nobody.eth"); !errors.Is(err, dm3api.ErrNoProfile) {
		t.Error(err)
	}
	server.FailRoute("profile", nodetest.Before)
	if _, err := client.Profile(ctx, account.Name); !errors.Is(err, dm3api.ErrInside) {
		t.Error("a failure is no absence:", err)
	}
	if profile, err := client.Profile(ctx, account.Name); err != nil || !strings.Contains(string(profile.Profile), "publicSigningKey") {
		t.Error(err)
	}
	if _, err := client.Profile(ctx, "😀.eth"); !errors.Is(err, dm3api.ErrName) {
		t.Error("a name that would end the node:", err)
	}
	if err := client.AddMessage(ctx, "c", dm3api.Record{MessageID: "x", Container: strings.Repeat("x", dm3api.StockBody)}); !errors.Is(err, dm3api.ErrInside) {
		t.Error("too long:", err)
	}
}

func TestPortal(t *testing.T) {
	account := nodetest.New(t).Account(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>please log in</html>")
	}))
	defer server.Close()
	client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: server.URL, Account: account.Name, Sign: account.Sign})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.AddConversation(t.Context(), "c", ""); !errors.Is(err, dm3api.ErrNotNode) {
		t.Error(err)
	}
}

func TestClientOptions(t *testing.T) {
	sign := func(context.Context, string) (string, error) { return "", nil }
	for name, o := range map[string]*dm3api.ClientOptions{
		"nothing":    nil,
		"no address": {Account: "a.eth", Sign: sign},
		"a user":     {URL: "https://u:hunter2@h", Account: "a.eth", Sign: sign},
		"no key":     {URL: "https://h", Account: "a.eth"},
		"no name":    {URL: "https://h", Sign: sign},
		"a bad name": {URL: "https://h", Account: "A.eth", Sign: sign},
	} {
		if client, err := dm3api.NewClient(o); client != nil || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyElements: a hostile node can't turn an answer of a few letters an element into any amount of memory.
func TestManyElements(t *testing.T) {
	node := nodetest.New(t)
	account := node.Account(1)
	address, err := url.Parse(node.URL)
	if err != nil {
		t.Fatal(err)
	}
	logins, answer := httputil.NewSingleHostReverseProxy(address), ""
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/auth/") {
			logins.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	defer hostile.Close()
	client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: hostile.URL, Account: account.Name, Sign: account.Sign, Normalise: identity.Normalize})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		element string
		call    func() (int, error)
	}{
		"waiting": {`{}`, func() (int, error) { found, err := client.Incoming(t.Context()); return len(found), err }},
		"halted":  {`{}`, func() (int, error) { found, err := client.HaltedMessages(t.Context()); return len(found), err }},
		"conversations": {`{}`, func() (int, error) {
			found, err := client.ConversationsPage(t.Context(), dm3api.Page{Size: 1})
			return len(found), err
		}},
		"messages": {`""`, func() (int, error) {
			found, err := client.MessagesPage(t.Context(), "c", dm3api.Page{Size: 1})
			return len(found), err
		}},
	} {
		answer = "[" + strings.Repeat(c.element+",", 1<<18) + c.element + "]"
		if n, err := c.call(); !errors.Is(err, dm3api.ErrTooLong) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		answer = "null"
		if n, err := c.call(); err != nil || n != 0 {
			t.Errorf("%s, none: %d, %v", name, n, err)
		}
	}
}
