package history_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

// talk is a conversation with bob on a device with small chunks.
type talk struct {
	*enginetest.Writer
	t    *testing.T
	said int
}

func newTalk(t *testing.T, timestamps ...int) *talk {
	t.Helper()
	d := &talk{Writer: enginetest.NewWriter(t, memory.New(nil), &enginetest.Log{}, 1), t: t}
	d.say(timestamps...)
	return d
}

// say appends a message for each timestamp.
func (d *talk) say(timestamps ...int) {
	d.t.Helper()
	var text bytes.Buffer
	for _, timestamp := range timestamps {
		d.said++
		fmt.Fprintf(&text, `{"message":{"message":"message %d","metadata":{"from":%q,"timestamp":%d,"to":"bob.eth","type":"NEW"},"signature":%q}}`+"\n",
			d.said, enginetest.Owner, timestamp, base64.StdEncoding.EncodeToString(make([]byte, 64)))
	}
	if summary, err := d.History.Append(d.t.Context(), &text, history.AppendOptions{}); err != nil || summary.Accepted != len(timestamps) {
		d.t.Fatal(summary, err)
	}
}

func (d *talk) upload() {
	d.t.Helper()
	if _, err := d.Engine.Pass(d.t.Context(), engine.Work{Settle: true}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *talk) remove(message container.Envelope) {
	d.t.Helper()
	if _, err := d.History.Delete(d.t.Context(), history.Selection{Contact: "bob.eth", Hashes: []container.MessageHash{message.Hash}}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *talk) read(o history.ReadOptions) history.Slice {
	d.t.Helper()
	slice, err := d.History.Read(d.t.Context(), "Bob.eth", o)
	if err != nil {
		d.t.Fatal(err)
	}
	return slice
}

// all reads everything at once.
func (d *talk) all() []container.Envelope {
	d.t.Helper()
	page, err := d.History.Page(d.t.Context(), "bob.eth", engine.Range{})
	if err != nil {
		d.t.Fatal(err)
	}
	return page.Messages
}

// backwards reads from the newest message to the oldest; between is called after each slice.
func (d *talk) backwards(limit int, between func(history.Slice)) (messages []container.Envelope) {
	d.t.Helper()
	for o := (history.ReadOptions{Limit: limit}); ; {
		slice := d.read(o)
		messages = append(slices.Clone(slice.Messages), messages...)
		between(slice)
		if slice.Older == "" {
			return messages
		}
		o.Before = slice.Older
	}
}

func (d *talk) forwards(limit int, from history.Cursor) (messages []container.Envelope) {
	d.t.Helper()
	for o := (history.ReadOptions{Limit: limit, After: from}); ; {
		slice := d.read(o)
		messages = append(messages, slice.Messages...)
		if slice.Newer == "" {
			return messages
		}
		o.After = slice.Newer
	}
}

func same(a, b []container.Envelope) bool {
	return slices.EqualFunc(a, b, func(a, b container.Envelope) bool { return a.Hash == b.Hash && bytes.Equal(a.JSON, b.JSON) })
}

func timestamps(messages []container.Envelope) (list []int64) {
	for _, m := range messages {
		list = append(list, m.Timestamp)
	}
	return list
}

// many are timestamps of which a good part stand several times.
func many(count int) (list []int) {
	for i := range count {
		list = append(list, 1000+10*(i/3)+i%2)
	}
	return list
}

// Whatever the size of the slices, one after the other they are the conversation, from both ends, in chunks as in the journal.
func TestReadEverything(t *testing.T) {
	d := newTalk(t, many(300)...)
	for _, uploaded := range []bool{false, true} {
		if uploaded {
			d.upload()
			d.say(many(7)...)
		}
		want := d.all()
		if len(want) != d.said {
			t.Fatal(len(want), d.said)
		}
		for _, limit := range []int{1, 7, 50, len(want) - 1, len(want), 1000} {
			if got := d.backwards(limit, func(history.Slice) {}); !same(got, want) {
				t.Errorf("backwards by %d: %v", limit, timestamps(got))
			}
			if got := d.forwards(limit, beginning); !same(got, want) {
				t.Errorf("forwards by %d: %v", limit, timestamps(got))
			}
		}
	}
	if slices, err := d.History.Stretches(t.Context(), "Bob.eth"); err != nil || len(slices) < 3 {
		t.Error("the conversation has too few chunks for this test:", slices, err)
	}
}

// beginning stands before all messages.
var beginning = history.Cursor("AQ" + strings.Repeat("A", 53))

// One timestamp for all is no trap.
func TestReadOneTimestamp(t *testing.T) {
	d := newTalk(t, slices.Repeat([]int{5000}, 120)...)
	d.upload()
	want := d.all()
	if got := d.backwards(7, func(history.Slice) {}); !same(got, want) || len(want) != 120 {
		t.Error(len(got), len(want))
	}
	if got := d.forwards(7, beginning); !same(got, want) {
		t.Error(len(got))
	}
	middle := d.read(history.ReadOptions{Around: 5000, Limit: 10})
	if len(middle.Messages) != 10 || middle.Newer == "" {
		t.Errorf("%d messages around, newer %q", len(middle.Messages), middle.Newer)
	}
}

// While somebody scrolls back, messages come, late ones among them, and others are deleted: all that was there from the begin
// to the end is seen, once.
func TestReadWhileThingsChange(t *testing.T) {
	d := newTalk(t, many(90)...)
	d.upload()
	before := d.all()
	step, gone := 0, make(map[container.MessageHash]bool)
	got := d.backwards(8, func(s history.Slice) {
		step++
		d.say(9000+step, 1000, int(s.Messages[0].Timestamp), int(s.Messages[0].Timestamp)+1)
		for _, own := range []container.Envelope{s.Messages[0], s.Messages[len(s.Messages)-1]} { // the cursors' own messages
			d.remove(own)
			gone[own.Hash] = true
		}
		if step%3 == 0 {
			d.upload()
		}
	})
	seen := make(map[container.MessageHash]int)
	for _, m := range got {
		seen[m.Hash]++
		if seen[m.Hash] > 1 {
			t.Error("seen twice:", m.Timestamp)
		}
	}
	for _, m := range before {
		if seen[m.Hash] == 0 {
			t.Error("never seen:", m.Timestamp)
		}
	}
	if len(gone) < 20 || len(d.all()) != d.said-len(gone) {
		t.Error(len(gone), len(d.all()), d.said)
	}
}

// Who waits at the end gets what comes, and only that; late messages are not after the end.
func TestReadWhatComes(t *testing.T) {
	d := newTalk(t, 1000, 2000, 3000)
	end := d.read(history.ReadOptions{}).End
	if s := d.read(history.ReadOptions{After: end}); len(s.Messages) != 0 || s.Newer != "" || s.End != "" {
		t.Errorf("%+v", s)
	}
	d.say(4000, 1500, 5000)
	s := d.read(history.ReadOptions{After: end})
	if !slices.Equal(timestamps(s.Messages), []int64{4000, 5000}) || s.Newer != "" {
		t.Errorf("%+v", s)
	}
	back := d.read(history.ReadOptions{Before: s.Older})
	if !slices.Equal(timestamps(back.Messages), []int64{1000, 1500, 2000, 3000}) || back.Older != "" {
		t.Errorf("%+v", back)
	}
	if again := d.read(history.ReadOptions{After: back.Newer}); !same(again.Messages, s.Messages) {
		t.Errorf("%+v", again)
	}
	if nothing := d.read(history.ReadOptions{Before: back.Begin}); len(nothing.Messages) != 0 || nothing.Newer == "" {
		t.Errorf("%+v", nothing)
	} else if all := d.read(history.ReadOptions{After: nothing.Newer}); len(all.Messages) != 6 {
		t.Errorf("%+v", all)
	}
}

func TestReadAround(t *testing.T) {
	var times []int
	for i := range 100 {
		times = append(times, 1000+10*i)
	}
	d := newTalk(t, times...)
	d.upload()
	all := d.all()
	for _, c := range []struct {
		around, first, last int
		older, newer        bool
	}{
		{1500, 1450, 1540, true, true},
		{1505, 1460, 1550, true, true},
		{1, 1000, 1090, false, true},
		{1020, 1000, 1090, false, true},
		{1990, 1900, 1990, true, false},
		{99999, 1900, 1990, true, false},
	} {
		s := d.read(history.ReadOptions{Around: int64(c.around), Limit: 10})
		got := timestamps(s.Messages)
		if len(got) != 10 || got[0] != int64(c.first) || got[9] != int64(c.last) || (s.Older != "") != c.older || (s.Newer != "") != c.newer {
			t.Errorf("around %d: %v, older %q, newer %q", c.around, got, s.Older, s.Newer)
			continue
		}
		rest := slices.Concat(d.read(history.ReadOptions{Before: s.Begin, Limit: 1000}).Messages, s.Messages, d.forwards(9, s.End))
		if !same(rest, all) {
			t.Errorf("around %d: going on from there is another conversation", c.around)
		}
	}
	if s := d.read(history.ReadOptions{Around: 1500, Limit: 1000}); !same(s.Messages, all) || s.Older != "" || s.Newer != "" {
		t.Error(len(s.Messages), s.Older, s.Newer)
	}
}

func TestReadWrongly(t *testing.T) {
	d := newTalk(t, 1000)
	cursor := d.read(history.ReadOptions{}).End
	for _, c := range []struct {
		contact string
		options history.ReadOptions
		want    error
	}{
		{"bob.eth", history.ReadOptions{Before: "x"}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: cursor + "A"}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: "AP" + cursor[2:]}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: "Af" + cursor[2:]}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: cursor[:20]}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: cursor, Before: cursor}, history.ErrCursor},
		{"bob.eth", history.ReadOptions{After: cursor, Around: 1}, history.ErrCursor},
		{"", history.ReadOptions{}, history.ErrName},
		{"-bob.eth", history.ReadOptions{}, history.ErrName},
	} {
		if slice, err := d.History.Read(t.Context(), c.contact, c.options); !errors.Is(err, c.want) {
			t.Errorf("%q %+v: %+v, %v", c.contact, c.options, slice, err)
		}
	}
	if slice, err := d.History.Read(t.Context(), "nobody.eth", history.ReadOptions{}); err != nil || len(slice.Messages) > 0 || slice.Older != "" || slice.Newer != "" {
		t.Error(slice, err)
	}
}

