package mirror_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

const account = "alice.eth"

var everything = mirror.Work{Look: true, Whole: true}

// device is an engine with a cache of its own at a place.
type device struct {
	*engine.Engine
	t       *testing.T
	primary providers.Store
	cache   *cache.Cache
	sealer  *seal.Sealer
}

func newDevice(t *testing.T, primary providers.Store) *device {
	t.Helper()
	d := &device{t: t, primary: primary}
	var err error
	if d.cache, err = cache.Open(t.TempDir(), cache.Options{}); err != nil {
		t.Fatal(err)
	}
	if d.sealer, err = seal.New(sha256.Sum256([]byte("mirror")), nil); err != nil {
		t.Fatal(err)
	}
	d.Engine, err = engine.Open(context.Background(), engine.Options{
		Account: account, Root: container.RootKey("mirror"), Sealer: d.sealer, Store: primary, Cache: d.cache, ChunkLimit: 20_000, Inline: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Engine.Close(), d.cache.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// mirror is a mirror of the device, with what an earlier one of this place remembers.
func (d *device) mirror(place providers.Store, change func(*mirror.Options)) *mirror.Mirror {
	d.t.Helper()
	o := mirror.Options{Name: "second", Place: "second", Engine: d.Engine, Primary: d.primary, Mirror: place, Records: d.cache.Records(), Sealer: d.sealer}
	if change != nil {
		change(&o)
	}
	m, err := mirror.Open(o)
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

func (d *device) pass(work engine.Work) engine.Report {
	d.t.Helper()
	report, err := d.Pass(context.Background(), work)
	if err != nil {
		d.t.Fatal(err)
	}
	return report
}

// append takes messages and uploads them.
func (d *device) append(items []engine.Item) {
	d.t.Helper()
	if err := d.Append(context.Background(), items...); err != nil {
		d.t.Fatal(err)
	}
	d.pass(engine.Work{Settle: true})
}

// holds returns every message by hash.
func (d *device) holds() map[container.MessageHash]string {
	d.t.Helper()
	all := make(map[container.MessageHash]string)
	list, err := d.Conversations(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, conversation := range list {
		page, err := d.Messages(context.Background(), conversation.Contact, engine.Range{})
		if err != nil {
			d.t.Fatal(err)
		}
		if page.Provisional {
			d.t.Errorf("%s is provisional: %v", conversation.Contact, page.Reasons)
		}
		for _, message := range page.Messages {
			all[message.Hash] = string(message.JSON)
		}
	}
	return all
}

// wantAll reads everything and compares it, to the byte; verify must find nothing.
func (d *device) wantAll(items []engine.Item) {
	d.t.Helper()
	d.wantMessages(items)
	for _, problem := range d.verify() {
		d.t.Errorf("verify: %+v", problem)
	}
}

func (d *device) verify() []engine.Problem {
	d.t.Helper()
	found, err := d.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return found.Problems
}

func (d *device) wantMessages(items []engine.Item) {
	d.t.Helper()
	want := make(map[container.MessageHash]string)
	for _, item := range items {
		want[item.Envelope.Hash] = string(item.Envelope.JSON)
	}
	if got := d.holds(); !maps.Equal(got, want) {
		d.t.Errorf("%d messages, want %d, or not the same", len(got), len(want))
	}
}

// wantAt opens the place with a fresh device that knows nothing else. What is
// superseded may lie there for some looks more.
func wantAt(t *testing.T, place providers.Store, items []engine.Item) {
	t.Helper()
	fresh := newDevice(t, place)
	fresh.pass(engine.Work{})
	fresh.wantMessages(items)
	for _, problem := range fresh.verify() {
		if problem.Kind != "orphan" && !strings.HasPrefix(problem.Detail, "no head names this object") {
			t.Errorf("verify: %+v", problem)
		}
	}
}

// mirrored runs a pass that must succeed.
func mirrored(t *testing.T, m *mirror.Mirror, w mirror.Work) mirror.Report {
	t.Helper()
	report, err := m.Pass(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// talk makes messages of the sample.
func talk(t *testing.T, from, to int) (items []engine.Item) {
	t.Helper()
	lines, err := chat.Sample()
	if err != nil {
		t.Fatal(err)
	}
	generator := chat.NewGenerator(account, chat.ByRegular, nil)
	for i, line := range lines[:to] {
		message := generator.Message(line)
		if i < from {
			continue
		}
		envelope, parties, err := container.ParseEnvelope(message.JSON)
		if err != nil {
			t.Fatal(err)
		}
		contact := parties.From
		if contact == account {
			contact = parties.To
		}
		items = append(items, engine.Item{Contact: contact, Envelope: envelope})
	}
	return items
}

// content is what a place holds.
func content(t *testing.T, place providers.Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for object, err := range place.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := place.Get(context.Background(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[object.Name] = string(data)
	}
	return all
}

// become makes a place hold exactly this.
func become(t *testing.T, place providers.Store, want map[string]string) {
	t.Helper()
	for name := range content(t, place) {
		if _, ok := want[name]; !ok {
			if err := place.Delete(context.Background(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range want {
		if err := place.Put(context.Background(), name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
}

// some picks about one name of n.
func some(random *rand.Rand, all map[string]string, n int) (names []string) {
	for name := range all {
		if random.IntN(n) == 0 {
			names = append(names, name)
		}
	}
	return names
}
