package acceptance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// settleRounds is how often two devices may take turns until neither has anything to do.
const settleRounds = 10

// TestWholeCorpus: half of the messages come from one device alone, the other half from two at once; then both of them and
// a fresh third hold exactly the input, and the place has learned nothing.
func TestWholeCorpus(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			in := newInput(t, s)
			for _, newPlace := range places() {
				p := newPlace(t, nil)
				t.Run(p.name, func(t *testing.T) { wholeCorpusOn(t, s, in, p) })
			}
		})
	}
}

func wholeCorpusOn(t *testing.T, s shape, in *input, p place) {
	one, two := newDevice(t, p, "one", s.limit), newDevice(t, p, "two", s.limit)
	half := in.lines / 2

	alone := startPhase(t, "one device, one half", one)
	if err := one.append(t.Context(), in.open(t, func(line int) bool { return line < half })); err != nil {
		t.Fatal(err)
	}
	one.settle()
	alone.end(fmt.Sprintf("%+v", one.work))

	both := startPhase(t, "two at once, other half", one, two)
	group, ctx := errgroup.WithContext(t.Context())
	for i, d := range []*device{one, two} {
		lines := in.open(t, func(line int) bool { return line >= half && line%2 == i })
		group.Go(func() error { return d.live(ctx, lines) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	both.end("")
	rest := startPhase(t, "until nothing moves", one, two)
	rounds := untilQuiet(t, one, two)
	rest.end(fmt.Sprintf("%d rounds; one %+v; two %+v", rounds, one.work, two.work))

	three := newDevice(t, p, "three", s.limit)
	for _, d := range []*device{one, two, three} {
		reading := startPhase(t, d.name+" reads everything", d)
		d.mustPass(engine.Work{})
		d.wantAll(in)
		reading.end("")
	}
	verifying := startPhase(t, "three verifies", three)
	found := three.wantClean(in)
	found.Problems = nil
	verifying.end(fmt.Sprintf("%+v", found))
	looking := startPhase(t, "looking for secrets", three)
	wantNoSecrets(t, three, in)
	looking.end("")
	for _, d := range []*device{one, two} {
		wantNoProblems(t, "status of "+d.name, d.engine.Status().Problems)
	}
}

// live appends lines while passes run, as an agent does, and settles.
func (d *device) live(ctx context.Context, lines *picked) error {
	appended := make(chan error, 1)
	go func() { appended <- d.append(ctx, lines) }()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case err := <-appended:
			if err != nil {
				return err
			}
			_, err = d.pass(ctx, engine.Work{Settle: true})
			return err
		case <-pause.C:
			if _, err := d.pass(ctx, engine.Work{Flush: true}); err != nil {
				<-appended
				return err
			}
		}
	}
}

// untilQuiet lets two devices settle at once until nothing moves on either, and returns how often it took.
func untilQuiet(t *testing.T, devices ...*device) int {
	t.Helper()
	var last []engine.Report
	for round := range settleRounds {
		last = make([]engine.Report, len(devices))
		group, ctx := errgroup.WithContext(t.Context())
		for i, d := range devices {
			group.Go(func() (err error) {
				last[i], err = d.pass(ctx, engine.Work{Settle: true})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		moved := false
		for _, report := range last {
			moved = moved || report != engine.Report{}
		}
		if !moved {
			return round + 1
		}
	}
	t.Errorf("after %d rounds something still moves: %+v", settleRounds, last)
	return settleRounds
}
