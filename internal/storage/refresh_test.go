package storage_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestOrderIsKeptUp: after whatever apps, other programs and other devices do, a service
// that has shown the conversation all along shows the same as one that reads it for the
// first time.
func TestOrderIsKeptUp(t *testing.T) {
	place := memory.New(nil)
	here, there := openAccount(t, place), openAccount(t, place)
	r := newTree(t, here, nil)
	w := &world{t: t, random: rand.New(rand.NewPCG(1, 2)), app: r.app(t), here: here, there: there}
	for step := range 50 {
		did := w.step()
		r.clock.add(2 * time.Second) // so that what others did is looked for
		fresh := newTree(t, here, nil).app(t)
		equal(t, fmt.Sprint("step ", step, ": ", did), w.app.texts("bob.eth", 20), fresh.texts("bob.eth", 20))
		if t.Failed() {
			return
		}
	}
	if n := len(w.contents); n < 15 {
		t.Errorf("%d messages were made", n)
	}
}

// world is what TestOrderIsKeptUp does.
type world struct {
	t           *testing.T
	random      *rand.Rand
	app         *app
	here, there *agent.Account
	contents    []string
}

func (w *world) fatal(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fresh makes a message of any time.
func (w *world) fresh() string {
	text := content(ownName, "bob.eth", 1000+w.random.Int64N(500), fmt.Sprint("message ", len(w.contents)), 1)
	w.contents = append(w.contents, text)
	return text
}

// line is the envelope in a container.
func line(text string) string {
	_, rest, _ := strings.Cut(text, `{"envelop":`)
	envelope, _, _ := strings.Cut(rest, `,"messageState"`)
	return envelope
}

func (w *world) step() string {
	ctx, bob := w.t.Context(), w.app.contact("bob.eth")
	switch n := w.random.IntN(12); {
	case n < 4:
		w.app.add("bob.eth", w.app.record(w.fresh(), 1000+w.random.Int64N(500)))
		return "an app adds"
	case n < 6 && len(w.contents) > 0:
		text := w.contents[w.random.IntN(len(w.contents))]
		text = strings.Replace(text, `"messageState":1`, fmt.Sprintf(`"messageState":%d`, w.random.IntN(4)), 1)
		w.fatal(w.app.EditMessageBatch(ctx, bob, []dm3api.Record{w.app.record(text, 5)}))
		return "an app edits"
	case n < 7 && len(w.contents) > 0:
		text := w.contents[w.random.IntN(len(w.contents))]
		_ = w.app.AddMessage(ctx, bob, w.app.record(text, 2000+w.random.Int64N(500))) // which may be known
		return "an app adds what came from elsewhere"
	case n < 9:
		_, err := w.here.Append(ctx, strings.NewReader(line(w.fresh())), history.AppendOptions{Contact: "bob.eth"})
		w.fatal(err)
		return "another program appends"
	case n < 10:
		_, err := w.there.Append(ctx, strings.NewReader(line(w.fresh())), history.AppendOptions{Contact: "bob.eth"})
		w.fatal(err)
		_, err = w.there.Sync(ctx, engine.Work{}, nil)
		w.fatal(err)
		return "another device appends"
	case n < 11:
		_, err := w.here.Sync(ctx, engine.Work{Settle: w.random.IntN(2) == 0}, nil)
		w.fatal(err)
		return "a pass"
	default:
		_, err := w.here.Delete(ctx, history.Selection{Contact: "bob.eth", From: 1000 + w.random.Int64N(500), To: 1001 + w.random.Int64N(500)})
		w.fatal(err)
		return "some are deleted"
	}
}
