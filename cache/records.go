package cache

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
)

const (
	eachPageRows  = 256
	eachPageBytes = 1 << 20
)

// Records keeps small sealed values under a bucket and a key. Both are opaque
// names (hashes, random names) that may be seen by whoever reads the disk.
// Everything in it can be rebuilt from the provider: after a power loss the last
// transactions since Sync may be missing, though never a part of one. Methods are safe for
// concurrent use; a running Update does not block readers.
type Records struct {
	disk    Disk
	path    string
	rebuilt bool
	store   RecordStore
	linked  atomic.Bool // the names of its files are durable
}

// Get returns the value under key in bucket, and whether there is one.
func (r *Records) Get(bucket, key string) (sealed []byte, ok bool, err error) {
	if sealed, ok, err = r.store.Get(bucket, key); err != nil {
		return nil, false, r.fail("reading", err)
	}
	return sealed, ok, nil
}

// Tx is one transaction of Update, valid until its function returns. It belongs
// to that function's goroutine.
type Tx struct {
	records *Records
	changes RecordTransaction
}

// Put keeps sealed under key in bucket, in place of what was there.
func (t *Tx) Put(bucket, key string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{} // in a database nil would be NULL
	}
	if err := t.changes.Put(bucket, key, sealed); err != nil {
		return t.records.fail("putting", err)
	}
	return nil
}

// Delete removes key from bucket; an absent key is fine.
func (t *Tx) Delete(bucket, key string) error {
	if err := t.changes.Delete(bucket, key); err != nil {
		return t.records.fail("deleting", err)
	}
	return nil
}

// Update runs change in one transaction: all of it is kept, or, when change
// returns an error (which Update returns), nothing. Updates run one after the
// other; change must not call Update. Reads inside change don't see its writes.
func (r *Records) Update(change func(tx *Tx) error) error {
	changes, err := r.store.Begin()
	if err != nil {
		return r.fail("beginning", err)
	}
	defer func() { _ = changes.Rollback() }() // after Commit it does nothing
	if err := change(&Tx{records: r, changes: changes}); err != nil {
		return err
	}
	if err := changes.Commit(); err != nil {
		return r.fail("committing", err)
	}
	return nil
}

// Sync returns once every Update that returned before it would survive a power
// loss.
func (r *Records) Sync() error {
	if err := r.store.Sync(); err != nil {
		return r.fail("syncing", err)
	}
	if r.linked.Load() {
		return nil
	}
	if err := r.disk.SyncFolder(filepath.Dir(r.path)); err != nil {
		return r.fail("syncing", err)
	}
	r.linked.Store(true)
	return nil
}

// Each calls visit for every record of bucket in the order of keys, and ends
// with visit's first error. It reads in pages and holds nothing while visit
// runs, so visit may use Records freely; what changes behind the page that is
// being visited is seen as it is then.
func (r *Records) Each(bucket string, visit func(key string, sealed []byte) error) error {
	after, more := "", true
	for more {
		page, further, err := r.store.Page(bucket, after, eachPageRows, eachPageBytes)
		if err != nil {
			return r.fail("listing", err)
		}
		for _, record := range page {
			if err := visit(record.Key, record.Value); err != nil {
				return err
			}
			after = record.Key
		}
		more = further
	}
	return nil
}

// fail names the doing, and leaves a mark for the next Open when the store
// turned out to be damaged.
func (r *Records) fail(doing string, err error) error {
	err = fmt.Errorf("cache: %s records: %w", doing, err)
	if errors.Is(err, ErrDamaged) {
		return errors.Join(err, r.disk.WriteFile(r.path+damageMark, nil))
	}
	return err
}

func (r *Records) close() error {
	if err := r.store.Close(); err != nil {
		return fmt.Errorf("cache: closing records: %w", err)
	}
	return nil
}
