package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers/dm3node"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// TestServiceIsAPlace: what keeps sealed objects at a stock node keeps them here as
// well, over two instances: each of its promises is asked for.
func TestServiceIsAPlace(t *testing.T) {
	c, shared := newClock(), memory.New(nil)
	change := func(o *storage.Options) { o.Guard.MaxBody = 50 << 20 }
	address := inFrontOf(t, newRecords(t, c, shared, 20, change), newRecords(t, c, shared, 20, change))
	profile := ownProfile()
	store, err := dm3node.New(&dm3node.Options{
		URL: address, Account: ownName, Normalise: identity.Normalize, Partition: "secret", Parallel: 16, Stall: 30 * time.Second, Now: c.now,
		Sign: func(_ context.Context, challenge string) (string, error) { return profile.Sign(challenge), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	asked := 0
	if err := providertest.Check(t.Context(), store, func(r providertest.Result) {
		if asked++; r.Err != nil {
			t.Errorf("%s: %v", r.Check, r.Err)
		}
	}); err != nil || asked < 10 {
		t.Errorf("%d questions: %v", asked, err)
	}
}
