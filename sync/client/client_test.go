package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/agent/agenttest"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/client"
)

// start serves a real account over loopback, behind a token as the agent does, and counts the connections' requests.
func start(t *testing.T) (*client.Client, *agenttest.Backend, *httptest.Server) {
	t.Helper()
	b := agenttest.Open(t)
	handler := api.NewHandler(b, api.Options{Heartbeat: 10 * time.Millisecond})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Options{URL: server.URL, Token: "secret", Wait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, b, server
}

func lines(contact string, first, last int) string {
	var text strings.Builder
	for i := first; i <= last; i++ {
		text.WriteString(agenttest.Message(contact, fmt.Sprint("<b>&amp; ", i), int64(1000*i)))
	}
	return text.String()
}

func timestamp(t *testing.T, envelope json.RawMessage) int64 {
	t.Helper()
	var e struct {
		Message struct {
			Metadata struct{ Timestamp int64 }
		}
	}
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	return e.Message.Metadata.Timestamp / 1000
}

func TestMessagesThereAndBack(t *testing.T) {
	c, _, _ := start(t)
	ctx := t.Context()
	result, err := c.Append(ctx, "alice.eth", client.Append{Key: "k1"}, strings.NewReader(lines("bob.eth", 1, 120)+"nonsense\n"))
	if err != nil || result.Accepted != 120 || result.Rejected != 1 || len(result.Rejections) != 1 || result.Rejections[0].Line != 121 {
		t.Fatalf("%+v, %v", result, err)
	}
	var got []int64
	late := false
	for message, err := range c.Messages(ctx, client.OnlyAccount, "bob.eth", client.Page{Limit: 30}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, timestamp(t, message))
		if len(got) == 45 && !late { // new and late ones come while somebody scrolls
			late = true
			if _, err := c.Append(ctx, "alice.eth", client.Append{Contact: "bob.eth"}, strings.NewReader(lines("bob.eth", 121, 125))); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := make([]int64, 0, 120)
	for i := int64(120); i > 0; i-- {
		want = append(want, i)
	}
	if !slices.Equal(got, want) {
		t.Errorf("backwards: %v", got)
	}
	got = nil
	for message, err := range c.Messages(ctx, "alice.eth", "bob.eth", client.Page{OldestFirst: true, From: 50_000, To: 91_000, Limit: 7}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, timestamp(t, message))
	}
	if len(got) != 41 || got[0] != 50 || got[40] != 90 || !slices.IsSorted(got) {
		t.Errorf("a range, forwards: %v", got)
	}
	around, err := c.Page(ctx, "alice.eth", "bob.eth", client.Page{Around: 60_000, Limit: 10})
	if err != nil || len(around.Messages) == 0 || timestamp(t, around.Messages[0]) > 60 || around.Older == "" || around.Newer == "" {
		t.Errorf("around: %d messages, %v", len(around.Messages), err)
	}
	if want := strings.TrimSpace(lines("bob.eth", 125, 125)); true {
		newest, err := c.Page(ctx, "alice.eth", "bob.eth", client.Page{Limit: 1})
		if err != nil || len(newest.Messages) != 1 || string(newest.Messages[0]) != want {
			t.Errorf("%s, %v, want %s", newest.Messages, err, want)
		}
	}
	deleted, err := c.Delete(ctx, "alice.eth", "bob.eth", client.Deletion{To: 11_000, DryRun: true})
	if err != nil || deleted.Messages != 10 {
		t.Errorf("%+v, %v", deleted, err)
	}
}

func TestConversationsAndAccounts(t *testing.T) {
	c, _, _ := start(t)
	ctx := t.Context()
	var all strings.Builder
	for i := range 450 {
		all.WriteString(agenttest.Message(fmt.Sprintf("c%03d.eth", i), "x", int64(1000+i)))
	}
	if _, err := c.Append(ctx, "alice.eth", client.Append{}, strings.NewReader(all.String())); err != nil {
		t.Fatal(err)
	}
	if err := c.Hide(ctx, "alice.eth", "c007.eth", true); err != nil {
		t.Fatal(err)
	}
	count := func(l client.List) (names []string) {
		for conversation, err := range c.Conversations(ctx, "alice.eth", l) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, conversation.Contact)
		}
		return names
	}
	if names := count(client.List{}); len(names) != 449 || !slices.IsSorted(names) {
		t.Errorf("%d conversations", len(names))
	}
	if names := count(client.List{Hidden: true, Recent: true}); len(names) != 450 || names[0] != "c449.eth" || names[449] != "c000.eth" {
		t.Errorf("%d conversations", len(names))
	}
	if names := count(client.List{Filter: "C00", Hidden: true}); len(names) != 10 {
		t.Errorf("%v", names)
	}
	accounts, err := c.Accounts(ctx)
	if err != nil || len(accounts) != 1 || accounts[0].Name != "alice.eth" || !accounts[0].Open || accounts[0].Pending != 451 {
		t.Errorf("%+v, %v", accounts, err)
	}
	var steps []string
	if err := c.Sync(ctx, "alice.eth", func(step string, _, _ int64) { steps = append(steps, step) }); err != nil {
		t.Error(err)
	}
	if account, err := c.Account(ctx, "Alice.eth"); err != nil || account.LastSuccess.IsZero() {
		t.Errorf("%+v, %v", account, err)
	}
	if _, err := c.Account(ctx, "nobody.eth"); !client.IsProblem(err, "no-account") {
		t.Error(err)
	}
	if err := c.Fetch(ctx, "alice.eth", "stranger.eth", 0, 0, nil); !client.IsProblem(err, "no-conversation") {
		t.Error(err)
	}
}

