package engine

import (
	"context"
	"errors"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// A cache that was copied, or put back from a backup, makes two devices of one
// name. No head's name is used twice, since incarnations are drawn at each start;
// but each would take the other for itself, and in a carried folder remove what
// the other has not received. So a device remembers its incarnations, and one
// that meets a head of its own name and of an incarnation that was never its own
// takes another name, for good. Whoever was right to keep it does the same when it
// meets the other one; nothing is lost by that but the name.
//
// A machine that was halted with the agent running, and goes on twice or goes on from
// an older moment, makes two devices of one incarnation, which would write two heads
// of one name. A head of the present incarnation whose number was not given here yet
// shows it: then the next head begins another incarnation.

// openIncarnations reads which incarnations were this device's.
func (e *Engine) openIncarnations() error {
	e.own = map[string]bool{e.incarnation: true}
	return e.o.Cache.Records().Each("incarnation", func(name string, _ []byte) error {
		e.own[name] = true
		return nil
	})
}

// keepIncarnation notes, before the first head of this run, whose it is.
func (e *Engine) keepIncarnation() error {
	if e.kept {
		return nil
	}
	err := e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "incarnation", e.incarnation, nil) })
	e.kept = err == nil
	return err
}

// isClone tells whether a head was written by a copy of this device. Of a copy of
// this very run it is remembered, for the next head.
func (e *Engine) isClone(head *container.Head) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	twin := head.Incarnation == e.incarnation && head.Sequence >= e.sequence
	if twin {
		e.twin, e.leftover = true, true // the heads of before may be written over: a scrub compares them
	}
	return head.Device == e.device && !e.own[head.Incarnation] || twin
}

// leaveTwin begins another incarnation when a copy of this run was met. The caller
// holds the turn.
func (e *Engine) leaveTwin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.twin {
		e.o.Log.Info("a copy of this run wrote to the place, as after a snapshot of the machine was put back; this one goes on as another")
		e.beginIncarnation()
	}
}

// uniteTwins takes in a head that is at the place under the name of another one, which
// this device holds: only a copy of a run can have written over the head of the other,
// when both wrote before either looked. One head of a new name says what both do, and
// stands for them.
func (e *Engine) uniteTwins(ctx context.Context, name string, there *container.Head) error {
	e.o.Log.Info("two copies of one run wrote a head of one name, as after a snapshot of the machine was put back; what both say is kept", "head", name)
	if there.Device == e.device {
		if err := e.rename(); err != nil {
			return err
		}
	}
	if err := errors.Join(e.doubt(e.replacedBy(there)), e.meet(there.Device)); err != nil {
		return err
	}
	var news reconcile.Catalogue
	e.mu.Lock()
	e.twin = e.twin || there.Incarnation == e.incarnation
	e.addHead(&news, name, there)
	e.mu.Unlock()
	if _, err := e.writeHead(ctx, &news, inlineBodies(there), true); err != nil {
		return err
	}
	return e.heed(there)
}

// beginIncarnation draws an incarnation, of which nothing was written. The caller
// holds the turn and e.mu.
func (e *Engine) beginIncarnation() {
	e.incarnation, e.sequence, e.twin, e.kept, e.gapless = e.randomName(8), 0, false, false, nil
	e.own[e.incarnation] = true
}

// rename gives this device another name. The old one counts as another device's
// from now on.
func (e *Engine) rename() error {
	name := e.randomName(10)
	e.mu.Lock()
	old := e.device
	e.device = name
	e.mu.Unlock()
	e.o.Log.Info("another device has this one's name, as after copying its cache; this one took a new name")
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error {
		if err := e.putRecord(tx, "device", old, nil); err != nil {
			return err
		}
		return e.putRecord(tx, "meta", "device", []byte(name))
	})
}
