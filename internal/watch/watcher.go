package watch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// every is how often the accounts are looked at.
	every = 30 * time.Second
	// saveEvery is how often what was waited is kept over a restart, where nothing
	// was told.
	saveEvery = 10 * time.Minute
	// deliverWait bounds one delivery, whatever it does.
	deliverWait = time.Minute
	// lastWait is what is left for all of them when the agent stops.
	lastWait = 2 * time.Second
	// queue is how many notices may wait for a delivery that is slow.
	queue = 64
)

// Notifier gives a notice to somebody.
type Notifier interface {
	// Notify returns when the notice is delivered, or the context has ended. It is
	// called from one goroutine at a time.
	Notify(ctx context.Context, n Notice) error
}

// Options say what a watcher works with. Read, File, Log, Now and Random are
// required.
type Options struct {
	// Read reads all accounts, and never waits.
	Read func() []Reading
	// Settings are those of now: a reload may change them.
	Settings func() Settings
	// Notifiers are those of now, who are told one after the other: a reload may change them. nil: nobody.
	Notifiers func() []Notifier
	// File is where what was told is remembered.
	File string
	Log  *slog.Logger
	// Now is for display and for heartbeats; its monotonic part says how long the
	// device was awake.
	Now    func() time.Time
	Random io.Reader
}

// Settings are what the configuration says.
type Settings struct {
	Rules     Rules
	Heartbeat string        // of all accounts; empty: none
	Interval  time.Duration // between two calls of a heartbeat, at least
}

// Watcher looks at the accounts of a running agent. It is safe for concurrent use.
type Watcher struct {
	o      Options
	looked atomic.Pointer[time.Time] // when it looked last, as Options.Now told it
	hearts *hearts

	mu    sync.Mutex
	kept  *Kept
	saved time.Time // when the file was written last
}

// New prepares a watcher. It reads what was told before; that this fails, and
// forgets it, is logged.
func New(o Options) *Watcher {
	kept, err := Load(o.File, o.Random)
	if err != nil {
		o.Log.Warn("what was told before is not known: a notice may come twice", "error", err)
	}
	w := &Watcher{o: o, kept: kept, hearts: newHearts(o)}
	w.saved = o.Now()
	return w
}

// Number stands for an account in metrics; see [Kept.Number].
func (w *Watcher) Number(account string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.Number(account)
}

// Run looks at the accounts until ctx ends, and keeps what it knows.
func (w *Watcher) Run(ctx context.Context) {
	notices := make(chan Notice, queue)
	var group sync.WaitGroup
	// Notices that wait when the agent stops are remembered as told: they have a moment.
	held, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWait, give) })()
	group.Go(func() { w.deliver(held, notices) })
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := w.o.Now()
	for {
		select {
		case <-ctx.Done():
			close(notices)
			group.Wait()
			w.hearts.wait()
			w.save(w.o.Now(), true)
			return
		case <-ticker.C:
		}
		now := w.o.Now()
		// A system that counts its sleep as time has not been awake for longer.
		w.step(ctx, now, min(now.Sub(last), 2*every), notices)
		last = now
	}
}

// step looks once, passed after the last time.
func (w *Watcher) step(ctx context.Context, now time.Time, passed time.Duration, notices chan<- Notice) {
	readings, settings := w.o.Read(), w.o.Settings()
	w.looked.Store(&now)
	var told []Notice
	w.mu.Lock()
	for i := range readings {
		r := &readings[i]
		for _, verdict := range settings.Rules.Judge(w.kept.memory(r.Name), passed, r) {
			told = append(told, newNotice(verdict, r, now))
		}
	}
	w.mu.Unlock()
	w.save(now, len(told) > 0) // before it is told: better once too few than twice
	for _, n := range told {
		select {
		case notices <- n:
		default:
			w.o.Log.Warn("a notice is dropped: others are still being delivered", "cause", n.Cause)
		}
	}
	w.hearts.look(ctx, now, readings, settings, w.keepBeat)
}

// deliver hands notices on, one by one.
func (w *Watcher) deliver(ctx context.Context, notices <-chan Notice) {
	for n := range notices {
		var notifiers []Notifier
		if w.o.Notifiers != nil {
			notifiers = w.o.Notifiers()
		}
		for _, notifier := range notifiers {
			ctx, cancel := context.WithTimeout(ctx, deliverWait)
			if err := notifier.Notify(ctx, n); err != nil && !errors.Is(err, ErrNoDesktop) {
				w.o.Log.Warn("a notice could not be delivered", "cause", n.Cause, "error", err)
			}
			cancel()
		}
	}
}

func (w *Watcher) keepBeat(account string, b Beat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := BeatOfAll
	if account != allAccounts {
		number = w.kept.Number(account)
	}
	w.kept.Heartbeats[number] = b
}

// save writes the file when it is due, or at once.
func (w *Watcher) save(now time.Time, atOnce bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !atOnce && now.Sub(w.saved) < saveEvery {
		return
	}
	w.saved = now
	if err := w.kept.Save(w.o.File); err != nil {
		w.o.Log.Warn("what was told is not kept over a restart", "error", err)
	}
}