// TestFollow: events come as things happen, connections that break are made again, and nothing is missed in silence.
func TestFollow(t *testing.T) {
	c, b, server := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only so that a failure ends
	defer cancel()
	const events = 30
	var next atomic.Int64
	say := func() {
		b.Activity().Note(activity.Event{Kind: activity.KindStatus, Account: "alice.eth", Text: fmt.Sprint(next.Add(1))})
	}
	seen := 0
	for event, err := range c.Follow(ctx, "alice.eth", "") {
		if err != nil {
			t.Fatal(err)
		}
		switch event.Kind {
		case client.KindReady:
			if seen == 0 {
				b.Activity().Note(activity.Event{Kind: activity.KindStatus, Account: "other.eth", Text: "not for us"})
				say()
			}
		case activity.KindStatus:
			if seen++; event.Text != fmt.Sprint(seen) {
				t.Fatalf("event %q after %d", event.Text, seen-1)
			}
			if seen%10 == 0 {
				server.CloseClientConnections()
				say() // while nobody listens
				continue
			}
			say()
		}
		if seen == events {
			break
		}
	}
	missed := false
	for event, err := range c.Follow(ctx, "", "7") { // of another run
		if err != nil {
			t.Fatal(err)
		}
		if missed = event.Kind == client.KindMissed; missed {
			break
		}
	}
	if !missed {
		t.Error("what was missed was not told")
	}
	cancel()
	for _, err := range c.Follow(ctx, "", "") {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, _, server := start(t)
	guess, err := client.New(client.Options{URL: server.URL, Token: "guess"})
	if err != nil {
		t.Fatal(err)
	}
	problem := (*client.ProblemError)(nil)
	if _, err := guess.Accounts(t.Context()); !errors.As(err, &problem) || problem.Status != http.StatusUnauthorized {
		t.Error(err)
	}
	ended := false
	for _, err := range guess.Follow(t.Context(), "", "") {
		ended = errors.As(err, &problem)
	}
	if !ended {
		t.Error("a feed that is refused goes on")
	}
	for _, o := range []client.Options{
		{},
		{Socket: "/s", URL: "http://127.0.0.1:1"},
		{URL: "http://example.org", Token: "secret"},
		{URL: "http://127.0.0.1.example.org"},
		{URL: "http://user@127.0.0.1"},
		{URL: "https://127.0.0.1:1"},
		{URL: "http://127.0.0.1:1/path"},
		{URL: "127.0.0.1:1"},
	} {
		if _, err := client.New(o); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "client") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("unix", filepath.Join(folder, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.NewHandler(agenttest.Open(t), api.Options{}), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	c, err := client.New(client.Options{Socket: filepath.Join(folder, "s")})
	if err != nil {
		t.Fatal(err)
	}
	if accounts, err := c.Accounts(t.Context()); err != nil || len(accounts) != 1 {
		t.Errorf("%+v, %v", accounts, err)
	}
}
