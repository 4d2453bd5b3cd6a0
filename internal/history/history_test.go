package history

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fakeEngine keeps what it is given, and refuses what it is told to.
type fakeEngine struct {
	mu      sync.Mutex
	limit   int   // bytes of one message; 0 is none
	fail    error // after failAt items
	failAt  int
	calls   int
	largest int // batch
	items   []engine.Item
	page    engine.Page
	asked   string
	removed []container.Tombstone
}

func (f *fakeEngine) Append(ctx context.Context, items ...engine.Item) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.largest = max(f.largest, len(items))
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, item := range items {
		if f.limit > 0 && len(item.Envelope.JSON) > f.limit {
			return fmt.Errorf("engine: %w", engine.ErrTooLarge)
		}
	}
	if f.fail != nil && len(f.items)+len(items) > f.failAt {
		return f.fail
	}
	f.items = append(f.items, items...)
	return nil
}

func (f *fakeEngine) Conversations(context.Context) ([]engine.Conversation, error) {
	return []engine.Conversation{{Contact: "bob.eth"}}, nil
}

func (f *fakeEngine) Messages(_ context.Context, contact string, _ engine.Range) (engine.Page, error) {
	f.asked = contact
	return f.page, nil
}

func (f *fakeEngine) Remove(_ context.Context, contact string, tombstones ...container.Tombstone) error {
	f.asked = contact
	f.removed = append(f.removed, tombstones...)
	return f.fail
}

func (f *fakeEngine) Hide(_ context.Context, contact string, hidden bool) error {
	f.asked = fmt.Sprint(contact, " ", hidden)
	return f.fail
}

func (f *fakeEngine) Read(ctx context.Context, contact string, _ engine.Window) (engine.Page, error) {
	return f.Messages(ctx, contact, engine.Range{})
}

func (f *fakeEngine) Locate(context.Context, string, container.MessageHash) (int64, bool, error) {
	return 0, false, f.fail
}

func (f *fakeEngine) Stretches(_ context.Context, contact string) ([]engine.Stretch, error) {
	f.asked = contact
	return nil, f.fail
}

func (f *fakeEngine) Fetch(_ context.Context, contact string, from, to int64, _ func(engine.Progress)) error {
	f.asked = fmt.Sprint(contact, " ", from, " ", to)
	return f.fail
}

func (f *fakeEngine) Changed() <-chan struct{} { return nil }

func (f *fakeEngine) contacts() []string {
	var list []string
	for _, item := range f.items {
		list = append(list, item.Contact)
	}
	return list
}

var signature = base64.StdEncoding.EncodeToString(make([]byte, 64))

// envelope is the text of one stored message.
func envelope(from, to string, timestamp int, text string) string {
	return fmt.Sprintf(`{"message":{"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}}`,
		text, from, timestamp, to, signature)
}

func lines(list ...string) io.Reader { return strings.NewReader(strings.Join(list, "\n")) }

