package main

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"github.com/vbauerster/mpb/v8"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func TestProgressIsSilentWithoutATerminal(t *testing.T) {
	p, _, out := testProgram(nil)
	g := p.newProgress()
	g.update(engine.Progress{Step: "push", Done: 1, Total: 2})
	g.finish()
	if out.Len() > 0 {
		t.Errorf("output %q", out)
	}
}

// TestProgressEnds: whatever was reported, in whatever order and by however many
// goroutines, finish returns and the bars are gone.
func TestProgressEnds(t *testing.T) {
	for name, states := range map[string][]engine.Progress{
		"nothing":     nil,
		"unknown":     {{Step: "pull"}},
		"unfinished":  {{Step: "pull", Done: 1, Total: 5, Unit: "objects"}},
		"several":     {{Step: "pull", Done: 5, Total: 5}, {Step: "push", Done: 1, Total: 2, Unit: "bytes"}, {Step: "pull", Done: 1, Total: 9}},
		"overrun":     {{Step: "push", Done: 9, Total: 2}, {Step: "push", Done: 10, Total: 2}},
		"turned back": {{Step: "push", Done: 9, Total: 10}, {Step: "push", Done: 1, Total: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &progress{container: mpb.New(mpb.WithOutput(io.Discard), mpb.WithAutoRefresh())}
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					for _, state := range states {
						g.update(state)
					}
				})
			}
			group.Wait()
			g.finish()
		})
	}
}

func TestProgressShowsTheStep(t *testing.T) {
	out := &bytes.Buffer{}
	g := &progress{container: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithWidth(60))}
	g.update(engine.Progress{Step: "push", Done: 1, Total: 2, Unit: "messages"})
	g.bar.SetCurrent(2)
	g.container.Shutdown()
	if !bytes.Contains(out.Bytes(), []byte("push")) {
		t.Errorf("output %q", out)
	}
}
