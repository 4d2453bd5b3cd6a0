package providertest

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"

	"github.com/dm3sync/dm3sync/providers"
)

// Fault is what goes wrong in one call; the zero Fault is none.
type Fault struct {
	Before error // returned without any effect
	After  error // returned although the call took effect; a listing breaks off after a random part
}

// FaultyOptions says which calls of a [Faulty] fail.
type FaultyOptions struct {
	Seed   uint64
	Rate   float64          // probability that a call fails, half of the failures before and half after the effect
	Errors []error          // one is drawn for each failure: providers.ErrTransient
	Script func(Call) Fault // asked first; what it answers counts, Rate only where it answers the zero Fault
}

// Faulty is a store whose calls fail by script or chance, before or after they took effect.
type Faulty struct {
	double
	options FaultyOptions
	rate    atomic.Uint64 // bits of a float64
	failed  atomic.Int64
}

// NewFaulty wraps store; nil options fail nothing.
func NewFaulty(store providers.Store, options *FaultyOptions) *Faulty {
	f := &Faulty{}
	if options != nil {
		f.options = *options
	}
	if len(f.options.Errors) == 0 {
		f.options.Errors = []error{providers.ErrTransient}
	}
	f.double = newDouble(store, f.options.Seed)
	f.SetRate(f.options.Rate)
	return f
}

// SetRate changes the probability of failures from now on.
func (f *Faulty) SetRate(rate float64) { f.rate.Store(math.Float64bits(rate)) }

// Failed returns how many calls failed by the double's doing.
func (f *Faulty) Failed() int64 { return f.failed.Load() }

func (f *Faulty) fault(operation Operation, name string) Fault {
	call := f.call(operation, name)
	var fault Fault
	if f.options.Script != nil {
		fault = f.options.Script(call)
	}
	if fault == (Fault{}) && f.happens(math.Float64frombits(f.rate.Load())) {
		err := f.options.Errors[f.below(len(f.options.Errors))]
		err = fmt.Errorf("faulty: call %d, %s %s: %w", call.Number, operation, name, err)
		if f.happens(0.5) {
			fault.Before = err
		} else {
			fault.After = err
		}
	}
	if fault != (Fault{}) {
		f.failed.Add(1)
	}
	return fault
}

func (f *Faulty) do(operation Operation, name string, call func() error) error {
	fault := f.fault(operation, name)
	if fault.Before != nil {
		return fault.Before
	}
	if err := call(); err != nil {
		return err
	}
	return fault.After
}

// Put implements providers.Store.
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	return f.do(OperationPut, name, func() error { return f.Store.Put(ctx, name, data) })
}

// Get implements providers.Store.
func (f *Faulty) Get(ctx context.Context, name string) (data []byte, err error) {
	err = f.do(OperationGet, name, func() (err error) {
		data, err = f.Store.Get(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// GetRange implements providers.Store.
func (f *Faulty) GetRange(ctx context.Context, name string, offset, length int64) (data []byte, err error) {
	err = f.do(OperationRange, name, func() (err error) {
		data, err = f.Store.GetRange(ctx, name, offset, length)
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Delete implements providers.Store.
func (f *Faulty) Delete(ctx context.Context, names ...string) error {
	return f.do(OperationDelete, first(names), func() error { return f.Store.Delete(ctx, names...) })
}

// List implements providers.Store.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		fault := f.fault(OperationList, prefix)
		if fault.Before != nil {
			yield(providers.Object{}, fault.Before)
			return
		}
		if fault.After == nil {
			f.Store.List(ctx, prefix)(yield)
			return
		}
		for object, err := range f.Store.List(ctx, prefix) {
			if err != nil || f.happens(0.3) {
				break
			}
			if !yield(object, nil) {
				return
			}
		}
		yield(providers.Object{}, fault.After)
	}
}
