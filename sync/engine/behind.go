package engine

import "github.com/dm3sync/dm3sync/cache"

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
	e.mu.Unlock()
	if !behind {
		return nil
	}
	return e.dropRecords("meta", "behind")
}

// doubt marks a page that was read from a cache that may be older than what the
// device has shown before, or while a head is missing: later ones may rest on it.
func (p *Page) doubt(behind, gapped bool) {
	if gapped {
		p.Provisional = true
		p.Reasons = append(p.Reasons, "another device wrote something that the provider does not show yet")
	}
	if behind {
		p.Provisional = true
		p.Reasons = append(p.Reasons, "this device did not end in good order and has not looked at the provider since; messages that it had uploaded may be missing")
	}
}
