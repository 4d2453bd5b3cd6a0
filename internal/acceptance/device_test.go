package acceptance

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// storageKey is the secret of the account.
var storageKey = sha256.Sum256([]byte("the storage key of the acceptance tests"))

// rootKey is where the account's tree begins.
func rootKey() container.Key { return container.RootKey("acceptance") }

func newSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	sealer, err := seal.New(storageKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// device is a history on an engine with a cache and a store of its own.
type device struct {
	t       *testing.T
	name    string
	engine  *engine.Engine
	history *history.History
	counter *providers.Counter
	cache   *cache.Cache
	work    engine.Report // sum of all passes
}

func newDevice(t *testing.T, p place, name string, limit int) *device {
	t.Helper()
	return newDeviceWith(t, p, name, engine.Options{ChunkLimit: limit})
}

// newDeviceWith makes a device with settings of its own; what every device needs is filled in.
func newDeviceWith(t *testing.T, p place, name string, options engine.Options) *device {
	t.Helper()
	counter := providers.Count(p.store(t))
	d := &device{t: t, name: name, counter: counter}
	var err error
	if d.cache, err = cache.Open(t.TempDir(), cache.Options{}); err != nil {
		t.Fatal(err)
	}
	options.Account, options.Root, options.Sealer = account, rootKey(), newSealer(t)
	options.Store, options.Cache = providers.Retry(counter, nil), d.cache
	if d.engine, err = engine.Open(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	d.history = history.New(d.engine, []string{account})
	t.Cleanup(func() {
		if err := errors.Join(d.engine.Close(), d.cache.Close(), counter.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// append takes lines; all must be accepted.
func (d *device) append(ctx context.Context, lines *picked) error {
	defer lines.Close()
	summary, err := d.history.Append(ctx, lines, history.AppendOptions{})
	if err == nil && summary.Rejected > 0 {
		return errors.New(summary.Rejections[0].Reason)
	}
	return err
}

func (d *device) pass(ctx context.Context, work engine.Work) (engine.Report, error) {
	report, err := d.engine.Pass(ctx, work)
	d.work.Pulled += report.Pulled
	d.work.Pushed += report.Pushed
	d.work.Confirmed += report.Confirmed
	d.work.Compacted += report.Compacted
	d.work.Removed += report.Removed
	d.work.Pending = report.Pending
	return report, err
}

// mustPass fails the test when a pass fails.
func (d *device) mustPass(work engine.Work) engine.Report {
	d.t.Helper()
	report, err := d.pass(d.t.Context(), work)
	if err != nil {
		d.t.Fatal(err)
	}
	return report
}

// settle passes until nothing waits.
func (d *device) settle() {
	d.t.Helper()
	if report := d.mustPass(engine.Work{Settle: true}); report.Pending > 0 {
		d.t.Fatalf("%s: %d messages are not confirmed after settling: %+v", d.name, report.Pending, report)
	}
}

// wantAll reads every conversation and compares it with the input: the same messages, each in its conversation, in the
// order of time, and none besides.
func (d *device) wantAll(in *input) {
	d.t.Helper()
	list, err := d.engine.Conversations(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	c := &comparison{input: in, seen: make(map[container.MessageHash]bool, len(in.messages))}
	group, ctx := errgroup.WithContext(d.t.Context())
	group.SetLimit(8)
	for _, conversation := range list {
		group.Go(func() error {
			page, err := d.engine.Messages(ctx, conversation.Contact, engine.Range{})
			if err == nil {
				c.take(conversation.Contact, page)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	if len(list) != len(in.counts) {
		d.t.Errorf("%s: %d conversations, want %d", d.name, len(list), len(in.counts))
	}
	if len(c.seen) != len(in.messages) || c.misplaced+c.twice+c.unordered+c.provisional+c.short > 0 {
		d.t.Errorf("%s: %d of %d messages; %d unknown or in another conversation, %d twice; of %d conversations %d are not complete, %d not in order, %d provisional",
			d.name, len(c.seen), len(in.messages), c.misplaced, c.twice, len(list), c.short, c.unordered, c.provisional)
	}
}

// comparison holds what many readers found.
type comparison struct {
	*input
	mu                                              sync.Mutex
	seen                                            map[container.MessageHash]bool
	misplaced, twice, short, unordered, provisional int
}

func (c *comparison) take(contact string, page engine.Page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, message := range page.Messages {
		switch {
		case c.messages[message.Hash] != contact:
			c.misplaced++
		case c.seen[message.Hash]:
			c.twice++
		default:
			c.seen[message.Hash] = true
		}
	}
	if len(page.Messages) != c.counts[contact] {
		c.short++
	}
	if !slices.IsSortedFunc(page.Messages, container.Envelope.Compare) {
		c.unordered++
	}
	if page.Provisional {
		c.provisional++
	}
}

// wantClean walks through the whole tree at the place.
func (d *device) wantClean(in *input) engine.Verification {
	d.t.Helper()
	found, err := d.engine.Verify(d.t.Context(), engine.VerifyOptions{Deep: true})
	if err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	wantNoProblems(d.t, "verify", found.Problems)
	if found.Messages != len(in.messages) || found.Conversations != len(in.counts) {
		d.t.Errorf("verify counts %d messages in %d conversations, want %d in %d", found.Messages, found.Conversations, len(in.messages), len(in.counts))
	}
	wantNoProblems(d.t, "status of "+d.name, d.engine.Status().Problems)
	return found
}

// wantNoProblems shows the first few.
func wantNoProblems(t *testing.T, what string, problems []engine.Problem) {
	t.Helper()
	kinds := make(map[string]int)
	for _, problem := range problems {
		if kinds[problem.Kind]++; kinds[problem.Kind] <= 2 {
			t.Errorf("%s: %+v", what, problem)
		}
	}
	if len(problems) > 0 {
		t.Errorf("%s: %d problems: %v", what, len(problems), kinds)
	}
}
