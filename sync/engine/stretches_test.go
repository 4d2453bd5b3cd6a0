package engine_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// line draws the time line of friend0.eth and wants it without holes.
func (d *device) line() []engine.Stretch {
	d.t.Helper()
	list, err := d.Stretches(context.Background(), "friend0.eth")
	if err != nil {
		d.t.Fatal(err)
	}
	for i, s := range list {
		last := i == len(list)-1
		if i == 0 && s.From != 0 || i > 0 && s.From != list[i-1].To || last != (s.To == 0) || s.Cached != (s.Fetch == 0) {
			d.t.Fatalf("stretch %d of %+v", i, list)
		}
		if s.Messages > 0 && (s.First < s.From || s.Last < s.First || !last && s.Last >= s.To) || s.Messages < 0 {
			d.t.Fatalf("stretch %d holds what is not its own: %+v", i, s)
		}
	}
	return list
}

// wantLine wants each stretch to say what reading it finds, or, where it need not be exact, at least that, and to fetch what it
// said.
func (d *device) wantLine(store *providers.Counter, exact bool) {
	d.t.Helper()
	for _, s := range d.line() {
		local, err := d.Read(context.Background(), "friend0.eth", engine.Window{From: s.From, To: s.To, Local: true})
		if err != nil || len(local.Gaps) > 0 == s.Cached {
			d.t.Errorf("%+v: gaps %v, %v", s, local.Gaps, err)
		}
		before := store.Counts().Gets
		page, err := d.Messages(context.Background(), "friend0.eth", engine.Range{From: s.From, To: s.To})
		if err != nil {
			d.t.Fatal(err)
		}
		if fetched := store.Counts().Gets - before; fetched != int64(s.Fetch) || page.Fetched != s.Fetch {
			d.t.Errorf("%+v: %d requests", s, fetched)
		}
		n := len(page.Messages)
		if int64(n) > s.Messages || exact && int64(n) < s.Messages {
			d.t.Errorf("%+v: has %d messages", s, n)
			continue
		}
		if n == 0 {
			continue
		}
		first, last := page.Messages[0].Timestamp, page.Messages[n-1].Timestamp
		if first < s.First || last > s.Last || exact && (first != s.First || last != s.Last) {
			d.t.Errorf("%+v: is from %d to %d", s, first, last)
		}
	}
}

func TestStretches(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, inPieces)
	items := many(11, 1, 600)
	if list, err := one.Stretches(t.Context(), "friend0.eth"); !errors.Is(err, engine.ErrNoConversation) {
		t.Error(list, err)
	}
	one.append(items[:10]...) // nothing is uploaded yet: one stretch, all of it here
	if list := one.line(); len(list) != 1 || list[0].Messages != 10 || list[0].Chunk != "" || !list[0].Cached || list[0].Bytes == 0 {
		t.Errorf("%+v", list)
	}
	one.wantLine(store, true)
	one.append(items[10:500]...)
	one.settle()
	one.append(items[500:]...) // some wait
	one.wantLine(store, true)
	one.settle()
	two := newDevice(t, store, inPieces)
	two.pass(engine.Work{})
	if list := two.line(); len(list) < 5 || list[2].Fetch == 0 || list[2].Cached || list[2].Chunk == "" {
		t.Errorf("%+v", list)
	}
	two.wantLine(store, true)
	if list := two.line(); slices.ContainsFunc(list, func(s engine.Stretch) bool { return !s.Cached }) {
		t.Errorf("all was read: %+v", list)
	}
	two.reopen()
	two.wantLine(store, true)
}

