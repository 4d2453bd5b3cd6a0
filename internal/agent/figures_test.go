package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/history"
)

// TestOneFigure: the status, the lists of programs and of people, and the overview count the same conversations: neither
// hidden ones, nor what apps noted, nor one whose messages are all deleted.
func TestOneFigure(t *testing.T) {
	d := newDevice(t, "alice.eth")
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	for i, contact := range []string{"bob.eth", "carol.eth", "dave.eth", "erin.eth", bridge.NotesContact} {
		if _, err := client.Append(t.Context(), "alice.eth", contact, strings.NewReader(messageTo(contact, int64(i)))); err != nil {
			t.Fatal(err)
		}
	}
	for _, contact := range []string{"carol.eth", bridge.NotesContact} {
		if err := client.Hide(t.Context(), "alice.eth", contact, true); err != nil {
			t.Fatal(err)
		}
	}
	d.sameFigure(t, client, 3, 1)
	if err := client.Hide(t.Context(), "alice.eth", bridge.NotesContact, false); err != nil {
		t.Fatal(err)
	}
	d.sameFigure(t, client, 3, 1)
	until(t, client, "alice.eth", isPushed)
	for left, contact := range []string{"dave.eth", "erin.eth"} {
		if deleted, err := client.Delete(t.Context(), "alice.eth", history.Selection{Contact: contact, All: true}); err != nil || deleted.Messages != 1 {
			t.Fatalf("%+v, %v", deleted, err)
		}
		d.sameFigure(t, client, 2-left, 1)
	}
	until(t, client, "alice.eth", isPushed)
	d.sameFigure(t, client, 1, 1)
	_ = client.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// messageTo is a message of Alice's, as a line to append.
func messageTo(contact string, timestamp int64) string {
	return fmt.Sprintf(`{"message":{"message":"hello","metadata":{"from":"alice.eth","timestamp":%d,"to":%q,"type":"NEW"},"signature":"%s=="}}`,
		1700000000000+timestamp, contact, strings.Repeat("A", 86))
}

// sameFigure looks everywhere for how many conversations are shown, and how many are hidden.
func (d *device) sameFigure(t *testing.T, client *Client, shown, hidden int) {
	t.Helper()
	status, err := client.Account("alice.eth").Status(t.Context())
	if err != nil || status.Conversations != shown || status.HiddenConversations != hidden {
		t.Errorf("the status counts %d, and %d hidden, want %d and %d: %v", status.Conversations, status.HiddenConversations, shown, hidden, err)
	}
	var list struct{ Total int }
	for kind, want := range map[string]int{"leave-out": shown, "only": hidden} {
		text := d.read(t, "/v1/accounts/-/conversations?hidden="+kind)
		if err := json.Unmarshal([]byte(text), &list); err != nil || list.Total != want {
			t.Errorf("programs are told of %d conversations with hidden=%s, want %d: %v", list.Total, kind, want, err)
		}
	}
	if text := d.read(t, "/"); !strings.Contains(text, fmt.Sprintf(`">%d</a></dd>`, shown)) {
		t.Errorf("the overview does not count %d conversations", shown)
	}
	for path, want := range map[string]int{"/conversations": shown, "/conversations?hidden=1": hidden} {
		if n := strings.Count(d.read(t, path), `class="talk-count"`); n != want {
			t.Errorf("%s lists %d conversations, want %d", path, n, want)
		}
	}
}

// read asks the agent for a page or a document.
func (d *device) read(t *testing.T, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.config.Socket)
	}}}
	response, err := client.Get("http://agent" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return string(text)
}
