package ipfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
)

// TestTwoDevices: each sees what the other put and removed; a mark goes when nobody holds what it names, and a name that was
// removed can be put again.
func TestTwoDevices(t *testing.T) {
	nodes := network(t, 2)
	one, two := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2))
	put(t, one, "a/1", "a/2", "b/1/deep")
	wantNames(t, one, "", "a/1", "a/2", "b/1/deep") // and publishes
	wantNames(t, two, "", "a/1", "a/2", "b/1/deep")
	wantObject(t, two, "b/1/deep")

	put(t, two, "a/3")
	remove(t, two, "a/1", "a/3")
	wantNames(t, two, "a/", "a/2")
	wantAbsent(t, two, "a/1")
	if two.Marks() != 1 {
		t.Errorf("%d marks: one's object wants one, and two's own none", two.Marks())
	}
	wantNames(t, one, "a/", "a/2") // obeys, and lets go of it
	wantAbsent(t, one, "a/1")
	wantNames(t, one, "a/", "a/2") // publishes that
	wantNames(t, two, "a/", "a/2")
	tend(t, two)
	if two.Marks() != 0 {
		t.Errorf("%d marks of what nobody holds", two.Marks())
	}

	remove(t, two, "a/2")
	put(t, two, "a/2") // while one still holds it
	wantNames(t, two, "a/", "a/2")
	wantObject(t, two, "a/2")
	wantNames(t, one, "a/", "a/2")
	wantObject(t, one, "a/2")
	put(t, one, "a/2") // the same once more
	remove(t, one, "a/2")
	wantNames(t, one, "a/")
	wantNames(t, two, "a/")
	wantAbsent(t, two, "a/2")
}

// TestOnePublication: many puts are one publication, a listing waits for it, and looking costs none.
func TestOnePublication(t *testing.T) {
	nodes := network(t, 1)
	store := open(t, at(t, nodes[0], 1, 1))
	for i := range 20 {
		put(t, store, fmt.Sprintf("a/%d", i))
	}
	if count := nodes[0].Asked("name/publish"); count != 0 {
		t.Errorf("%d publications before anybody asks", count)
	}
	for range 5 {
		if got := len(names(t, store, "a/")); got != 20 {
			t.Errorf("%d names", got)
		}
	}
	if count := nodes[0].Asked("name/publish"); count != 1 {
		t.Errorf("%d publications of 20 puts", count)
	}
}

// TestPublishedInTheBackground: others see a put soon, without any further call.
func TestPublishedInTheBackground(t *testing.T) {
	nodes := network(t, 2)
	o := at(t, nodes[0], 1, 2)
	o.Still, o.Publish = false, time.Millisecond
	one, two := open(t, o), open(t, at(t, nodes[1], 2, 2))
	put(t, one, "a/1")
	soon(t, two, "a/", 1)
}

// TestClosePublishes: Close waits for the last publication; what could not be published is kept, and the next run does it.
func TestClosePublishes(t *testing.T) {
	nodes := network(t, 2)
	one, two := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2))
	put(t, one, "a/1")
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, two, "", "a/1")

	one = open(t, at(t, nodes[0], 1, 2))
	nodes[0].Refuse(func(command string) int {
		if command == "name/publish" {
			return http.StatusInternalServerError
		}
		return 0
	})
	put(t, one, "a/2")
	wantNames(t, one, "", "a/1", "a/2") // at this device, all is well
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	nodes[0].Refuse(nil)
	wantNames(t, two, "", "a/1")
	nodes[0].Collect() // what is not published is not lost either
	one = open(t, at(t, nodes[0], 1, 2))
	wantNames(t, one, "", "a/1", "a/2")
	wantNames(t, two, "", "a/1", "a/2")
	wantObject(t, two, "a/2")
	count := nodes[0].Asked("name/publish")
	for range 2 {
		one.Close()
		one = open(t, at(t, nodes[0], 1, 2))
		wantNames(t, one, "", "a/1", "a/2")
	}
	if again := nodes[0].Asked("name/publish"); again != count {
		t.Errorf("%d publications of nothing new", again-count)
	}
}

// TestNoEcho: two devices that see each other do not publish for ever.
func TestNoEcho(t *testing.T) {
	nodes := network(t, 2)
	one, two := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2))
	put(t, one, "a/1")
	put(t, two, "a/2")
	published := func() int { return nodes[0].Asked("name/publish") + nodes[1].Asked("name/publish") }
	var counts []int
	for range 6 {
		for _, store := range []*ipfs.Store{one, two} {
			wantNames(t, store, "", names(t, store, "")...)
			tend(t, store)
		}
		counts = append(counts, published())
	}
	if counts[5] != counts[2] {
		t.Errorf("publications go on: %v", counts)
	}
}

