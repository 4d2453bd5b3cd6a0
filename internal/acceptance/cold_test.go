package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

const (
	roundTrip    = 100 * time.Millisecond // what is added to every answer while round trips are counted
	roundTrips   = 3                      // of a device that holds nothing: list heads, read heads, read states
	coldAttempts = 4                      // a machine that stalls makes more round trips than there are: the next time, answers take twice as long
	newest       = 50                     // messages
	week         = 7 * 24 * 3600 * 1000   // ms
	idleBytes    = 8_000                  // of an answer: a few kB
	flushes      = 8                      // after the import, so that several heads are there
	flushLines   = 5
)

// TestColdDevice: what a device that holds nothing asks of S3, and what a device asks that holds everything.
func TestColdDevice(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) { coldDevice(t, s) })
	}
}

func coldDevice(t *testing.T, s shape) {
	in := newInput(t, s)
	asked := &recorder{}
	p, _ := newBucket(t, asked.between)
	writer := newDevice(t, p, "writer", s.limit)
	importing := startPhase(t, "import", writer)
	flush := func(line int) int { return max(0, flushes-(in.lines-1-line)/flushLines) }
	for i := range flushes + 1 {
		if err := writer.append(t.Context(), in.open(t, func(line int) bool { return flush(line) == i })); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			writer.mustPass(engine.Work{Flush: true})
			continue
		}
		writer.settle()
	}
	importing.end("")
	t.Run("newest", func(t *testing.T) { coldNewest(t, s, in, p, asked) })
	t.Run("week", func(t *testing.T) { coldWeek(t, s, in, p, asked) })
	t.Run("idle", func(t *testing.T) {
		reader := newDevice(t, p, "reader", s.limit)
		reader.mustPass(engine.Work{})
		for _, d := range []*device{writer, reader} {
			wantIdle(t, d, asked)
		}
	})
}

// wide is the place for a device with so many requests at once that none waits for a free connection, which would look
// like waiting for an answer.
func wide(p place) place {
	return place{name: p.name, store: func(t *testing.T) providers.Store { return wideStore{p.store(t)} }}
}

type wideStore struct{ providers.Store }

// Properties implements providers.Store.
func (w wideStore) Properties() providers.Properties {
	properties := w.Store.Properties()
	properties.Parallel = 256
	return properties
}

// coldNewest reads the newest messages of the longest conversation.
func coldNewest(t *testing.T, s shape, in *input, p place, asked *recorder) {
	contact := in.longest()
	for attempt := range coldAttempts {
		d := newDevice(t, wide(p), "cold", s.limit)
		var page engine.Page
		requests := asked.during(roundTrip<<attempt, func() {
			d.mustPass(engine.Work{})
			var err error
			if page, err = d.engine.Messages(t.Context(), contact, engine.Range{Last: newest}); err != nil {
				t.Fatal(err)
			}
		})
		if len(page.Messages) != min(newest, in.counts[contact]) || page.Provisional {
			t.Fatalf("%d messages of %d, provisional %v", len(page.Messages), in.counts[contact], page.Provisional)
		}
		count, text := layers(requests)
		t.Logf("newest %d of %d messages: %d round trips, %d requests, %.1f kB: %s",
			len(page.Messages), in.counts[contact], count, len(requests), float64(answered(requests))/1000, text)
		if count <= roundTrips {
			return
		}
		if attempt == coldAttempts-1 {
			ordered, deep := depths(requests)
			for i, request := range ordered {
				t.Logf("round trip %d: %v", deep[i], request)
			}
			t.Errorf("%d round trips, want %d", count, roundTrips)
		}
	}
}

// coldWeek reads the week around the middle message of the longest conversation.
func coldWeek(t *testing.T, s shape, in *input, p place, asked *recorder) {
	contact := in.longest()
	d := newDevice(t, p, "week", s.limit)
	d.mustPass(engine.Work{})
	conversation := catalogue(t, d).Conversations[contact]
	middle := conversation.Chunks[len(conversation.Chunks)/2].States[0].First
	wanted := engine.Range{From: middle - week/2, To: middle + week/2}
	chunks, states, inline := touched(conversation, wanted)
	var page engine.Page
	requests := asked.during(0, func() {
		var err error
		if page, err = d.engine.Messages(t.Context(), contact, wanted); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("a week, %d of %d messages: %d of %d chunks, %d states, %d of them in heads; %d requests, %.1f kB",
		len(page.Messages), in.counts[contact], chunks, len(conversation.Chunks), states, inline, len(requests), float64(answered(requests))/1000)
	if len(requests) > chunks || inline == 0 && len(requests) != chunks {
		t.Errorf("%d requests for %d chunks: %v", len(requests), chunks, requests)
	}
	for _, request := range requests {
		if request.method != "GET" || request.query != "" && !strings.HasPrefix(request.query, "x-id=GetObject") {
			t.Errorf("not the reading of an object: %v", request)
		}
	}
	whole, err := d.engine.Messages(t.Context(), contact, engine.Range{})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, message := range whole.Messages {
		if wanted.From <= message.Timestamp && message.Timestamp < wanted.To {
			count++
		}
	}
	if count != len(page.Messages) || count == 0 || len(whole.Messages) != in.counts[contact] {
		t.Errorf("%d messages in the week, want %d; %d in all, want %d", len(page.Messages), count, len(whole.Messages), in.counts[contact])
	}
}

// touched counts what a range meets.
func touched(conversation *reconcile.Conversation, r engine.Range) (chunks, states, inline int) {
	for _, chunk := range conversation.Chunks {
		met := 0
		for _, state := range chunk.States {
			if state.First < r.To && state.Last >= r.From {
				met++
				if state.Inline() {
					inline++
				}
			}
		}
		states += met
		if met > 0 {
			chunks++
		}
	}
	return chunks, states, inline
}

// wantIdle runs a pass in which there is nothing to do.
func wantIdle(t *testing.T, d *device, asked *recorder) {
	t.Helper()
	for range 2 {
		requests := asked.during(0, func() { d.mustPass(engine.Work{}) })
		t.Logf("idle pass of the %s: %d requests, %d bytes answered: %v", d.name, len(requests), answered(requests), requests)
		if len(requests) != 1 || answered(requests) > idleBytes {
			t.Errorf("an idle pass of the %s costs %d requests and %d bytes, want 1 and at most %d", d.name, len(requests), answered(requests), idleBytes)
		}
	}
}

// catalogue unites the heads at the place.
func catalogue(t *testing.T, d *device) *reconcile.Catalogue {
	t.Helper()
	all, sealer := &reconcile.Catalogue{}, newSealer(t)
	for object, err := range d.counter.List(t.Context(), string(container.HeadsKey(rootKey()))+"/") {
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(object.Name, "/")
		all.Add(name, openHead(t, d, object.Name, sealer))
	}
	return all
}

func openHead(t *testing.T, d *device, name string, sealer *seal.Sealer) *container.Head {
	t.Helper()
	sealed, err := d.counter.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealer.Open(nil, container.KindHead, container.HeadsKey(rootKey()), sealed)
	if err != nil {
		t.Fatal(err)
	}
	head, err := container.DecodeHead(text)
	if err != nil {
		t.Fatal(err)
	}
	return head
}
