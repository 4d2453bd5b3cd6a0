package acceptance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	// numbers is how many devices are looked at on IPFS: no test here has more.
	numbers = 3
	// recordWait bounds the wait until one node has found the other's newest record.
	recordWait = 2 * time.Minute
)

// kubo is a node, real or not.
type kubo interface {
	Cut(cut bool)
}

// newNodes makes two IPFS nodes, real ones where the environment names a Kubo, and a place where devices take turns: the
// first at the first node, the second at the other. Each store is another device.
func newNodes(t *testing.T, between func(http.Handler) http.Handler) place {
	t.Helper()
	_, p := twoNodes(t, between)
	return p
}

func twoNodes(t *testing.T, between func(http.Handler) http.Handler) (nodes [2]kubo, p place) {
	t.Helper()
	var urls [2]string
	if kubotest.Real(t) {
		one, two := kubotest.Start(t), kubotest.Start(t)
		one.Connect(two)
		nodes, urls, p.name = [2]kubo{one, two}, [2]string{one.URL, two.URL}, "kubo"
	} else {
		network := kubotest.New()
		one, two := network.Add(), network.Add()
		t.Cleanup(one.Close)
		t.Cleanup(two.Close)
		nodes, urls, p.name = [2]kubo{one, two}, [2]string{one.URL, two.URL}, "ipfs"
	}
	if between != nil {
		mux := http.NewServeMux()
		for i := range urls {
			path := fmt.Sprintf("/node%d", i)
			mux.Handle(path+"/", http.StripPrefix(path, forward(t, urls[i])))
		}
		address := serve(t, between(mux))
		urls = [2]string{address + "/node0", address + "/node1"}
	}
	open := func(t *testing.T, device int) providers.Store {
		if device > numbers {
			t.Fatalf("more than %d devices", numbers)
		}
		store, err := ipfs.New(&ipfs.Options{
			Endpoint: urls[(device-1)%2], Seed: storageKey, Device: device, Devices: numbers, AskAbsent: time.Nanosecond,
			Patience: 5 * time.Second, Slow: 5 * time.Second, Keep: 2 * time.Second, Still: between != nil,
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	devices := 0
	known := make(map[string]int)
	p.idle = numbers // each is looked at
	p.store = func(t *testing.T) providers.Store {
		devices++
		return open(t, devices)
	}
	p.named = func(t *testing.T, device string) providers.Store {
		if known[device] == 0 {
			devices++
			known[device] = devices
		}
		return open(t, known[device])
	}
	return nodes, p
}

// TestCutOff: two devices at a node each; the second node is cut off from the first for a while, and both go on writing and
// reading what they know. Joined again, both hold everything, and so does a third device.
func TestCutOff(t *testing.T) {
	s := shapes()[0]
	in := newInput(t, s)
	nodes, p := twoNodes(t, nil)
	one, two := newDevice(t, p, "one", s.limit), newDevice(t, p, "two", s.limit)
	part := func(number int) *picked { return in.open(t, func(line int) bool { return line%4 == number }) }
	size := func(number int) int { return (in.lines - number + 3) / 4 }

	if err := one.append(t.Context(), part(0)); err != nil {
		t.Fatal(err)
	}
	one.settle()
	two.settle()
	before := two.readable()
	for end := time.Now().Add(recordWait); before != size(0) && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		two.settle() // its node may not have found the other's newest record at once
		before = two.readable()
	}
	if before != size(0) {
		t.Fatalf("the second device reads %d of %d messages", before, size(0))
	}

	nodes[1].Cut(true)
	group, ctx := errgroup.WithContext(t.Context())
	for i, d := range []*device{one, two} {
		group.Go(func() error { return d.live(ctx, part(i+1)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("while they were apart: %v", err)
	}
	if now := two.readable(); now < before+size(2) {
		t.Errorf("the device that was cut off reads %d messages", now)
	}
	nodes[1].Cut(false)

	if err := two.append(t.Context(), part(3)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(recordWait); ; time.Sleep(200 * time.Millisecond) { // nodes that joined again need not have found each other's newest records at once
		untilQuiet(t, one, two)
		if one.readable() == in.lines && two.readable() == in.lines || time.Now().After(end) {
			break
		}
	}
	three := newDevice(t, p, "three", s.limit)
	for _, d := range []*device{one, two, three} {
		d.settle()
		d.wantAll(in)
	}
	three.wantClean(in)
	for _, d := range []*device{one, two} {
		wantNoProblems(t, "status of "+d.name, d.engine.Status().Problems)
	}
}

// readable counts the messages that a device can read.
func (d *device) readable() (count int) {
	d.t.Helper()
	list, err := d.engine.Conversations(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, conversation := range list {
		page, err := d.engine.Messages(d.t.Context(), conversation.Contact, engine.Range{})
		if err != nil {
			d.t.Fatal(err)
		}
		count += len(page.Messages)
	}
	return count
}
