package main

import (
	"context"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// progress shows what an operation is doing, on the error stream when that is a
// terminal; else it does nothing.
type progress struct {
	mutex     sync.Mutex
	container *mpb.Progress
	bar       *mpb.Bar
	step      string
}

// newProgress returns a progress display; finish must be called.
func (p *program) newProgress() *progress {
	if p.quiet || p.json || !p.isTerminal(p.err) {
		return &progress{}
	}
	return &progress{container: mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(64))}
}

// showing does work for an account, and shows its progress: on the terminal, and where an agent has the account, among what that does.
// Kind and text say what it is; see [api.Reporting].
func (p *program) showing(ctx context.Context, s *session, kind, text string, work func(progress func(engine.Progress)) error) error {
	bar := p.newProgress()
	defer bar.finish()
	reporting, ok := s.Account.(api.Reporting)
	if !ok {
		return work(bar.update)
	}
	return reporting.Report(ctx, kind, text, func(tell func(engine.Progress)) error {
		return work(func(state engine.Progress) {
			bar.update(state)
			tell(state)
		})
	})
}

// update shows a state; each new step gets a new bar. Safe for concurrent use.
func (g *progress) update(state engine.Progress) {
	if g.container == nil {
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.bar == nil || g.step != state.Step {
		g.endBar()
		g.step = state.Step
		counters := decor.CountersNoUnit("%d / %d " + display.Unit(state.Unit))
		if state.Unit == "bytes" {
			counters = decor.CountersKibiByte("% .1f / % .1f")
		}
		g.bar = g.container.AddBar(state.Total, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(display.Step(state.Step), decor.WCSyncSpaceR)), mpb.AppendDecorators(counters))
	}
	g.bar.SetTotal(state.Total, false)
	g.bar.SetCurrent(state.Done)
}

// finish takes the display away; nothing may call update afterwards.
func (g *progress) finish() {
	if g.container == nil {
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.endBar()
	g.container.Wait()
}

func (g *progress) endBar() {
	if g.bar != nil {
		g.bar.Abort(true)
		g.bar = nil
	}
}
