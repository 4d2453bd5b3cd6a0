package engine_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestForgetWhileVerifying: what is forgotten between two parts of a verification is passed over in the next one.
func TestForgetWhileVerifying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgotten := make(chan error, 1)
		var one *device
		begun := false
		one = &device{t: t, folder: "/cache", disk: cachetest.New(rand.New(rand.NewPCG(5, 5))).Start(), store: memory.New(nil), change: func(o *engine.Options) {
			o.Progress = func(p engine.Progress) {
				if p.Step != "verify" || begun {
					return
				}
				begun = true
				go func() { forgotten <- one.Forget(t.Context()) }()
				time.Sleep(time.Second) // until it waits for its turn
			}
		}}
		one.open()
		defer one.close()
		items := many(91, 60, 300) // of more containers than one part has
		one.append(items...)
		one.settle()
		found, err := one.Verify(t.Context(), engine.VerifyOptions{Deep: true})
		if err != nil || found.Conversations == 0 || !begun {
			t.Errorf("%+v %v", found, err)
		}
		if err := <-forgotten; err != nil {
			t.Error(err)
		}
		one.settle()
		same(t, "in the end", one.holds(), hashes(items))
	})
}