// Late messages make chunks too large and split them; two devices that begin at once leave strays. Whatever the shape, the
// line stays without holes and counts no message too few.
func TestStretchesOfSplitsAndStrays(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one, two := newDevice(t, store, inPieces), newDevice(t, store, inPieces)
	items := many(12, 1, 900)
	var even, odd []engine.Item
	for i, item := range items {
		if i%2 == 0 {
			even = append(even, item)
		} else {
			odd = append(odd, item)
		}
	}
	for at := 0; at < len(even); at += 90 {
		one.append(even[at : at+90]...)
		two.append(odd[len(odd)-at-90 : len(odd)-at]...) // from the end to the begin: all late
		one.pass(engine.Work{Flush: true})
		two.pass(engine.Work{Flush: true})
		for _, d := range []*device{one, two} {
			var total int64
			for _, s := range d.line() {
				total += s.Messages
			}
			if held := int64(len(d.read("friend0.eth", engine.Range{}))); total < held {
				t.Errorf("the line counts %d of %d messages", total, held)
			}
		}
	}
	for range 3 {
		one.settle()
		two.settle()
	}
	one.wantLine(store, false)
	two.wantLine(store, false)
	three := newDevice(t, store, inPieces)
	three.pass(engine.Work{})
	three.wantLine(store, false)
}

// A deletion counts as soon as it waits.
func TestStretchesOfDeletions(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, inPieces)
	items := many(13, 1, 300)
	one.append(items...)
	one.settle()
	one.remove(items[:40]...)
	total := func() (all int64) {
		for _, s := range one.line() {
			all += s.Messages
		}
		return all
	}
	if got := total(); got != 260 {
		t.Errorf("%d messages while the deletion waits", got)
	}
	for range 3 {
		one.settle()
	}
	one.wantLine(store, false)
	one.remove(items[40:]...)
	if got := total(); got != 0 {
		t.Errorf("%d messages of none", got)
	}
	for _, s := range one.line() {
		if s.First != 0 || s.Last != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestFetch(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, inPieces)
	items := many(14, 1, 800)
	one.append(items...)
	one.settle()
	two := newDevice(t, store, inPieces)
	two.pass(engine.Work{})
	middle := two.line()[3]
	var steps []engine.Progress
	if err := two.Fetch(t.Context(), "friend0.eth", middle.From, middle.To, func(p engine.Progress) { steps = append(steps, p) }); err != nil {
		t.Fatal(err)
	}
	end := steps[len(steps)-1]
	if end.Done != int64(middle.Fetch) || end.Total != end.Done || end.Step != "fetch" || end.Unit != "objects" || steps[0].Done != 0 {
		t.Errorf("%+v", steps)
	}
	if now := two.line(); !now[3].Cached || now[1].Cached {
		t.Errorf("%+v", now)
	}
	if err := two.Fetch(t.Context(), "friend0.eth", 0, 0, nil); err != nil {
		t.Fatal(err)
	}
	before := store.Counts()
	if err := two.Fetch(t.Context(), "friend0.eth", 0, 0, nil); err != nil || store.Counts() != before {
		t.Error("what is here was fetched again", err)
	}
	page, err := two.Read(t.Context(), "friend0.eth", engine.Window{Local: true})
	if err != nil || len(page.Messages) != len(items) || len(page.Gaps) > 0 || store.Counts() != before {
		t.Errorf("%d messages, gaps %v, %v", len(page.Messages), page.Gaps, err)
	}
	if err := two.Fetch(t.Context(), "nobody.eth", 0, 0, nil); !errors.Is(err, engine.ErrNoConversation) {
		t.Error(err)
	}
}

// A cache that can't hold the range says so, and does not fetch for ever.
func TestFetchWithoutRoom(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, inPieces)
	items := many(15, 1, 3000)
	one.append(items...)
	one.settle()
	two := newDevice(t, store, inPieces)
	two.budget = 60_000
	two.reopen()
	two.pass(engine.Work{})
	before := store.Counts().Gets
	if err := two.Fetch(t.Context(), "friend0.eth", 0, 0, nil); !errors.Is(err, engine.ErrNoRoom) {
		t.Error(err)
	}
	if got := store.Counts().Gets - before; got > int64(len(two.line()))/2 {
		t.Errorf("%d of %d objects were fetched in vain", got, len(two.line()))
	}
}

