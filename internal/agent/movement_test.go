package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func TestGuard(t *testing.T) {
	wrong := errors.New("wrong")
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	t.Run("what hangs is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := guard(t.Context(), func() int { return 0 }, hang)
			if !errors.Is(err, errStalled) || !errors.Is(err, providers.ErrTransient) {
				t.Error(err)
			}
			if took := time.Since(began); took < stallAfter || took > stallAfter+2*stallLook {
				t.Errorf("after %v", took)
			}
		})
	})
	t.Run("what is slow goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var steps atomic.Int64
			err := guard(t.Context(), steps.Load, func(ctx context.Context) error {
				for range 20 {
					if err := providers.Sleep(ctx, stallAfter-time.Minute); err != nil {
						return err
					}
					steps.Add(1)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("errors and contexts pass through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := guard(t.Context(), func() int { return 0 }, func(context.Context) error { return wrong }); !errors.Is(err, wrong) || errors.Is(err, errStalled) {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := guard(ctx, func() int { return 0 }, hang); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errStalled) {
				t.Error(err)
			}
		})
	})
}

func TestListeners(t *testing.T) {
	var l listeners
	l.tell(engine.Progress{}) // nobody listens
	var a, b int
	removeA := l.add(func(engine.Progress) { a++ })
	removeB := l.add(func(engine.Progress) { b++ })
	l.tell(engine.Progress{})
	removeA()
	l.tell(engine.Progress{})
	removeB()
	removeB()
	l.tell(engine.Progress{})
	if a != 1 || b != 2 {
		t.Error(a, b)
	}
}
