package reconcile

import (
	"cmp"
	"math/bits"
	"slices"
)

// Limits of the shape that maintenance keeps. They bound what a cold device
// must read and how often bytes are written again.
const (
	ManyStates = 8       // states of one container before the small ones are merged
	ManyHeads  = 16      // heads of one size class before one absorbs them
	InlineMost = 1 << 20 // bytes inside heads before they move into their containers
	// CompactMost bounds the plaintext of the states that become one, far below the
	// largest that can be sealed: items of one timestamp can't be split, so whoever
	// sends very many of them could make a chunk that nobody can write again as a whole.
	CompactMost = 32 << 20
)

// Compact picks the states of one container that shall become one, or none.
// A closed container, one that gets no new items as a rule, ends as one state;
// an open one keeps a few states of growing sizes: an object is written again
// only into one that is larger by half at least, so an item is written again at
// most about as often as the logarithm of the container's size. With spill,
// every inline state is picked, and with it the objects that are not much larger
// than what is moved anyway. Together they are never larger than CompactMost, inline
// states aside.
func Compact(states []State, closed, spill bool) []State {
	objects, inline := parted(states)
	objects = withinMost(objects, inline)
	if spill && len(inline) > 0 {
		return withSmaller(inline, objects, closed)
	}
	if closed && len(objects) > 1 {
		return objects
	}
	if len(objects) <= ManyStates {
		return nil
	}
	return smaller(objects)
}

// withinMost leaves out the largest objects, of which the sizes stand in order, so that
// what is left is not too much for one state together with all that travels in heads.
func withinMost(objects, inline []State) []State {
	var sum int64
	for _, state := range inline {
		sum += state.Size
	}
	for i, state := range objects {
		if sum += state.Size; sum > CompactMost {
			return objects[:i]
		}
	}
	return objects
}

// smaller returns the most of the smaller objects, in the order of size, of
// which the largest is at most twice as large as the others together. There are
// none when each is more than twice as large as all before it: then they are no
// more than a logarithm of the container's size.
func smaller(objects []State) []State {
	var sum int64
	count := 0
	for i, state := range objects {
		if i > 0 && state.Size <= 2*sum {
			count = i + 1
		}
		sum += state.Size
	}
	return objects[:count]
}

func parted(states []State) (objects, inline []State) {
	for _, state := range states {
		if state.Inline() {
			inline = append(inline, state)
			continue
		}
		objects = append(objects, state)
	}
	slices.SortFunc(objects, func(a, b State) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Name, b.Name))
	})
	return objects, inline
}

// withSmaller adds to picked, in the order of size, what is at most twice as
// large as all before it together.
func withSmaller(picked, objects []State, all bool) []State {
	out := slices.Clone(picked)
	var sum int64
	for _, state := range picked {
		sum += state.Size
	}
	for _, state := range objects {
		if !all && state.Size > 2*sum {
			break
		}
		out = append(out, state)
		sum += state.Size
	}
	return out
}

// Strays returns the indexes of the chunks that hold an item which another
// chunk covers, seen from the spans of their states.
func (c *Conversation) Strays() []int {
	if c == nil {
		return nil
	}
	var out []int
	for i := range c.Chunks {
		from, to := Covers(c.Chunks, i)
		for _, state := range c.Chunks[i].States {
			if state.Items > 0 && (state.First < from || state.Last >= to) {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// Overfull returns the indexes of the chunks whose states together exceed the
// limit (bytes) and that may be split now: not while they or their predecessor
// hold strays, and not while they consist of several states, since items that
// stand in two of them would count twice.
func (c *Conversation) Overfull(limit int64) []int {
	strays := c.Strays()
	var out []int
	for i := range c.Chunks {
		states := c.Chunks[i].States
		if len(states) != 1 || states[0].Inline() || states[0].Size <= limit || states[0].First == states[0].Last {
			continue
		}
		if slices.Contains(strays, i) || slices.Contains(strays, i-1) {
			continue
		}
		out = append(out, i)
	}
	return out
}

// HeadInfo is what absorbing needs to know of a live head.
type HeadInfo struct {
	Name string
	Size int64 // bytes of the object
}

// Absorb picks the live heads that the next head shall stand for: all of the
// smaller size classes up to the largest one that has [ManyHeads]. An entry is
// so written again once for each class, of which there are few.
func Absorb(heads []HeadInfo) []string {
	counts := make(map[int]int)
	for _, head := range heads {
		counts[class(head.Size)]++
	}
	highest := -1
	for step, count := range counts {
		if count >= ManyHeads {
			highest = max(highest, step)
		}
	}
	var names []string
	for _, head := range heads {
		if class(head.Size) <= highest {
			names = append(names, head.Name)
		}
	}
	slices.Sort(names)
	return names
}

// class counts the factors of 16 above 4 KiB.
func class(size int64) int {
	return (bits.Len64(uint64(max(size-1, 0))>>12) + 3) / 4
}
