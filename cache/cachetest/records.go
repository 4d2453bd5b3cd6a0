package cachetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
)

// lossWindow is how many of the last transactions a crash may take at most.
const lossWindow = 64

// records is the content of a store of records. Values never change in place.
type records struct {
	buckets table[*bucket]
	size    int64
	undo    [][]change // of transactions that a crash may take
	damaged bool
}

type bucket struct{ rows table[[]byte] }

// change puts a value under a key, or, where it is nil, removes the key.
type change struct {
	bucket, key string
	value       []byte
}

// apply does a change and returns what undoes it.
func (r *records) apply(c change) (undo change) {
	in, ok := r.buckets.get(c.bucket)
	if !ok {
		in = &bucket{}
		r.buckets.put(c.bucket, in)
	}
	old, ok := in.rows.get(c.key)
	if ok {
		r.size -= int64(len(c.key) + len(old))
	}
	if c.value != nil {
		in.rows.put(c.key, c.value)
		r.size += int64(len(c.key) + len(c.value))
	} else {
		in.rows.cut(c.key)
	}
	return change{c.bucket, c.key, old}
}

func (r *records) commit(changes []change) {
	undo := make([]change, 0, len(changes))
	for _, c := range changes {
		undo = append(undo, r.apply(c))
	}
	if r.undo = append(r.undo, undo); len(r.undo) > lossWindow {
		r.undo = slices.Delete(r.undo, 0, 1)
	}
}

// takeBack undoes the last transaction.
func (r *records) takeBack() {
	last := len(r.undo) - 1
	for _, c := range slices.Backward(r.undo[last]) {
		r.apply(c)
	}
	r.undo = r.undo[:last]
}

// hold tells whether a key or a value holds a text.
func (r *records) hold(text []byte) bool {
	return slices.ContainsFunc(r.buckets, func(b row[*bucket]) bool {
		return slices.ContainsFunc(b.value.rows, func(one row[[]byte]) bool {
			return bytes.Contains([]byte(one.key), text) || bytes.Contains(one.value, text)
		})
	})
}

// crash takes back some of the last transactions, often none.
func (r *records) crash(random *rand.Rand) {
	if random.IntN(2) == 0 {
		for range random.IntN(len(r.undo) + 1) {
			r.takeBack()
		}
	}
	r.undo = nil
}

func (r *records) clone() *records {
	copied := &records{size: r.size, damaged: r.damaged}
	for _, in := range r.buckets {
		copied.buckets.put(in.key, &bucket{rows: slices.Clone(in.value.rows)})
	}
	return copied
}

