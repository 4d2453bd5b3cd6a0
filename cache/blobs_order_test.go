package cache

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The table finds what a map finds, also where many keys want the same slots, which lie at its end and its beginning.
func TestOrderFindsWhatAMapFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	o, want := newOrder(0), map[blobKey]int64{}
	for step := range int64(60_000) {
		var key blobKey
		binary.LittleEndian.PutUint64(key[:8], random.Uint64N(400)-200)
		key[15] = byte(random.IntN(10))
		at, held := o.find(key)
		if size, known := want[key]; held != known || held && o.items[at].size != size {
			t.Fatalf("step %d: found %v, want %v", step, held, known)
		}
		switch shrinking := step/10_000%2 == 1; {
		case held && (shrinking || random.IntN(3) == 0):
			o.remove(at)
			delete(want, key)
		case !held && (!shrinking || random.IntN(3) == 0):
			o.add(item{key: key, size: step})
			want[key] = step
		}
		if o.len() != len(want) {
			t.Fatalf("step %d: %d are held, want %d", step, o.len(), len(want))
		}
	}
	for key, size := range want {
		if at, held := o.find(key); !held || o.items[at].size != size {
			t.Fatalf("%x is lost", key)
		}
	}
	if len(o.items) > 4001 {
		t.Errorf("%d items for at most 4,000 keys: free ones are not taken again", len(o.items))
	}
}
