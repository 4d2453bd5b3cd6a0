package mirror

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Options say between which places a mirror stands. All but Shared, Now, Random, Log
// and Progress are required.
type Options struct {
	// Name is the user's word for the mirror, Place says where it is: what is
	// remembered belongs to the place.
	Name, Place string
	// Shared says that devices which don't know of the primary write to the mirror:
	// what they write is taken over, and nothing that they remove is an alarm.
	Shared  bool
	Engine  *engine.Engine
	Primary providers.Store // as the engine sees it
	Mirror  providers.Store // retries and limits already around it
	Records *cache.Records  // of the account's cache
	Sealer  *seal.Sealer
	Now     func() time.Time
	Random  io.Reader
	Log     *slog.Logger
	// Progress is told how far a pass is; called by one goroutine at a time.
	Progress func(engine.Progress)
}

// Work says what a pass does besides copying what the catalogue names and the mirror is
// not known to hold, which asks no place for a listing.
type Work struct {
	Look bool // list the mirror, and remove what is superseded
	// Whole lists the primary, too, for what nothing names and what it lost, and reads
	// a sample of what the mirror holds.
	Whole bool
}

// Report counts what a pass did, in objects.
type Report struct {
	Copied   int   `json:"copied"`   // to the mirror
	Bytes    int64 `json:"bytes"`    // of those
	Restored int   `json:"restored"` // to the primary
	Heads    int   `json:"heads"`    // among those: the engine has news to pull
	Removed  int   `json:"removed"`  // from the mirror, superseded
	Mended   int   `json:"mended"`   // written again at the mirror, since it did not hold them whole
	Waiting  int   `json:"waiting"`  // needed ones that the mirror lacks still
}

// Mirror keeps one further place of an account. Passes run one at a time, whoever asks.
type Mirror struct {
	o    Options
	turn chan struct{}

	// Of the holder of turn alone.
	held    map[fingerprint]byte // what the mirror is known to hold
	looked  bool                 // the mirror was listed since the start
	erased  bool                 // the user has left it
	looks   int64                // of the engine when it was listed last
	ailing  []string             // objects of the primary that the mirror was asked for last
	settled map[string]bool      // at the mirror alone, and to stay: superseded where nothing is deleted, or not ours

	mu      sync.Mutex
	record  record // as kept
	objects int    // that it held after the last pass
}

// Open reads what is remembered of a mirror. It makes no request.
func Open(o Options) (*Mirror, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mirror{o: o, turn: make(chan struct{}, 1), looks: math.MaxInt64, settled: make(map[string]bool)}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("mirror: %s: %w", o.Name, err)
	}
	return m, nil
}

// Pass brings the mirror up to the catalogue, and the primary up to what only the
// mirror has. It may end early with an error that matches the sentinels of providers:
// what was done stays, and the next pass goes on.
func (m *Mirror) Pass(ctx context.Context, w Work) (Report, error) {
	if err := m.take(ctx); err != nil {
		return Report{}, err
	}
	defer m.release()
	var report Report
	if m.erased {
		return report, nil
	}
	err := m.run(ctx, w, &report)
	m.finish(err, &report)
	if err != nil {
		return report, fmt.Errorf("mirror: %s: %w", m.o.Name, err)
	}
	return report, nil
}

func (m *Mirror) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Mirror) release() { <-m.turn }

