package simtest

import "testing"

// A rule that is broken can leave work without an end. A world in which there is
// none is to fail, not to hang; and what is stored is to be bounded by how much
// there is, at every moment and whatever happened. So a world may cost so much for
// its beginnings, and so much more for each message that was written in it.
//
// The bounds are more than ten times what the costliest of 700 worlds took for each
// of its messages: 12 requests (in carried folders, which are asked for each name
// that was replaced, 472), 52 writes to disks, 1.3 puts (3.1) and, at one time, 0.3
// objects (2.7).
const (
	requestsBase, requestsEach, requestsCarried = 3_000, 150, 5_000
	writesBase, writesEach                      = 10_000, 600
	putsBase, putsEach                          = 300, 32
	objectsBase, objectsEach, objectsCarried    = 300, 4, 30
)

// weigh ends a world that costs too much: no request of it has an answer any more.
// It is called between two moments, when nothing else runs.
func (w *world) weigh() {
	if w.spent {
		return
	}
	if w.idle != nil && w.idle() {
		w.fail("another world has failed")
		w.spent = true
		return
	}
	messages := int64(0)
	for _, a := range w.accounts {
		messages += int64(len(a.order))
	}
	requests, objects := int64(requestsEach), int64(objectsEach)
	if w.carrier != nil {
		requests, objects = requestsCarried, objectsCarried
	}
	puts, most := w.stored()
	for _, cost := range []struct {
		what             string
		taken, base, per int64
	}{
		{"requests", w.schedule.count, requestsBase, requests},
		{"writes to disks", w.writes.Load(), writesBase, writesEach},
		{"puts", puts, putsBase, putsEach},
		{"objects at one time", most, objectsBase, objects},
	} {
		if limit := cost.base + cost.per*messages; cost.taken > limit && !w.spent {
			w.fail("more than %d %s for %d messages: there is no end to it", limit, cost.what, messages)
			w.spent = true
		}
	}
}

// stored counts the puts so far, and the objects of the place, or of the copy of
// the folder that has most.
func (w *world) stored() (puts, objects int64) {
	places := []*server{w.server}
	if w.carrier != nil {
		places = w.carrier.copies
	}
	for _, s := range places {
		puts += int64(s.puts)
		objects = max(objects, int64(len(s.names)))
	}
	return puts, objects
}

// TestNoEndlessCopies: in this world a file of a carried folder stays away, and each
// pass wrote the strays of its chunk home once more, until what the chunk that covers
// them holds already was left out: 126,710 requests then, some 15,000 since.
func TestNoEndlessCopies(t *testing.T) {
	const seed, enough = 20574, 40_000
	if result := newHistory(seed).run(t, nil); len(result.failures) > 0 || result.moments > enough {
		t.Errorf("%d requests, %v", result.moments, result.failures)
	}
}