// OpenRecords is cache.Disk's. A damaged store that is not looked at thoroughly
// opens, and fails when it is used.
func (s *Session) OpenRecords(path string, thorough bool) (cache.RecordStore, error) {
	if err := s.create(path, func() *node { return &node{records: &records{}} }); err != nil {
		return nil, err
	}
	opened := &store{session: s, path: path, turn: make(chan struct{}, 1)}
	err := s.look("open records", path, func() (err error) {
		opened.node, err = s.disk.find(path)
		switch {
		case err != nil:
			return err
		case opened.node.records == nil, thorough && opened.node.records.damaged:
			return cache.ErrDamaged
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// store is a cache.RecordStore.
type store struct {
	session *Session
	path    string
	node    *node
	turn    chan struct{} // holds the transaction that runs
	closed  bool          // guarded by the disk's lock
}

// usable looks whether the store can be used, with the disk locked.
func (st *store) usable() error {
	if st.closed {
		return cache.ErrClosed
	}
	if st.node.records.damaged {
		return cache.ErrDamaged
	}
	return nil
}

// Get is cache.RecordStore's.
func (st *store) Get(bucket, key string) (value []byte, ok bool, err error) {
	err = st.session.look("read record", st.path, func() error {
		if in, exists := st.node.records.buckets.get(bucket); exists {
			value, ok = in.rows.get(key)
		}
		value = bytes.Clone(value)
		return st.usable()
	})
	if err != nil {
		return nil, false, err
	}
	return value, ok, nil
}

// Page is cache.RecordStore's.
func (st *store) Page(bucket, after string, rows, size int) (page []cache.Record, more bool, err error) {
	err = st.session.look("list records", st.path, func() error {
		in, exists := st.node.records.buckets.get(bucket)
		if err := st.usable(); err != nil || !exists {
			return err
		}
		at, found := in.rows.search(after)
		if found {
			at++
		}
		for taken := 0; at < len(in.rows) && len(page) < rows && taken < size; at++ {
			page = append(page, cache.Record{Key: in.rows[at].key, Value: bytes.Clone(in.rows[at].value)})
			taken += len(in.rows[at].value)
		}
		more = at < len(in.rows)
		return nil
	})
	return page, more, err
}

// Begin is cache.RecordStore's.
func (st *store) Begin() (cache.RecordTransaction, error) {
	st.turn <- struct{}{}
	if err := st.session.look("begin transaction", st.path, st.usable); err != nil {
		<-st.turn
		return nil, err
	}
	return &transaction{store: st}, nil
}

// Sync is cache.RecordStore's. One that fails takes nothing back.
func (st *store) Sync() error {
	return st.session.do(call{Operation: Operation{Kind: Checkpoint, Path: st.path}, effect: func() error {
		if err := st.usable(); err != nil {
			return err
		}
		st.node.records.undo = nil
		return nil
	}})
}

// Close is cache.RecordStore's. It makes all transactions durable.
func (st *store) Close() error {
	st.turn <- struct{}{}
	defer func() { <-st.turn }()
	closed := false
	err := st.session.look("close records", st.path, func() error {
		closed, st.closed = st.closed, true
		return nil
	})
	if err != nil || closed {
		return err
	}
	return st.session.do(call{Operation: Operation{Kind: Checkpoint, Path: st.path}, effect: func() error {
		st.node.records.undo = nil
		return nil
	}})
}

// transaction is a cache.RecordTransaction.
type transaction struct {
	store   *store
	changes []change
	bytes   int
	ended   bool
}

// add notes a change.
func (t *transaction) add(c change) error {
	if t.ended {
		return fmt.Errorf("cachetest: changing a record: the transaction has ended: %w", cache.ErrClosed)
	}
	err := t.store.session.look("change record", t.store.path, t.store.usable)
	if err != nil {
		return err
	}
	t.changes = append(t.changes, c)
	t.bytes += len(c.value)
	return nil
}

// Put is cache.RecordTransaction's.
func (t *transaction) Put(bucket, key string, value []byte) error {
	return t.add(change{bucket, key, append([]byte{}, value...)})
}

// Delete is cache.RecordTransaction's.
func (t *transaction) Delete(bucket, key string) error { return t.add(change{bucket, key, nil}) }

// Commit is cache.RecordTransaction's.
func (t *transaction) Commit() error {
	st := t.store
	if t.ended {
		return fmt.Errorf("cachetest: committing: the transaction has ended: %w", cache.ErrClosed)
	}
	defer t.end()
	return st.session.do(call{Operation: Operation{Kind: Commit, Path: st.path, Bytes: t.bytes}, effect: func() error {
		if err := st.usable(); err != nil {
			return err
		}
		d, r := st.session.disk, st.node.records
		before := r.size
		r.commit(t.changes)
		grown := blocks(r.size) - blocks(before)
		if grown > 0 && d.used+grown > d.limit {
			r.takeBack()
			return syscall.ENOSPC
		}
		if st.node.linked {
			d.used += grown
		}
		return nil
	}})
}

// Rollback is cache.RecordTransaction's.
func (t *transaction) Rollback() error {
	if !t.ended {
		t.end()
	}
	return nil
}

func (t *transaction) end() {
	t.ended, t.changes = true, nil
	<-t.store.turn
}