// What is gone is passed over and told; the rest comes.
func TestFetchWhatIsGone(t *testing.T) {
	place := memory.New(nil)
	store := providers.Count(place)
	one := newDevice(t, store, inPieces)
	items := many(16, 1, 800)
	one.append(items...)
	one.settle()
	two := newDevice(t, store, inPieces)
	two.pass(engine.Work{})
	if err := place.Delete(t.Context(), chunkObject(t, place)); err != nil {
		t.Fatal(err)
	}
	if err := two.Fetch(t.Context(), "friend0.eth", 0, 0, nil); err == nil || errors.Is(err, engine.ErrNoRoom) {
		t.Error(err)
	}
	missing := 0
	for _, s := range two.line() {
		missing += s.Fetch
	}
	if missing != 1 {
		t.Errorf("%d objects are not here", missing)
	}
}

func TestChangedSince(t *testing.T) {
	store := memory.New(nil)
	one, two := newDevice(t, store, smallChunks), newDevice(t, store, smallChunks)
	var mark uint64
	ask := func(d *device, mark *uint64, want ...string) {
		t.Helper()
		var contacts []string
		if contacts, *mark = d.ChangedSince(*mark); !slices.Equal(contacts, want) {
			t.Errorf("changed: %v, want %v", contacts, want)
		}
	}
	ask(one, &mark)
	items := many(17, 3, 30)
	one.append(items...)
	ask(one, &mark, "friend0.eth", "friend1.eth", "friend2.eth")
	ask(one, &mark)
	for range 3 {
		one.settle()
	}
	_, mark = one.ChangedSince(mark) // an upload may count
	one.pass(engine.Work{})
	ask(one, &mark)
	var other uint64
	two.pass(engine.Work{})
	ask(two, &other, "friend0.eth", "friend1.eth", "friend2.eth")
	two.append(message("friend1.eth", 5, "more"))
	two.settle()
	_, other = two.ChangedSince(other)
	one.pass(engine.Work{})
	ask(one, &mark, "friend1.eth")
	if err := two.Hide(t.Context(), "friend2.eth", true); err != nil {
		t.Fatal(err)
	}
	ask(two, &other, "friend2.eth")
	two.settle()
	one.pass(engine.Work{})
	ask(one, &mark, "friend2.eth")
	gone := slices.IndexFunc(items, func(i engine.Item) bool { return i.Contact == "friend0.eth" })
	one.remove(items[gone])
	ask(one, &mark, "friend0.eth")
	one.reopen()
	mark = math.MaxUint64 // of another run
	ask(one, &mark, "friend0.eth", "friend1.eth", "friend2.eth")
}

// What the list says is what is found when nothing was kept.
func TestConversationsAreKeptRight(t *testing.T) {
	store := memory.New(nil)
	one, two := newDevice(t, store, inPieces), newDevice(t, store, inPieces)
	items := many(18, 6, 600)
	list := func() []engine.Conversation {
		t.Helper()
		all, err := one.Conversations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := func(what string) {
		t.Helper()
		kept := list()
		one.ForgetPortraits()
		if fresh := list(); !slices.Equal(kept, fresh) {
			t.Errorf("%s: the list was\n%+v\nand is\n%+v", what, kept, fresh)
		}
	}
	for step := range 12 {
		batch := items[step*50 : step*50+50]
		two.append(batch[:20]...)
		two.settle()
		one.append(batch[20:]...)
		want("appended")
		one.pass(engine.Work{Flush: true})
		want("flushed")
		one.remove(batch[20:25]...)
		want("deleted")
		if err := one.Hide(t.Context(), batch[20].Contact, step%2 == 0); err != nil {
			t.Fatal(err)
		}
		want("hidden or shown")
		one.pass(engine.Work{})
		want("passed")
		if step%4 == 3 {
			one.settle()
			want("settled")
		}
		if step == 9 {
			if err := one.Forget(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("forgotten")
		}
	}
}