// TestNumberTaken: a device that finds a head under its own name that it did not write stops, says what to do, and
// overwrites nothing.
func TestNumberTaken(t *testing.T) {
	nodes := network(t, 3)
	first := open(t, at(t, nodes[0], 1, 2))
	put(t, first, "a/1")
	wantNames(t, first, "", "a/1")
	second := open(t, at(t, nodes[1], 1, 2)) // on another node, with the same number
	for what, err := range map[string]error{
		"put": second.Put(t.Context(), "a/2", nil), "list": listing(t.Context(), second),
		"delete": second.Delete(t.Context(), "a/1"), "create": ipfs.Create(t.Context(), at(t, nodes[1], 1, 2)),
	} {
		if !errors.Is(err, ipfs.ErrTaken) || !strings.Contains(err.Error(), "give this device a number") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if nodes[1].Asked("name/publish") > 0 {
		t.Error("it published")
	}
	other := open(t, at(t, nodes[2], 2, 2))
	wantNames(t, other, "", "a/1")
}

// TestBothBegin: two devices of one number begin before either published. One publishes; the other one finds that, stops,
// and its objects are not lost: they are at its node.
func TestBothBegin(t *testing.T) {
	nodes := network(t, 2)
	first, second := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 1, 2))
	put(t, first, "a/1")
	put(t, second, "a/2")
	wantNames(t, first, "", "a/1")
	if err := listing(t.Context(), second); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("list: %v", err)
	}
	if err := second.Put(t.Context(), "a/3", nil); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("put: %v", err)
	}
	put(t, first, "a/4")
	wantNames(t, first, "", "a/1", "a/4")
	if nodes[1].Asked("name/publish") > 0 {
		t.Error("the second one published")
	}
}

// TestLostUpdate: both publish one name at the same moment, and one is lost in silence; its writer notices before it would
// publish over the other one.
func TestLostUpdate(t *testing.T) {
	nodes := network(t, 2)
	first, second := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 1, 2))
	put(t, first, "a/1")
	put(t, second, "a/2")
	nodes[1].Cut(true) // the second one sees no other record
	wantNames(t, first, "", "a/1")
	wantNames(t, second, "", "a/2")
	nodes[1].Cut(false) // its record wins
	put(t, first, "a/3")
	if err := listing(t.Context(), first); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("the first one: %v", err)
	}
	if count := nodes[0].Asked("name/publish"); count != 1 {
		t.Errorf("the first one published %d times", count)
	}
}

// TestClone: a node that was restored from a copy, and one that the copy runs on beside it, are found out, by the sequence
// and by what each wrote since.
func TestClone(t *testing.T) {
	nodes := network(t, 3)
	first := open(t, hasty(t, nodes[0], 1, 2))
	put(t, first, "a/1")
	wantNames(t, first, "", "a/1")
	restore := nodes[0].Copy()
	put(t, first, "a/2")
	wantNames(t, first, "", "a/1", "a/2")

	restore(nodes[1]) // an older state of the same device
	clone := open(t, hasty(t, nodes[1], 1, 2))
	if err := clone.Put(t.Context(), "a/3", nil); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("the clone: %v", err)
	}
	wantNames(t, first, "", "a/1", "a/2")

	// Where the name can't be resolved, what another device saw of it tells.
	other := open(t, hasty(t, nodes[2], 2, 2))
	put(t, other, "b/1")
	wantNames(t, other, "", "a/1", "a/2", "b/1")
	put(t, other, "b/2")
	wantNames(t, other, "", "a/1", "a/2", "b/1", "b/2")
	nodes[1].Withhold(first.Name(1), true)
	clone = open(t, hasty(t, nodes[1], 1, 2))
	if err := listing(t.Context(), clone); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("the clone that does not resolve its name: %v", err)
	}
	if nodes[1].Asked("name/publish") > 0 {
		t.Error("the clone published")
	}
}

