package engine

import (
	"slices"

	"github.com/dm3sync/dm3sync/cache"
)

// A run that did not end in good order can leave a cache that is older than what
// the journal has forgotten: blobs and the last records are not synced. Until a
// look at the heads has told what there is, pages say so; a restart before that
// look changes nothing.

// openBehind finds out whether the cache may be older than what was shown.
func (e *Engine) openBehind() error {
	_, known, err := e.record("meta", "behind")
	if err != nil {
		return err
	}
	e.behind = known || e.o.Cache.Unclean() || e.o.Cache.Rebuilt()
	if !e.behind || known {
		return nil
	}
	return e.o.Cache.Records().Update(func(tx *cache.Tx) error { return e.putRecord(tx, "meta", "behind", nil) })
}

// caughtUp notes that a look has told what there is.
func (e *Engine) caughtUp() error {
	e.mu.Lock()
	behind := e.behind
	e.behind = false
	var explained []string
	e.unread = slices.DeleteFunc(e.unread, func(name string) bool {
		if e.heads[name] == nil && e.covered(name) {
			explained = append(explained, name)
		}
		return e.heads[name] != nil || e.covered(name)
	})
	e.gapless = nil
	e.mu.Unlock()
	if behind {
		if err := e.dropRecords("meta", "behind"); err != nil {
			return err
		}
	}
	if len(explained) == 0 {
		return nil
	}
	return e.dropRecords("head", explained...)
}

// lacks says why the catalogue may lack what this device has shown before, or what
// later heads rest on: a head that is not here was written (a look that was cut
// short leaves such gaps, too), or the cache may be older than the journal. The
// caller holds e.mu.
func (e *Engine) lacks() (reasons []string) {
	if e.hasGaps() {
		reasons = append(reasons, "another device wrote something that the place does not show yet")
	}
	if e.behind {
		reasons = append(reasons, "this device did not end in good order and has not looked at the place since; messages that it had uploaded may be missing")
	}
	return reasons
}
