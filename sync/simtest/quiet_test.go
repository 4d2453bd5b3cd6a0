package simtest

import (
	"context"
	"strings"

	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// checkQuiet checks that nothing is left to do and that what is stored is
// bounded by how much there is, whatever happened before.
func (w *world) checkQuiet(a *account) {
	for _, d := range w.devices {
		if d.gone || d.account != a {
			continue
		}
		before := d.server.puts
		w.tasks(func() { d.pass(engine.Work{}) })
		if n := d.server.puts - before; n > 0 {
			w.fail("device %d still writes %d objects when all is quiet", d.id, n)
		}
	}
	if w.carrier == nil {
		w.checkObjects(a)
	}
}

// checkObjects bounds the objects of each container and the heads.
func (w *world) checkObjects(a *account) {
	counts := make(map[string]int)
	for _, object := range w.server.list("") {
		key, _, _ := strings.Cut(object.Name, "/")
		counts[key]++
	}
	// A container keeps a few objects of growing sizes, heads a few of each class.
	most := reconcile.ManyStates + 16
	for key, count := range counts {
		if count > max(most, 3*reconcile.ManyHeads) {
			w.fail("container %s has %d objects when all is quiet", key[:10], count)
		}
	}
}

// verify looks at everything with the eyes of a device.
func (w *world) verify(d *device) {
	found, err := d.Verify(context.Background(), engine.VerifyOptions{Deep: true})
	if err != nil {
		w.fail("verify: %v", err)
		return
	}
	for _, problem := range found.Problems {
		w.fail("verify: %s %s: %s", problem.Kind, problem.Object, problem.Detail)
	}
}