// FuzzCursor: a cursor may come from anybody. It is refused, or shows a page.
func FuzzCursor(f *testing.F) {
	device := enginetest.NewCounter(f, memory.New(nil), 1)
	device.Write(1, 3)
	h := history.New(device.Engine, []string{enginetest.Owner})
	whole, err := h.Read(f.Context(), enginetest.Contact, history.ReadOptions{Limit: 2})
	if err != nil || whole.Older == "" {
		f.Fatal(whole, err)
	}
	f.Add("")
	f.Add(string(beginning))
	f.Add(string(whole.Older))
	f.Add("AQ" + strings.Repeat("_", 53))
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range []history.ReadOptions{{Before: history.Cursor(text)}, {After: history.Cursor(text)}} {
			slice, err := h.Read(t.Context(), enginetest.Contact, o)
			if err != nil && !errors.Is(err, history.ErrCursor) || err == nil && len(slice.Messages) > 3 {
				t.Errorf("%q: %d messages, %v", text, len(slice.Messages), err)
			}
		}
	})
}

// A new device reads what it has, says what it left out, and asks the place for nothing.
func TestReadLocal(t *testing.T) {
	const contact = enginetest.Contact
	store := memory.New(nil)
	writer := enginetest.NewCounter(t, store, 1)
	writer.Write(1, 300)
	if err := writer.Try(engine.Work{Settle: true}); err != nil {
		t.Fatal(err)
	}
	counted := &countingStore{Store: store}
	device := enginetest.NewCounter(t, counted, 1)
	if err := device.Try(engine.Work{}); err != nil {
		t.Fatal(err)
	}
	device.Write(301, 5)
	h := history.New(device.Engine, []string{enginetest.Owner})
	gets := counted.gets.Load()
	read := func(local bool) history.Slice {
		t.Helper()
		slice, err := h.Read(t.Context(), contact, history.ReadOptions{Limit: 1000, Local: local})
		if err != nil {
			t.Fatal(err)
		}
		return slice
	}
	slice := read(true)
	var left int64
	for _, gap := range slice.Gaps {
		left += gap.Messages
	}
	if left == 0 || slice.Fetched != 0 || counted.gets.Load() != gets {
		t.Errorf("left out %d, fetched %d, %d requests", left, slice.Fetched, counted.gets.Load()-gets)
	}
	if got := timestamps(slice.Messages); !slices.Equal(got, []int64{301, 302, 303, 304, 305}) || slice.Older != "" {
		t.Error(got, slice.Older)
	}
	whole := read(false)
	if int64(len(slice.Messages))+left != int64(len(whole.Messages)) || whole.Fetched == 0 || len(whole.Gaps) > 0 {
		t.Errorf("%d here, %d left out, %d in all", len(slice.Messages), left, len(whole.Messages))
	}
	gets = counted.gets.Load()
	if now := read(true); !same(now.Messages, whole.Messages) || len(now.Gaps) > 0 || counted.gets.Load() != gets {
		t.Errorf("%d of %d messages, gaps %v", len(now.Messages), len(whole.Messages), now.Gaps)
	}
}

