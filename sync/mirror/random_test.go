package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// TestRandomPlaces: two devices write, pass, and mirror to the same place and to one of
// their own, in any order; meanwhile mirrors are wiped, rolled back and damaged, and
// the account's own place loses and damages single objects. Nothing is lost, and every
// place alone is the whole account in the end.
func TestRandomPlaces(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomPlaces(t, rand.New(rand.NewPCG(seed, 77))) })
	}
}

func randomPlaces(t *testing.T, random *rand.Rand) {
	primary := memory.New(nil)
	further := []providers.Store{memory.New(nil), memory.New(nil), memory.New(nil)} // the first is of both
	devices := []*device{newDevice(t, primary), newDevice(t, primary)}
	var mirrors [2][]*mirror.Mirror
	for i, d := range devices {
		for j, place := range []providers.Store{further[0], further[1+i]} {
			name := fmt.Sprint("mirror ", j)
			mirrors[i] = append(mirrors[i], d.mirror(place, func(o *mirror.Options) { o.Name, o.Place = name, name }))
		}
	}
	old := make([]map[string]string, len(further))
	items := talk(t, 0, 200)
	next := 0
	step := func() {
		i := random.IntN(2)
		d, m := devices[i], mirrors[i][random.IntN(2)]
		at := random.IntN(len(further))
		switch random.IntN(10) {
		case 0, 1, 2:
			count := min(1+random.IntN(8), len(items)-next)
			if err := d.Append(context.Background(), items[next:next+count]...); err != nil {
				t.Fatal(err)
			}
			next += count
		case 3, 4:
			work := engine.Work{Settle: random.IntN(2) == 0, Scrub: random.IntN(4) == 0}
			if _, err := d.Pass(context.Background(), work); errors.Is(err, engine.ErrBlocked) { // every head was lost at once
				repair(t, d, m)
			} else if err != nil {
				t.Fatal(err)
			}
		case 5, 6, 7:
			if _, err := m.Pass(context.Background(), mirror.Work{Look: random.IntN(2) == 0, Whole: random.IntN(3) == 0}); err != nil && !errors.Is(err, engine.ErrBlocked) {
				t.Fatal(err)
			}
		case 8:
			spoilMirror(t, random, further[at], &old[at])
		case 9:
			spoilSome(t, random, primary, 30)
		}
	}
	for next < len(items) {
		step()
	}
	for round := range 8 {
		for i, d := range devices {
			if _, err := d.Verify(context.Background(), engine.VerifyOptions{Deep: true, Restart: true}); err != nil {
				t.Fatal(err)
			}
			d.pass(engine.Work{Settle: true, Scrub: true})
			for _, m := range mirrors[i] {
				mirrored(t, m, everything)
				if v, err := m.Verify(context.Background(), true); err != nil || round == 7 && len(v.Missing) > 0 {
					t.Errorf("%+v, %v", v, err)
				}
			}
		}
	}
	for _, d := range devices {
		d.wantMessages(items)
		for _, problem := range d.Status().Problems {
			data, err := primary.Get(context.Background(), problem.Object)
			t.Errorf("a problem that stays: %+v; in use %v, there %v, %v", problem, d.Tree().Names(problem.Object), d.Tree().Examine(problem.Object, data), err)
		}
	}
	for _, place := range append(slices.Clone(further), primary) {
		wantAt(t, place, items)
	}
}

// spoilMirror wipes a mirror, rolls it back, damages it, or keeps what it holds for later.
func spoilMirror(t *testing.T, random *rand.Rand, place providers.Store, old *map[string]string) {
	t.Helper()
	switch random.IntN(4) {
	case 0:
		become(t, place, nil)
	case 1:
		become(t, place, *old)
	case 2:
		spoilSome(t, random, place, 5)
	default:
		*old = content(t, place)
	}
}

// spoilSome loses or damages about one object of n.
func spoilSome(t *testing.T, random *rand.Rand, place providers.Store, n int) {
	t.Helper()
	all := content(t, place)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if random.IntN(n) > 0 {
			continue
		}
		var err error
		if data := []byte(all[name]); random.IntN(2) == 0 {
			err = place.Delete(context.Background(), name)
		} else {
			data[random.IntN(len(data))] ^= 1
			err = place.Put(context.Background(), name, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
