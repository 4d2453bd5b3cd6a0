package providers_test

import (
	"context"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

type roomy struct{ providers.Store }

func (roomy) Space(context.Context) (providers.Space, error) {
	return providers.Space{Used: 30, Total: 100}, nil
}

func TestSpaceOf(t *testing.T) {
	for _, c := range []struct {
		store providers.Store
		want  providers.Space
		left  int64
	}{
		{memory.New(nil), providers.Space{Used: -1, Total: -1}, -1},
		{roomy{memory.New(nil)}, providers.Space{Used: 30, Total: 100}, 70},
		{providers.Retry(roomy{memory.New(nil)}, nil), providers.Space{Used: 30, Total: 100}, 70},
	} {
		got, err := providers.SpaceOf(t.Context(), c.store)
		if err != nil || got != c.want || got.Left() != c.left {
			t.Errorf("%+v with %d left, %v; want %+v with %d", got, got.Left(), err, c.want, c.left)
		}
	}
	if left := (providers.Space{Used: 9, Total: 3}).Left(); left != 0 {
		t.Errorf("%d bytes left in a place that is over its limit", left)
	}
}