// A message is found by its hash: just appended, uploaded, on a device that never saw it; a deleted one is not.
func TestMessage(t *testing.T) {
	store := memory.New(nil)
	writer := enginetest.NewWriter(t, store, &enginetest.Log{}, 1)
	d := &talk{Writer: writer, t: t}
	d.say(many(100)...)
	want := d.all()
	find := func(h *history.History, message container.Envelope) {
		t.Helper()
		found, err := h.Message(t.Context(), "Bob.eth", message.Hash)
		if err != nil || !same([]container.Envelope{found}, []container.Envelope{message}) {
			t.Errorf("%d: %v", message.Timestamp, err)
		}
	}
	find(d.History, want[3])
	d.upload()
	find(d.History, want[3])
	other := enginetest.NewWriter(t, store, &enginetest.Log{}, 1)
	if _, err := other.Engine.Pass(t.Context(), engine.Work{}); err != nil {
		t.Fatal(err)
	}
	find(other.History, want[3])
	find(other.History, want[99])
	d.remove(want[3])
	for _, hash := range []container.MessageHash{want[3].Hash, {7}} {
		if found, err := d.History.Message(t.Context(), "bob.eth", hash); !errors.Is(err, history.ErrNoMessage) {
			t.Error(found, err)
		}
	}
	if _, err := d.History.Message(t.Context(), "", want[0].Hash); !errors.Is(err, history.ErrName) {
		t.Error(err)
	}
}
