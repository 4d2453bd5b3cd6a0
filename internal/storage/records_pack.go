package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A pack holds up to packRecords records, or as many as fit in packBytes. Packing
// begins when packAt objects lie alone: it takes all of them that are not halted, so
// that what is halted can be listed.
const (
	packAt      = 256
	packRecords = 512
	packBytes   = 4 << 20
	maxPack     = 128 << 20
)

// pack puts records that lie alone together, so that listings do not grow by one name
// for every record. A pack is put, read back whole, and only then what it holds is
// removed; two instances that do so at once both keep everything. It may be broken
// off at any time.
func (r *Records) pack(ctx context.Context, account, conversation string) error {
	s, err := r.shelf(ctx, account, conversation)
	if err != nil {
		return err
	}
	list, done := s.unpacked()
	if err := r.dropPacked(ctx, s, done); err != nil {
		return err
	}
	for len(list) > 0 {
		n, size := 0, int64(0)
		for n < min(len(list), packRecords) && size < packBytes {
			size += list[n].size
			n++
		}
		if err := r.packSome(ctx, messagePrefix(account, conversation), s, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// unpacked sorts the records of which something lies alone: those to pack, and those
// whose state is in a pack already, as after a packing that broke off.
func (s *shelf) unpacked() (list, done []version) {
	for id, versions := range s.versions {
		now := s.current(id)
		if !now.packable() || !slices.ContainsFunc(versions, version.alone) {
			continue
		}
		// The time of creation is the earliest of all versions: a pack must know it
		// before the others go.
		knows := func(v version) bool { return !v.alone() && v.created == now.created }
		if now.alone() || !slices.ContainsFunc(versions, knows) {
			list = append(list, now)
		} else {
			done = append(done, now)
		}
	}
	slices.SortFunc(list, func(a, b version) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id)) })
	return list, done
}

// dropPacked removes what lies alone of records whose state is in a pack, once that
// was read.
func (r *Records) dropPacked(ctx context.Context, s *shelf, done []version) error {
	bodies, err := r.bodies(ctx, done)
	if err != nil {
		return err
	}
	for i, b := range bodies {
		if recordID(b.ID) != done[i].id {
			return fmt.Errorf("storage: reading a pack: %w", errDamaged)
		}
	}
	return r.dropAlone(ctx, s, done)
}

// dropAlone removes all versions of some records that lie alone.
func (r *Records) dropAlone(ctx context.Context, s *shelf, records []version) error {
	var gone []string
	for _, record := range records {
		for _, v := range s.versions[record.id] {
			if v.alone() {
				gone = append(gone, v.object)
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := r.o.Store.Delete(ctx, gone...); err != nil {
		return fmt.Errorf("storage: removing what was packed: %w", err)
	}
	return nil
}

// packSome makes one pack of some versions, and removes what lies alone of them.
func (r *Records) packSome(ctx context.Context, prefix string, s *shelf, list []version) error {
	bodies, err := r.bodies(ctx, list)
	if err != nil {
		return err
	}
	var index, texts bytes.Buffer
	name := packName{last: firstDate}
	for i, v := range list {
		text, err := json.Marshal(bodies[i])
		if err != nil {
			return fmt.Errorf("storage: writing a pack: %w", err)
		}
		_, _ = fmt.Fprintf(&index, "%s %d\n", v.name(), len(text)) // a buffer takes everything
		texts.Write(text)
		name.last = max(name.last, v.created)
	}
	name.count, name.index = int64(len(list)), int64(index.Len())
	data := append(index.Bytes(), texts.Bytes()...)
	name.digest = digest("pack", string(data))[:32]
	object := prefix + name.String()
	if err := r.o.Store.Put(ctx, object, data); err != nil {
		return fmt.Errorf("storage: writing a pack: %w", err)
	}
	back, err := r.o.Store.Get(ctx, object)
	if err != nil || !bytes.Equal(back, data) {
		return fmt.Errorf("storage: reading a pack back: %w", cmp.Or(err, errDamaged))
	}
	return r.dropAlone(ctx, s, list)
}

// packSoon packs a conversation in the background when many of its records lie alone.
// One conversation is packed at a time; the next write asks again.
func (r *Records) packSoon(account, conversation string, loose int) {
	r.ending.Lock()
	defer r.ending.Unlock()
	if loose < r.o.PackAt || r.context.Err() != nil {
		return
	}
	select {
	case r.packing <- struct{}{}:
	default:
		return
	}
	r.background.Go(func() {
		defer func() { <-r.packing }()
		if err := again(func() error { return r.pack(r.context, account, conversation) }); err != nil && r.context.Err() == nil {
			r.o.Log.Warn("records stay unpacked for now", "account", strings.Split(accountFolder(account), "/")[1], "error", err)
		}
	})
}

// maxIndexed bounds how many versions of packs are remembered, each about 200 bytes.
const maxIndexed = 200_000

// indexes remembers the indexes of packs. It is safe for concurrent use.
type indexes struct {
	mu    sync.Mutex
	packs map[string][]version
	total int
}

func (i *indexes) get(object string) ([]version, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	index, ok := i.packs[object]
	return index, ok
}

// put remembers an index; any others are forgotten for it.
func (i *indexes) put(object string, index []version) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, there := i.packs[object]; there {
		return
	}
	for other, versions := range i.packs {
		if i.total+len(index) <= maxIndexed {
			break
		}
		i.total -= len(versions)
		delete(i.packs, other)
	}
	i.packs[object] = index
	i.total += len(index)
}
