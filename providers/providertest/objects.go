package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
)

// same compares an object with what was put, without printing either.
func (p *probe) same(name string, want []byte) error {
	got, err := p.store.Get(p.ctx, name)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("get: %d bytes that are not the %d put", len(got), len(want))
	}
	return nil
}

// absent wants the definite answer that there are no such objects. Everything is asked at once, as far as the place likes: one
// whose listings lag takes its time before it calls a name absent.
func (p *probe) absent(names ...string) error {
	failures := make([]error, 2*len(names))
	turns := make(chan struct{}, min(p.properties.Parallel, 32))
	var group sync.WaitGroup
	ask := func(failure *error, what string, question func() error) {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if err := guard(question); !errors.Is(err, providers.ErrNotFound) {
				*failure = fmt.Errorf("%s of an absent object: %v, want not found", what, err)
			}
		})
	}
	for i, name := range names {
		ask(&failures[2*i], "get", func() error {
			_, err := p.store.Get(p.ctx, name)
			return err
		})
		ask(&failures[2*i+1], "range", func() error {
			_, err := p.store.GetRange(p.ctx, name, 0, 1)
			return err
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

func checkProperties(p *probe) error {
	if p.properties.Kind == "" || p.properties.MaxObject < 1<<20 || p.properties.Parallel < 1 {
		return fmt.Errorf("want a kind, objects of at least 1 MiB and one call at a time: %+v", p.properties)
	}
	if p.store.Properties() != p.properties {
		return errors.New("the properties have changed")
	}
	return nil
}

func checkRoundTrip(p *probe) error {
	container := p.container()
	sizes := []int{0, 1, 2047, 2048, 65537}
	if p.options.Full {
		sizes = append(sizes, 1<<20-7)
	}
	every := make([]byte, 512) // all byte values, line ends among them
	for i := range every {
		every[i] = byte(i)
	}
	contents := [][]byte{every, bytes.Repeat([]byte("\r\n"), 100)}
	for _, size := range sizes {
		contents = append(contents, randomBytes(size))
	}
	for i, data := range contents {
		if err := p.put(fmt.Sprintf("%s/o%d", container, i), data); err != nil {
			return err
		}
	}
	if err := p.put(p.container()+"/o1", []byte("the same state name elsewhere")); err != nil {
		return err
	}
	for i, data := range contents {
		if err := p.same(fmt.Sprintf("%s/o%d", container, i), data); err != nil {
			return fmt.Errorf("%d bytes: %w", len(data), err)
		}
	}
	return nil
}

func checkAbsent(p *probe) error {
	container := p.container()
	if err := p.absent(container + "/none"); err != nil {
		return err
	}
	if err := p.put(container+"/state1", randomBytes(10)); err != nil {
		return err
	}
	if err := p.absent(container+"/state", container+"/state10", container+"/tate1", container); err != nil { // a container is no object
		return fmt.Errorf("beside an object of a similar name: %w", err)
	}
	return nil
}

func checkAgain(p *probe) error {
	name, data := p.container()+"/again", randomBytes(3000)
	for range 3 {
		if err := p.put(name, data); err != nil {
			return err
		}
		if err := p.same(name, data); err != nil {
			return err
		}
	}
	return nil
}

func checkRanges(p *probe) error {
	container := p.container()
	size := p.options.Ranged
	switch {
	case size > 0:
	case p.options.Full:
		size = 3<<20 + 5
	default:
		size = 100_000
	}
	name, data := container+"/ranges", randomBytes(int(size))
	if err := p.put(name, data); err != nil {
		return err
	}
	if err := p.put(container+"/empty", nil); err != nil {
		return err
	}
	for _, r := range [][2]int64{
		{0, 1}, {0, size}, {0, size + 1}, {1, 1}, {size / 2, 1000}, {size - 1, 1}, {size - 1, 2}, {size - 500, 1 << 40},
		{size, 1}, {size, 1 << 40}, {size + 1, 1}, {1 << 40, 1 << 40}, {1, 1<<63 - 1},
	} {
		got, err := p.store.GetRange(p.ctx, name, r[0], r[1])
		if err != nil {
			return fmt.Errorf("range of %d from %d in %d: %w", r[1], r[0], size, err)
		}
		begin := min(r[0], size)
		if want := data[begin : begin+min(r[1], size-begin)]; !bytes.Equal(got, want) {
			return fmt.Errorf("range of %d from %d in %d: %d bytes, not the right %d", r[1], r[0], size, len(got), len(want))
		}
	}
	if got, err := p.store.GetRange(p.ctx, container+"/empty", 0, 1); err != nil || len(got) != 0 {
		return fmt.Errorf("range of an empty object: %d bytes, %w", len(got), err)
	}
	for _, r := range [][2]int64{{-1, 1}, {0, 0}, {0, -1}} {
		if _, err := p.store.GetRange(p.ctx, name, r[0], r[1]); !errors.Is(err, providers.ErrInvalidRange) {
			return fmt.Errorf("range of %d from %d: %v, want invalid range", r[1], r[0], err)
		}
	}
	return nil
}

func checkSlices(p *probe) error {
	name, data := p.container()+"/slices", randomBytes(100)
	given := bytes.Clone(data)
	if err := p.put(name, given); err != nil {
		return err
	}
	if !bytes.Equal(given, data) {
		return errors.New("put changed the caller's bytes")
	}
	clear(given)
	if err := p.same(name, data); err != nil {
		return fmt.Errorf("after the caller used its slice again: %w", err)
	}
	got, err := p.store.Get(p.ctx, name)
	if err != nil {
		return err
	}
	clear(got)
	if got, err = p.store.GetRange(p.ctx, name, 0, 100); err != nil {
		return err
	}
	clear(got)
	if err := p.same(name, data); err != nil {
		return fmt.Errorf("after the caller wrote into a result: %w", err)
	}
	return nil
}

func checkNames(p *probe) error {
	long := p.container() + "/"
	long += strings.Repeat("n", providers.MaxName-len(long))
	names := []string{
		long, p.container() + "/0123456789-abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ.x", p.container() + "/-",
		p.container() + "/_", p.container() + "/a.b..c", p.container() + "/heads/deeper/still", p.container() + "/-a--b-",
	}
	for _, name := range names {
		data := []byte(name)
		if err := p.put(name, data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := p.same(name, data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := p.lists(name, map[string]int64{name: int64(len(data))}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func checkInvalid(p *probe) error {
	container := p.container()
	for _, name := range []string{
		"", "/", container + "/", "/" + container + "/x", container + "//x", container + "/.", container + "/..", "../x",
		container + "/../" + container + "/x", container + "/.hidden", container + "/dot.", container + "/a b", container + "/ä",
		container + `\x`, container + "/x\x00", container + "/x\n", container + "/~x", container + "/%41", container + "/a:b",
		container + "/" + strings.Repeat("n", providers.MaxName),
	} {
		_, got := p.store.Get(p.ctx, name)
		_, part := p.store.GetRange(p.ctx, name, 0, 1)
		for operation, err := range map[string]error{
			"put": p.store.Put(p.ctx, name, []byte("x")), "get": got, "range": part, "delete": p.store.Delete(p.ctx, name),
		} {
			if !errors.Is(err, providers.ErrInvalidName) {
				return fmt.Errorf("%s %q: %v, want invalid name", operation, name, err)
			}
		}
	}
	for _, prefix := range []string{"/", "../", container + "//", container + "/..", "ä"} {
		if _, err := p.list(prefix); !errors.Is(err, providers.ErrInvalidName) {
			return fmt.Errorf("list %q: %v, want invalid name", prefix, err)
		}
	}
	return nil
}

func checkCancelled(p *probe) error {
	container := p.container()
	if err := p.put(container+"/there", []byte("x")); err != nil {
		return err
	}
	p.track(container + "/new")
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	_, got := p.store.Get(ctx, container+"/there")
	_, part := p.store.GetRange(ctx, container+"/there", 0, 1)
	var listed error
	for _, err := range p.store.List(ctx, container+"/") {
		listed = err
	}
	for operation, err := range map[string]error{
		"put": p.store.Put(ctx, container+"/new", []byte("x")), "get": got, "range": part, "list": listed,
		"delete": p.store.Delete(ctx, container+"/new"),
	} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %v, want context canceled", operation, err)
		}
	}
	return p.same(container+"/there", []byte("x"))
}

func checkLarge(p *probe) error {
	name := p.container() + "/large"
	p.track(name)
	err := p.store.Put(p.ctx, name, make([]byte, p.properties.MaxObject+1))
	if !errors.Is(err, providers.ErrTooLarge) {
		return fmt.Errorf("put of %d bytes: %v, want too large", p.properties.MaxObject+1, err)
	}
	return p.absent(name)
}
