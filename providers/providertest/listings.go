package providertest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

// list reads a whole listing into a map from names to sizes, past an error too, as nothing may follow one.
func (p *probe) list(prefix string) (found map[string]int64, failure error) {
	found = make(map[string]int64)
	for object, err := range p.store.List(p.ctx, prefix) {
		switch _, double := found[object.Name]; {
		case failure != nil:
			return nil, fmt.Errorf("list %q goes on after an error: %w", prefix, failure)
		case err != nil:
			failure = fmt.Errorf("list %q: %w", prefix, err)
		case providers.ValidateName(object.Name) != nil:
			return nil, fmt.Errorf("list %q: invalid name %q", prefix, object.Name)
		case double:
			return nil, fmt.Errorf("list %q: %s twice", prefix, object.Name)
		}
		found[object.Name] = object.Size
	}
	return found, failure
}

// lists wants exactly the given names and sizes below the prefix.
func (p *probe) lists(prefix string, want map[string]int64) error {
	return p.listed(func() error {
		found, err := p.list(prefix)
		if err != nil {
			return err
		}
		return compare(prefix, found, want)
	})
}

func compare(prefix string, found, want map[string]int64) error {
	for name, size := range want {
		got, ok := found[name]
		if !ok {
			return fmt.Errorf("list %q: %d of %d names, %s is missing", prefix, len(found), len(want), name)
		}
		if got != size {
			return fmt.Errorf("list %q: %s has %d bytes, want %d", prefix, name, got, size)
		}
	}
	for name := range found {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("list %q: %s should not be there", prefix, name)
		}
	}
	return nil
}

func checkListing(p *probe) error {
	one, other := p.container(), p.container()
	sizes := map[string]int64{
		one + "/a": 0, one + "/ab": 1, one + "/abc": 2048, one + "/b": 100, one + "/sub/a": 3, one + "/sub/ab": 4,
		other + "/a": 7, other + "/z-1.x": 8,
	}
	for name, size := range sizes {
		if err := p.put(name, randomBytes(int(size))); err != nil {
			return err
		}
	}
	common := one[:len(one)-2] // both containers begin so, and no other one's
	for prefix, names := range map[string][]string{
		one + "/":      {one + "/a", one + "/ab", one + "/abc", one + "/b", one + "/sub/a", one + "/sub/ab"},
		other + "/":    {other + "/a", other + "/z-1.x"},
		one + "/a":     {one + "/a", one + "/ab", one + "/abc"},
		one + "/ab":    {one + "/ab", one + "/abc"},
		one + "/abc":   {one + "/abc"},
		one + "/abcd":  {},
		one + "/sub/":  {one + "/sub/a", one + "/sub/ab"},
		one + "/su":    {one + "/sub/a", one + "/sub/ab"},
		one + "/sub/b": {},
		one + "/a/":    {}, // an object is no folder
		one:            {one + "/a", one + "/ab", one + "/abc", one + "/b", one + "/sub/a", one + "/sub/ab"},
		p.container():  {},
	} {
		want := make(map[string]int64)
		for _, name := range names {
			want[name] = sizes[name]
		}
		if err := p.lists(prefix, want); err != nil {
			return err
		}
	}
	return p.listed(func() error { // a prefix inside a container's key; other checks' containers may match as well
		found, err := p.list(common)
		if err != nil {
			return err
		}
		for name := range found {
			if _, ok := sizes[name]; !ok && strings.HasPrefix(name, p.prefix) {
				delete(found, name)
			}
		}
		return compare(common, found, sizes)
	})
}

func checkCurrent(p *probe) error {
	container := p.container()
	rounds := 5
	if p.options.Full {
		rounds = 20
	}
	for i := range rounds {
		name := fmt.Sprintf("%s/r%d", container, i)
		if err := p.put(name, randomBytes(i)); err != nil {
			return err
		}
		if err := p.lists(name, map[string]int64{name: int64(i)}); err != nil {
			return fmt.Errorf("after a put: %w", err)
		}
		if !p.properties.Deletes {
			continue
		}
		if err := p.store.Delete(p.ctx, name); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		if err := p.lists(name, nil); err != nil {
			return fmt.Errorf("after a deletion: %w", err)
		}
	}
	return nil
}