func TestContacts(t *testing.T) {
	for _, c := range []struct{ name, from, to, contact, want string }{
		{"sent", "alice.eth", "bob.eth", "", "bob.eth"},
		{"received", "bob.eth", "alice.eth", "", "bob.eth"},
		{"received, names normalised", "BOB.eth", "Alice.ETH", "", "bob.eth"},
		{"sent by an alias", "0xab.addr.dm3.eth", "bob.eth", "", "bob.eth"},
		{"to oneself", "alice.eth", "alice.eth", "", "alice.eth"},
		{"to one's alias", "alice.eth", "0xab.addr.dm3.eth", "", "0xab.addr.dm3.eth"},
		{"the contact is given", "x.eth", "y.eth", "Carol.eth", "carol.eth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &fakeEngine{}
			h := New(fake, []string{"alice.eth", "0xab.addr.dm3.eth"})
			summary, err := h.Append(t.Context(), lines(envelope(c.from, c.to, 1, "hi")), AppendOptions{Contact: c.contact})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Summary{Accepted: 1, Conversations: 1}, summary); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{c.want}, fake.contacts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRejections(t *testing.T) {
	good := envelope("alice.eth", "bob.eth", 1, "hi")
	for _, c := range []struct {
		name, line string
		want       error
	}{
		{"no JSON", `{"message":`, container.ErrSyntax},
		{"no object", `[1]`, container.ErrField},
		{"foreign", envelope("x.eth", "y.eth", 1, ""), ErrNotOurs},
		{"a name that cannot be", envelope("alice.eth", "-bob.eth", 1, ""), ErrName},
		{"an empty name", envelope("alice.eth", "", 1, ""), ErrName},
		{"no timestamp", strings.Replace(good, `"timestamp":1,`, "", 1), container.ErrNoTimestamp},
		{"timestamp out of range", strings.Replace(good, `:1,`, ":-1,", 1), container.ErrTimestampRange},
		{"short signature", strings.Replace(good, signature, "AAAA", 1), container.ErrSignature},
		{"too large", envelope("alice.eth", "bob.eth", 1, strings.Repeat("x", 5000)), engine.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &fakeEngine{limit: 4000}
			h := New(fake, []string{"alice.eth"})
			var handed string
			var reason error
			summary, err := h.Append(t.Context(), lines(good, "", c.line, good, "\r", good+"\r"), AppendOptions{
				Rejected: func(line int, text []byte, why error) error {
					if line != 3 {
						t.Errorf("line %d", line)
					}
					handed, reason = string(text), why
					return nil
				},
			})
			if err != nil || summary.Accepted != 3 || summary.Rejected != 1 || len(fake.items) != 3 {
				t.Fatalf("%+v, %d items, %v", summary, len(fake.items), err)
			}
			if !errors.Is(reason, c.want) || handed != c.line {
				t.Errorf("reason %v, text %.100s", reason, handed)
			}
			if got := summary.Rejections[0]; got.Line != 3 || got.Reason != display.Reason(reason.Error()) || strings.HasPrefix(got.Reason, "container: ") || strings.Contains(got.Reason, "\n") {
				t.Errorf("%+v", got)
			}
			if err := h.AppendOne(t.Context(), []byte(c.line), ""); !errors.Is(err, c.want) {
				t.Errorf("AppendOne: %v", err)
			}
		})
	}
}

func TestBatches(t *testing.T) {
	fake := &fakeEngine{limit: 2000}
	h := New(fake, []string{"alice.eth"})
	var text bytes.Buffer
	for i := range 3000 {
		size := 10
		if i%701 == 5 {
			size = 3000
		}
		text.WriteString(envelope("alice.eth", fmt.Sprintf("c%d.eth", i%7), i, strings.Repeat("y", size)))
		text.WriteByte('\n')
	}
	summary, err := h.Append(t.Context(), iotest.HalfReader(&text), AppendOptions{})
	if err != nil || summary.Accepted != 2995 || summary.Rejected != 5 || summary.Conversations != 7 {
		t.Fatalf("%+v, %v", summary, err)
	}
	if fake.largest > batchItems || fake.calls > 6+5*2*10 {
		t.Errorf("%d calls, largest %d", fake.calls, fake.largest)
	}
	seen := map[int64]bool{}
	for _, item := range fake.items {
		seen[item.Envelope.Timestamp] = true
	}
	if len(seen) != 2995 {
		t.Errorf("%d different", len(seen))
	}
}

func TestLongLines(t *testing.T) {
	good := envelope("alice.eth", "bob.eth", 1, "hi")
	long := envelope("alice.eth", "bob.eth", 2, strings.Repeat("z", 3<<20))
	giant := `"` + strings.Repeat("a", MaxLine) + `"`
	fake := &fakeEngine{}
	h := New(fake, []string{"alice.eth"})
	summary, err := h.Append(t.Context(), lines(good, long, giant, good, giant), AppendOptions{})
	if err != nil || summary.Accepted != 3 || summary.Rejected != 2 {
		t.Fatalf("%+v, %v", summary, err)
	}
	for i, line := range []int{3, 5} {
		if got := summary.Rejections[i]; got.Line != line || got.Reason != ErrLineTooLong.Error() {
			t.Errorf("%+v", got)
		}
	}
}

func TestManyRejections(t *testing.T) {
	h := New(&fakeEngine{}, []string{"alice.eth"})
	summary, err := h.Append(t.Context(), strings.NewReader(strings.Repeat("x\n", 1000)), AppendOptions{})
	if err != nil || summary.Rejected != 1000 || len(summary.Rejections) != MaxRejections {
		t.Fatalf("%d rejected, %d listed, %v", summary.Rejected, len(summary.Rejections), err)
	}
}

func TestFailures(t *testing.T) {
	errDisk := errors.New("disk full")
	t.Run("the engine's", func(t *testing.T) {
		fake := &fakeEngine{fail: errDisk, failAt: 2 * batchItems}
		h := New(fake, []string{"alice.eth"})
		text := strings.Repeat(envelope("alice.eth", "bob.eth", 1, "")+"\n", 5*batchItems)
		summary, err := h.Append(t.Context(), strings.NewReader(text), AppendOptions{})
		if !errors.Is(err, errDisk) || summary.Accepted != len(fake.items) || summary.Accepted == 0 {
			t.Errorf("%+v, %v, %d items", summary, err, len(fake.items))
		}
	})
	t.Run("the reader's", func(t *testing.T) {
		fake := &fakeEngine{}
		h := New(fake, []string{"alice.eth"})
		text := envelope("alice.eth", "bob.eth", 1, "") + "\n" + envelope("alice.eth", "bob.eth", 2, "")[:50]
		summary, err := h.Append(t.Context(), io.MultiReader(strings.NewReader(text), iotest.ErrReader(errDisk)), AppendOptions{})
		if !errors.Is(err, errDisk) || summary.Accepted != 0 || summary.Rejected != 0 {
			t.Errorf("%+v, %v", summary, err)
		}
	})
	t.Run("the context's", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h := New(&fakeEngine{}, []string{"alice.eth"})
		_, err := h.Append(ctx, lines(envelope("alice.eth", "bob.eth", 1, "")), AppendOptions{})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("a contact that cannot be", func(t *testing.T) {
		h := New(&fakeEngine{}, nil)
		if _, err := h.Append(t.Context(), lines(), AppendOptions{Contact: "-x.eth"}); !errors.Is(err, ErrName) {
			t.Error(err)
		}
		if _, err := h.Page(t.Context(), "-x.eth", engine.Range{}); !errors.Is(err, ErrName) {
			t.Error(err)
		}
	})
}

func TestDocuments(t *testing.T) {
	one, two := envelope("alice.eth", "bob.eth", 1, "1"), envelope("alice.eth", "bob.eth", 2, "2")
	pretty := strings.ReplaceAll(one, ",", ",\n\t")
	for _, c := range []struct {
		name, text         string
		accepted, rejected int
	}{
		{"empty", "", 0, 0},
		{"one over several lines", pretty, 1, 0},
		{"several", pretty + "\n" + two, 2, 0},
		{"an array", "[" + pretty + ",\n" + two + ", {}]", 2, 1},
		{"broken in the middle", one + "{{" + two, 1, 1},
		{"broken off", one + two[:40], 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := New(&fakeEngine{}, []string{"alice.eth"})
			summary, err := h.AppendDocument(t.Context(), strings.NewReader(c.text), AppendOptions{})
			if err != nil || summary.Accepted != c.accepted || summary.Rejected != c.rejected {
				t.Errorf("%+v, %v", summary, err)
			}
		})
	}
}

func TestPage(t *testing.T) {
	text := envelope("alice.eth", "bob.eth", 7, "<&> \u2028 é")
	stored, _, err := container.ParseEnvelope([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	fake := &fakeEngine{page: engine.Page{Messages: []container.Envelope{stored, stored}, Provisional: true, Reasons: []string{"why"}, Fetched: 3}}
	h := New(fake, []string{"alice.eth"})
	page, err := h.Page(t.Context(), "Bob.eth", engine.Range{})
	if err != nil || fake.asked != "bob.eth" {
		t.Fatal(fake.asked, err)
	}
	var out bytes.Buffer
	if err := WritePage(&out, "bob.eth", page); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(out.Bytes(), stored.JSON) != 2 {
		t.Errorf("messages were changed: %s", out.Bytes())
	}
	back, err := ReadPage(&out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page, back); diff != "" {
		t.Error(diff)
	}
	if err := WritePage(brokenWriter{}, "", page); err == nil {
		t.Error("the writer's error is lost")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// FuzzAppend: whatever comes in, every line that is not blank is counted once,
// and nothing panics.
func FuzzAppend(f *testing.F) {
	f.Add([]byte(envelope("alice.eth", "bob.eth", 1, "hi") + "\n\n{}\nx"))
	f.Add([]byte("\xef\xbb\xbf\r\n[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fake := &fakeEngine{}
		h := New(fake, []string{"alice.eth"})
		summary, err := h.Append(t.Context(), bytes.NewReader(text), AppendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for line := range bytes.Lines(bytes.TrimPrefix(text, byteOrderMark)) {
			if len(bytes.TrimSpace(line)) > 0 {
				want++
			}
		}
		if summary.Accepted+summary.Rejected != want || len(fake.items) != summary.Accepted {
			t.Errorf("%+v of %d lines", summary, want)
		}
		if _, err := h.AppendDocument(t.Context(), bytes.NewReader(text), AppendOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// nothing takes everything.
type nothing struct{ fakeEngine }

func (*nothing) Append(context.Context, ...engine.Item) error { return nil }

// BenchmarkAppend is the cost of an envelope of about 850 bytes without the
// engine; the budget for the whole way is 10 µs.
func BenchmarkAppend(b *testing.B) {
	h := New(&nothing{}, []string{"alice.eth"})
	text := []byte(strings.Repeat(envelope("alice.eth", "Bob.eth", 1, strings.Repeat("word ", 130))+"\n", 1000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if summary, err := h.Append(b.Context(), bytes.NewReader(text), AppendOptions{}); err != nil || summary.Accepted != 1000 {
			b.Fatal(summary, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/envelope")
}