// TestTwoProcesses: `dm3sync check` beside a running agent is the same device at the same node: both go on.
func TestTwoProcesses(t *testing.T) {
	nodes := network(t, 2)
	agent, check := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[0], 1, 2))
	for i := range 4 {
		put(t, agent, fmt.Sprintf("a/%d", i))
		names(t, agent, "")
		put(t, check, fmt.Sprintf("c/%d", i))
		names(t, check, "")
	}
	if got := len(names(t, agent, "")); got != 8 {
		t.Errorf("%d objects", got)
	}
	other := open(t, at(t, nodes[1], 2, 2))
	if got := len(names(t, other, "")); got != 8 {
		t.Errorf("the other device sees %d objects", got)
	}
}

// TestGoneFolder: a node whose repository was replaced is no empty place.
func TestGoneFolder(t *testing.T) {
	nodes := network(t, 2)
	one := open(t, at(t, nodes[0], 1, 2))
	put(t, one, "a/1")
	names(t, one, "")
	kubotest.New().Add().Copy()(nodes[0]) // an empty node's
	if err := listing(t.Context(), one); !errors.Is(err, ipfs.ErrGone) {
		t.Errorf("%v", err)
	}
	again := open(t, at(t, nodes[0], 1, 2)) // after a restart its own name tells
	if err := listing(t.Context(), again); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("after a restart: %v", err)
	}
}

// TestLarge: objects above the size of a block are trees of blocks, and come back whole and in part, from the other node.
func TestLarge(t *testing.T) {
	nodes := network(t, 2)
	largeAcross(t, open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2)))
}

func largeAcross(t *testing.T, one, two *ipfs.Store) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	if err := one.Put(t.Context(), "a/large", data); err != nil {
		t.Fatal(err)
	}
	names(t, one, "a/")
	for object, err := range two.List(t.Context(), "a/") {
		if err != nil || object.Name == "a/large" && object.Size != int64(len(data)) {
			t.Errorf("%+v %v", object, err)
		}
	}
	if got, err := two.Get(t.Context(), "a/large"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := two.GetRange(t.Context(), "a/large", 3<<20+1, 20); err != nil || string(got) != "123456789abcdef01234" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestManyPublications: a head names its last publications only, and old ones are still known as its own.
func TestManyPublications(t *testing.T) {
	nodes := network(t, 2)
	one, two := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2))
	var restore func(*kubotest.Node)
	for i := range 80 {
		put(t, one, fmt.Sprintf("a/%d", i))
		names(t, one, "a/")
		if count := one.Stamps(); count > 40 {
			t.Fatalf("%d publications are named", count)
		}
		if i == 39 {
			restore = nodes[0].Copy()
		}
	}
	if got := len(names(t, two, "a/")); got != 80 {
		t.Errorf("the other device sees %d objects", got)
	}
	one.Close()
	one = open(t, at(t, nodes[0], 1, 2))
	put(t, one, "b/1")
	if got := len(names(t, one, "")); got != 81 {
		t.Errorf("%d objects after a restart", got)
	}
	restore(nodes[1])
	if err := listing(t.Context(), open(t, at(t, nodes[1], 1, 2))); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("an old copy: %v", err)
	}
}

// TestNumberUsedAgain: a device with the number of one whose node and record are gone learns from the others that the number
// was used, before it publishes; and what the first one wrote stays, whatever shows under its name.
func TestNumberUsedAgain(t *testing.T) {
	nodes := network(t, 3)
	first, other := open(t, at(t, nodes[0], 1, 2)), open(t, at(t, nodes[1], 2, 2))
	put(t, first, "a/1")
	names(t, first, "")
	wantNames(t, other, "", "a/1")
	put(t, other, "b/1")
	names(t, other, "")
	tend(t, other)
	nodes[0].Cut(true)

	nodes[2].Withhold(first.Name(1), true) // nobody answers for that name any more
	again := open(t, hasty(t, nodes[2], 1, 2))
	put(t, again, "a/2")
	if err := listing(t.Context(), again); !errors.Is(err, ipfs.ErrTaken) {
		t.Errorf("list: %v", err)
	}
	if nodes[2].Asked("name/publish") > 0 {
		t.Error("it published")
	}

	unaware := network(t, 1)[0] // one that knew nobody when it published
	alone := open(t, at(t, unaware, 1, 2))
	for i := range 5 {
		put(t, alone, fmt.Sprintf("a/1%d", i))
		names(t, alone, "")
	}
	unaware.Copy()(nodes[2])
	nodes[2].Cut(false) // its record wins
	wantNames(t, other, "", "a/1", "b/1")
	wantObject(t, other, "a/1")
}