// checkLong fills a container over the usual page of 1,000 names, leaves listings early, calls the store from the
// loop, and deletes all in one call.
func checkLong(p *probe) error {
	container := p.container()
	count := p.options.Long
	switch {
	case count > 0:
	case p.options.Full:
		count = providers.PageNames + 50
	default:
		count = 24
	}
	want := make(map[string]int64)
	for i := range count {
		want[fmt.Sprintf("%s/n%04d", container, i)] = int64(i % 7)
	}
	if err := p.putAll(want); err != nil {
		return err
	}
	if err := p.lists(container+"/", want); err != nil {
		return err
	}
	seen := 0
	for object, err := range p.store.List(p.ctx, container+"/") {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		if seen++; seen > 3 {
			break
		}
		if err := p.store.Delete(p.ctx, object.Name); err != nil {
			return fmt.Errorf("delete from the loop: %w", err)
		}
		delete(want, object.Name)
	}
	if !p.properties.Deletes {
		return nil
	}
	if err := p.lists(container+"/", want); err != nil {
		return fmt.Errorf("after deletions from the loop: %w", err)
	}
	var names []string
	for name := range want {
		names = append(names, name)
	}
	if err := p.store.Delete(p.ctx, names...); err != nil {
		return fmt.Errorf("delete of %d: %w", len(names), err)
	}
	return p.lists(container+"/", nil)
}

// putAll puts random objects of the given sizes with as many calls at once as the place likes.
func (p *probe) putAll(sizes map[string]int64) error {
	names := make(chan string)
	failures := make([]error, min(p.properties.Parallel, 32))
	var group sync.WaitGroup
	for i := range failures {
		group.Go(func() {
			for name := range names {
				if failures[i] == nil {
					failures[i] = guard(func() error { return p.put(name, randomBytes(int(sizes[name]))) })
				}
			}
		})
	}
	for name := range sizes {
		names <- name
	}
	close(names)
	group.Wait()
	return firstFailure(failures)
}

// firstFailure is the first failure of workers, which most often all fail for one reason; nil where none did.
func firstFailure(failures []error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkWhole(p *probe) error {
	sizes := make(map[string]int64)
	for range 25 {
		sizes[p.container()+"/state"] = 5
	}
	if err := p.putAll(sizes); err != nil {
		return err
	}
	return p.listed(func() error {
		found, err := p.list("")
		if err != nil {
			return err
		}
		for name := range found {
			if _, ours := sizes[name]; !ours {
				delete(found, name) // the store may be shared
			}
		}
		return compare("", found, sizes)
	})
}

func checkDelete(p *probe) error {
	container := p.container()
	name := func(i int) string { return fmt.Sprintf("%s/d%d", container, i) }
	for i := range 6 {
		if err := p.put(name(i), []byte{byte(i)}); err != nil {
			return err
		}
	}
	never := p.container() + "/never"
	for _, names := range [][]string{{}, {never}, {name(0)}, {name(1), never, name(2)}, {name(1)}, {name(3), name(3)}} {
		if err := p.store.Delete(p.ctx, names...); err != nil {
			return fmt.Errorf("delete of %d names: %w", len(names), err)
		}
	}
	for i := 4; i < 6; i++ {
		if err := p.same(name(i), []byte{byte(i)}); err != nil {
			return fmt.Errorf("an object that was not deleted: %w", err)
		}
	}
	if !p.properties.Deletes {
		return nil
	}
	if err := p.listed(func() error { return p.absent(name(0), name(1), name(2), name(3)) }); err != nil {
		return fmt.Errorf("after a deletion: %w", err)
	}
	return p.lists(container+"/", map[string]int64{name(4): 1, name(5): 1})
}

// checkParallel has writers, readers, listers and deleters work at once in one container, and all put one common object.
func checkParallel(p *probe) error {
	container, workers, rounds := p.container(), min(p.properties.Parallel, 16), 3
	if p.options.Full {
		rounds = 12
	}
	common := randomBytes(5000)
	failures := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for r := range rounds {
				if failures[w] = guard(func() error { return p.work(container, w, r, common) }); failures[w] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	if err := firstFailure(failures); err != nil {
		return err
	}
	return p.same(container+"/common", common)
}

func (p *probe) work(container string, worker, round int, common []byte) error {
	name := fmt.Sprintf("%s/w%02dr%02d", container, worker, round)
	data := bytes.Repeat([]byte(name), 1+worker+round)
	if err := p.put(name, data); err != nil {
		return err
	}
	if err := p.put(container+"/common", common); err != nil {
		return err
	}
	if err := p.same(name, data); err != nil {
		return err
	}
	if err := p.lists(name, map[string]int64{name: int64(len(data))}); err != nil {
		return err
	}
	if round%2 == 0 || !p.properties.Deletes {
		return nil
	}
	if err := p.store.Delete(p.ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return p.listed(func() error { return p.absent(name) })
}
