package agent

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers/ipfs"
)

// ipfsSeedInfo, with the account's normalised name behind it, makes the seed of
// its IPNS names another secret than any that opens an object.
const ipfsSeedInfo = "dm3sync ipns v1 names of "

// ipfsOptions is what the configuration says of IPFS. The names derive from the
// account's storage key, so that all its devices know them.
func ipfsOptions(account config.Account, o PlaceOptions) (options ipfs.Options, err error) {
	p := account.Provider
	options = ipfs.Options{
		Endpoint:   p.Endpoint,
		Device:     p.Device,
		Devices:    p.Devices,
		Username:   p.Username,
		CAFile:     p.CAFile,
		Proxy:      p.Proxy,
		PinService: p.PinService,
		PinGateway: p.PinGateway,
		UnpinAfter: time.Duration(p.UnpinAfter),
		Parallel:   p.Parallel,
		Log:        o.Log,
	}
	if options.Secret, err = placeSecret(account, o); err != nil {
		return options, err
	}
	storageKey, err := unlockOf(account, o)()
	if err != nil {
		return options, fmt.Errorf("agent: unlocking the account: %w", err)
	}
	options.Seed, err = ipfsSeed(storageKey, account.Name)
	return options, err
}

// ipfsSeed derives the seed of an account's IPNS names; two accounts of one wallet
// have different ones.
func ipfsSeed(storageKey [32]byte, account string) (seed [32]byte, err error) {
	name, err := identity.Normalize(account)
	if err != nil {
		return seed, fmt.Errorf("agent: %w", err)
	}
	derived, err := hkdf.Key(sha256.New, storageKey[:], nil, ipfsSeedInfo+name, len(seed))
	if err != nil {
		return seed, fmt.Errorf("agent: deriving the seed of IPNS names: %w", err)
	}
	copy(seed[:], derived)
	return seed, nil
}
