package providertest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/dm3sync/dm3sync/providers"
)

// Operation names a method of providers.Store.
type Operation string

// The operations that the doubles interfere with.
const (
	OperationPut    Operation = "put"
	OperationGet    Operation = "get"
	OperationRange  Operation = "range"
	OperationList   Operation = "list"
	OperationDelete Operation = "delete"
)

// Call is one call of a double.
type Call struct {
	Number    int64 // 1 for the first call that the double saw
	Operation Operation
	Name      string // the name, the prefix, or the first of the names to delete
}

// double is what all doubles have: the store below, a count of calls, and seeded chance. The doubles may be used
// concurrently; which call draws which number is decided by the order in which they arrive.
type double struct {
	providers.Store
	calls atomic.Int64

	mutex  sync.Mutex
	random *rand.Rand
}

func newDouble(store providers.Store, seed uint64) double {
	return double{Store: store, random: rand.New(rand.NewPCG(seed, 0x646d3373796e63))}
}

// Unwrap implements providers.Wrapper.
func (d *double) Unwrap() providers.Store { return d.Store }

// Calls returns how many calls the double has seen.
func (d *double) Calls() int64 { return d.calls.Load() }

func (d *double) call(operation Operation, name string) Call {
	return Call{Number: d.calls.Add(1), Operation: operation, Name: name}
}

// happens draws whether something of the given probability happens.
func (d *double) happens(probability float64) bool {
	if probability <= 0 {
		return false
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.random.Float64() < probability
}

// below draws a number in [0, n); 0 when n is not positive.
func (d *double) below(n int) int {
	if n <= 0 {
		return 0
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.random.IntN(n)
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
