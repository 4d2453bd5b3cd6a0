package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/providers"
)

// errVanished says that an object that was listed is gone: another instance packed it.
// Whoever meets it lists once more.
var errVanished = errors.New("objects vanish while they are read")

// attempts is how often something is begun anew because objects vanished.
const attempts = 4

// again repeats work while objects vanish under it.
func again(work func() error) error {
	var err error
	for range attempts {
		if err = work(); !errors.Is(err, errVanished) {
			return err
		}
	}
	return err
}

// shelf is what a listing says of a conversation's records.
type shelf struct {
	versions map[string][]version // by record
	loose    int                  // objects that lie alone and could be packed
}

// current is the state of a record: the greatest version, created when the earliest
// says, and halted while all say so.
func (s *shelf) current(id string) version {
	all := s.versions[id]
	now := slices.MaxFunc(all, version.compare)
	for _, v := range all {
		now.created = min(now.created, v.created)
		now.halted = now.halted && v.halted
	}
	return now
}

// ordered are the current versions, the last created first.
func (s *shelf) ordered() []version {
	list := make([]version, 0, len(s.versions))
	for id := range s.versions {
		list = append(list, s.current(id))
	}
	slices.SortFunc(list, func(a, b version) int { return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(a.id, b.id)) })
	return list
}

// after is the time of now, or just after the newest record where that is of about
// now: so what comes later stands before what came earlier, though clocks of instances
// differ.
func (s *shelf) after(now int64) int64 {
	at := now
	for _, versions := range s.versions {
		for _, v := range versions {
			if v.created >= at && v.created < now+aboutNow {
				at = v.created + 1
			}
		}
	}
	return at
}

// aboutNow is by how many milliseconds clocks may differ for that.
const aboutNow = 60_000

// shelf lists a conversation. It is repeated by the caller when objects vanish.
func (r *Records) shelf(ctx context.Context, account, conversation string) (*shelf, error) {
	objects, err := r.list(ctx, messagePrefix(account, conversation))
	if err != nil {
		return nil, err
	}
	return r.shelve(ctx, objects)
}

func (r *Records) list(ctx context.Context, prefix string) (objects []providers.Object, err error) {
	for object, err := range r.o.Store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("storage: listing records: %w", err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// shelve sorts listed objects of one conversation, and reads the indexes of packs.
func (r *Records) shelve(ctx context.Context, objects []providers.Object) (*shelf, error) {
	s := &shelf{versions: make(map[string][]version)}
	for _, object := range objects {
		name := object.Name[strings.LastIndexByte(object.Name, '/')+1:]
		if v, ok := parseVersion(name); ok {
			v.object, v.size = object.Name, object.Size
			s.versions[v.id] = append(s.versions[v.id], v)
			if v.packable() {
				s.loose++
			}
			continue
		}
		pack, ok := parsePackName(name)
		if !ok {
			continue // not ours
		}
		index, err := r.index(ctx, object.Name, pack)
		if err != nil {
			return nil, err
		}
		for _, v := range index {
			s.versions[v.id] = append(s.versions[v.id], v)
		}
	}
	return s, nil
}

// body is the content of a version's object.
type body struct {
	ID        string `json:"id"`      // stored identifier
	Contact   string `json:"contact"` // as the client encrypted it
	Container string `json:"container"`
}

// bodies reads versions, side by side, and returns them in their order.
func (r *Records) bodies(ctx context.Context, versions []version) ([]body, error) {
	texts := make([][]byte, len(versions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.o.Store.Properties().Parallel))
	packed := make(map[string][]int)
	for i, v := range versions {
		if !v.alone() {
			packed[v.object] = append(packed[v.object], i)
			continue
		}
		group.Go(func() (err error) {
			texts[i], err = r.o.Store.Get(ctx, v.object)
			return vanished(err)
		})
	}
	for _, object := range slices.Sorted(maps.Keys(packed)) {
		group.Go(func() error { return r.readPacked(ctx, object, versions, packed[object], texts) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("storage: reading records: %w", err)
	}
	list := make([]body, len(versions))
	for i, text := range texts {
		if err := json.Unmarshal(text, &list[i]); err != nil {
			return nil, fmt.Errorf("storage: reading a record: %w", err)
		}
	}
	return list, nil
}

// readPacked reads some records of a pack by one request: those of a page lie
// together.
func (r *Records) readPacked(ctx context.Context, object string, versions []version, wanted []int, texts [][]byte) error {
	first, end := versions[wanted[0]].offset, int64(0)
	for _, i := range wanted {
		first, end = min(first, versions[i].offset), max(end, versions[i].offset+versions[i].length)
	}
	text, err := r.o.Store.GetRange(ctx, object, first, end-first)
	if err != nil {
		return vanished(err)
	}
	for _, i := range wanted {
		from := versions[i].offset - first
		if int64(len(text)) < from+versions[i].length {
			return errDamaged
		}
		texts[i] = text[from : from+versions[i].length]
	}
	return nil
}

// errDamaged says that an object is not what its name says.
var errDamaged = errors.New("an object of the place is damaged")

// vanished turns the place's "not found" into a reason to look again.
func vanished(err error) error {
	if errors.Is(err, providers.ErrNotFound) {
		return fmt.Errorf("%w: %w", errVanished, err)
	}
	return err
}

// index reads which versions a pack holds. Packs never change, so what was read is
// remembered.
func (r *Records) index(ctx context.Context, object string, pack packName) ([]version, error) {
	if index, ok := r.indexes.get(object); ok {
		return index, nil
	}
	if pack.index < 1 || pack.index > maxPack {
		return nil, errDamaged
	}
	text, err := r.o.Store.GetRange(ctx, object, 0, pack.index)
	if err != nil {
		return nil, fmt.Errorf("storage: reading a pack: %w", vanished(err))
	}
	index, err := parseIndex(object, text, pack)
	if err != nil {
		return nil, fmt.Errorf("storage: reading a pack: %w", err)
	}
	r.indexes.put(object, index)
	return index, nil
}

// parseIndex reads an index: a line for each version, its name and length.
func parseIndex(object string, text []byte, pack packName) ([]version, error) {
	var index []version
	offset := pack.index
	for line := range bytes.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		v, ok := parseVersion(name)
		length, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || length < 1 {
			return nil, errDamaged
		}
		v.object, v.offset, v.length, v.size = object, offset, length, length
		offset += length
		index = append(index, v)
	}
	if int64(len(index)) != pack.count {
		return nil, errDamaged
	}
	return index, nil
}
