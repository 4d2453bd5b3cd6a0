package engine_test

import (
	"context"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// counted is what the list says of friend0.eth.
func (d *device) counted() engine.Conversation {
	d.t.Helper()
	list, err := d.Conversations(context.Background())
	if err != nil || len(list) != 1 {
		d.t.Fatal(list, err)
	}
	if one, ok := d.Conversation(list[0].Contact); !ok || one != list[0] {
		d.t.Errorf("alone it is %+v, in the list %+v", one, list[0])
	}
	return list[0]
}

// wantCount wants the list to count so many messages, without a doubt and without a request, as the time line does.
func (d *device) wantCount(store *providers.Counter, want int) {
	d.t.Helper()
	before := store.Counts().Requests()
	if c := d.counted(); c.Messages != want || c.Estimated {
		d.t.Errorf("%d messages, estimated %v; want %d", c.Messages, c.Estimated, want)
	}
	var line int64
	for _, s := range d.line() {
		line += s.Messages
	}
	if line != int64(want) {
		d.t.Errorf("the time line counts %d messages, want %d", line, want)
	}
	if asked := store.Counts().Requests() - before; asked != 0 {
		d.t.Errorf("counting made %d requests", asked)
	}
}

// TestTwoWriters: what two devices both wrote, each before it knew of the other, counts once where it is here, in heads or in
// objects, and what one of them deleted does not count. Elsewhere the figure says that it is an estimate.
func TestTwoWriters(t *testing.T) {
	for name, at := range map[string]int{"heads": 10, "objects": 200} {
		t.Run(name, func(t *testing.T) {
			store := providers.Count(memory.New(nil))
			one, two := newDevice(t, store, nil), newDevice(t, store, nil)
			items := many(31, 1, 600)
			one.pass(engine.Work{})
			two.pass(engine.Work{}) // from now on, neither looks
			for from := 0; from < 600; from += at {
				if from+at <= 400 {
					one.append(items[from : from+at]...)
					one.pass(engine.Work{Flush: true})
				}
				two.append(items[from : from+at]...)
				two.pass(engine.Work{Flush: true})
			}
			three := newDevice(t, store, nil)
			three.pass(engine.Work{Flush: true}) // it looks, and puts nothing in order
			if name == "heads" {
				three.wantCount(store, 600) // all that heads carry is here
			} else if c := three.counted(); !c.Estimated || c.Messages != 1000 {
				t.Errorf("before what they wrote is here: %+v", c)
			}
			three.read("friend0.eth", engine.Range{})
			three.reopen()
			three.wantCount(store, 600)
			three.reopen()
			three.remove(items[:7]...)
			for _, d := range []*device{three, two, one} {
				d.settle()
				d.read("friend0.eth", engine.Range{})
				d.wantCount(store, 593)
			}
		})
	}
}

// TestCountOfTheJournal: what waits counts, and is in doubt only where a state may hold it already.
func TestCountOfTheJournal(t *testing.T) {
	store := providers.Count(memory.New(nil))
	one := newDevice(t, store, nil)
	items := many(32, 1, 60)
	one.append(items[:20]...)
	one.wantCount(store, 20)
	one.settle()
	one.append(items[20:50]...)
	one.wantCount(store, 50)
	one.append(items[5])
	if c := one.counted(); !c.Estimated {
		t.Errorf("a message from before may be there: %+v", c)
	}
	one.settle()
	one.wantCount(store, 50)
}
