package enginetest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Owner is the account of all devices of this package, and Contact the other side of what a [Counter] writes.
const (
	Owner   = "alice.eth"
	Contact = "bob.eth"
)

// Counter is an engine with a cache of its own that writes messages which are numbers, so that it is easily told what is
// missing. It is not safe for concurrent use.
type Counter struct {
	*engine.Engine
	t testing.TB
}

// NewCounter opens one, which ends with the test; inline is how many bytes of messages travel in heads, 0 the engine's own
// rule. All of them on one place are devices of one account. A failure ends the test.
func NewCounter(t testing.TB, store providers.Store, inline int64) *Counter {
	t.Helper()
	kept, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New([32]byte{1, 2, 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := engine.Open(t.Context(), engine.Options{
		Account: Owner, Root: container.RootKey("test"), Sealer: sealer, Store: store, Cache: kept, ChunkLimit: 4000, Inline: inline, Grace: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Counter{opened, t}
}

// number is the n-th message to the contact.
func number(t testing.TB, n int) engine.Item {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	inner := fmt.Sprintf(`{"message":"message %d","metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"}`, n, Owner, n, Contact)
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(inner+"}")))
	whole, err := json.Marshal(map[string]any{"message": json.RawMessage(inner + fmt.Sprintf(`,"signature":%q}`, signature))})
	if err != nil {
		t.Fatal(err)
	}
	envelope, _, err := container.ParseEnvelope(whole)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Item{Contact: Contact, Envelope: envelope}
}

// Write appends the messages from first on, as many as count says.
func (d *Counter) Write(first, count int) {
	d.t.Helper()
	var items []engine.Item
	for n := first; n < first+count; n++ {
		items = append(items, number(d.t, n))
	}
	if err := d.Append(d.t.Context(), items...); err != nil {
		d.t.Error(err)
	}
}

// Try makes a pass; what may be tried again later is no failure of the test, and returned.
func (d *Counter) Try(work engine.Work) error {
	d.t.Helper()
	_, err := d.Pass(d.t.Context(), work)
	if err != nil && !providers.Retriable(err) {
		d.t.Error(err)
	}
	return err
}

// Holds wants messages 1 to count, in order; what names the device where one is missing.
func (d *Counter) Holds(what string, count int) {
	d.t.Helper()
	page, err := d.Messages(d.t.Context(), Contact, engine.Range{})
	if err != nil {
		d.t.Fatalf("%s: %v", what, err)
	}
	var numbers, want []int64
	for _, message := range page.Messages {
		numbers = append(numbers, message.Timestamp)
	}
	for n := range count {
		want = append(want, int64(n+1))
	}
	if !slices.Equal(numbers, want) {
		d.t.Errorf("%s: has %d messages, want %d", what, len(numbers), count)
	}
	if page.Provisional {
		d.t.Errorf("%s: the page is provisional: %v", what, page.Reasons)
	}
}

// Settle gives devices passes until they have seen all messages, and then some more, which must not change that. It gives up
// after a while; Holds says what is missing then.
func Settle(t *testing.T, devices []*Counter, all int) {
	t.Helper()
	more := 3
	for round := 0; round < 12 && more > 0; round++ {
		whole := true
		for _, d := range devices {
			if err := d.Try(engine.Work{Settle: true, Scrub: true}); err != nil {
				whole = false
				t.Log(err)
			}
		}
		for _, d := range devices {
			page, err := d.Messages(t.Context(), Contact, engine.Range{})
			whole = whole && err == nil && len(page.Messages) == all && !page.Provisional
		}
		if whole {
			more--
		}
	}
}
