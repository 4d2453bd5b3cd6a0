package ipfs_test

import (
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/ipfs/kubotest"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// options are those of one device of a test, which waits for nothing long.
func options(t *testing.T, endpoint string, device, devices int) *ipfs.Options {
	return &ipfs.Options{
		Endpoint: endpoint, Seed: [32]byte{1, 2, 3}, Device: device, Devices: devices, Still: true,
		Patience: 20 * time.Second, Slow: 5 * time.Second, AskAbsent: time.Nanosecond,
	}
}

func open(t *testing.T, o *ipfs.Options) *ipfs.Store {
	t.Helper()
	store, err := ipfs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providers.Store {
		node := kubotest.New().Add()
		t.Cleanup(node.Close)
		return open(t, options(t, node.URL, 1, 2))
	})
}