func (m *Mirror) run(ctx context.Context, w Work, report *Report) error {
	if m.o.Engine.Status().State == "blocked" {
		return fmt.Errorf("%w: a mirror waits until the account's own place is in order", engine.ErrBlocked)
	}
	w, err := m.least(ctx, w)
	if err != nil {
		return err
	}
	if err := m.heal(ctx, w.Look, report); err != nil {
		return err
	}
	s, tree, err := m.see(ctx, w)
	if err != nil {
		return err
	}
	p := decide(s)
	if err := m.notice(ctx, &s, &p); err != nil {
		return err
	}
	if m.o.Shared { // first what others wrote: it may stand for what they removed
		if err := m.judge(ctx, tree, &s, p.judge, false, report); err != nil {
			return err
		}
		if report.Heads > 0 {
			report.Waiting = len(p.copies)
			m.remember(w, &s, &p, report)
			return nil
		}
	}
	if report.Waiting, err = m.copyAll(ctx, tree, p.copies, report); err != nil {
		return err
	}
	if !w.Look {
		return nil
	}
	if w.Whole {
		if err := m.compare(ctx, tree, &s, p.compare, report); err != nil {
			return err
		}
	}
	if err := m.restore(ctx, tree, p.restore, report); err != nil {
		return err
	}
	if err := m.judge(ctx, tree, &s, p.judge, report.Waiting == 0, report); err != nil {
		return err
	}
	m.remember(w, &s, &p, report)
	return nil
}

// remember keeps what a look found for the next one.
func (m *Mirror) remember(w Work, s *sight, p *plan, report *Report) {
	m.looked, m.looks = true, s.looks
	maps.DeleteFunc(p.waiting, func(name string, _ bool) bool { return m.settled[name] })
	if w.Whole && m.o.Mirror.Properties().Deletes {
		clear(m.settled) // looked at anew now and then
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record.Waiting = p.waiting
	if report.Waiting == 0 {
		m.lower(kindGone, "everything is there again")
	}
	if w.Whole {
		m.record.Whole = m.o.Now()
	}
}

// least adds to a pass what it can't do without: a look after the start, everything
// when that was never seen, and a look where another device wrote a head.
func (m *Mirror) least(ctx context.Context, w Work) (Work, error) {
	m.mu.Lock()
	w.Whole = w.Whole || m.record.Whole.IsZero()
	m.mu.Unlock()
	w.Look = w.Look || w.Whole || !m.looked
	if w.Look || !m.o.Shared {
		return w, nil
	}
	tree := m.o.Engine.Tree()
	for object, err := range m.o.Mirror.List(ctx, tree.Heads()) {
		if err != nil {
			return w, fmt.Errorf("listing the heads: %w", err)
		}
		w.Look = w.Look || !m.holds(object.Name)
	}
	return w, nil
}

// see lists what a pass looks at: the mirror first, so that what it lacks of a later
// catalogue was not removed from the primary before.
func (m *Mirror) see(ctx context.Context, w Work) (s sight, tree *engine.Tree, err error) {
	s = sight{held: m.holds, shared: m.o.Shared}
	if w.Look {
		if s.mirror, err = list(ctx, m.o.Mirror); err != nil {
			return s, nil, fmt.Errorf("listing it: %w", err)
		}
	}
	s.looks, tree = m.o.Engine.Looks(), m.o.Engine.Tree()
	if w.Whole {
		if s.primary, err = list(ctx, m.o.Primary); err != nil {
			return s, nil, fmt.Errorf("listing the account's own place: %w", err)
		}
	}
	s.isHead = tree.IsHead
	for object := range tree.Objects() {
		s.needed = append(s.needed, object)
	}
	m.mu.Lock()
	s.waiting = m.record.Waiting
	m.mu.Unlock()
	return s, tree, nil
}

func list(ctx context.Context, store providers.Store) (map[string]int64, error) {
	listing := make(map[string]int64)
	for object, err := range store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		listing[object.Name] = object.Size
	}
	return listing, nil
}

// parallel is how many objects travel at once: half of what the places take, so that
// the engine's own requests find room.
func (m *Mirror) parallel() int {
	least := 16
	for _, store := range []providers.Store{m.o.Primary, m.o.Mirror} {
		if n := store.Properties().Parallel; n > 0 {
			least = min(least, n)
		}
	}
	return max(1, least/2)
}

func (m *Mirror) progress(step string, done, total int) {
	if m.o.Progress != nil {
		m.o.Progress(engine.Progress{Step: step, Done: int64(done), Total: int64(total), Unit: "objects"})
	}
}
