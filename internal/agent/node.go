package agent

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers/dm3node"
)

// nodeOptions is what the configuration says of a dm3 node as a place. The node knows the account by the profile that was
// published for it, so logging in takes the profile's signing key; the store sees only what signs.
func nodeOptions(account config.Account, o PlaceOptions) (dm3node.Options, error) {
	unlock := o.Unlock
	if unlock == nil {
		unlock = func() ([32]byte, error) {
			own := account.Secret
			return keyring.StorageKey(own.Source(), keyring.Form(own.Form), own.Nonce, nil)
		}
	}
	key, err := unlock()
	if err != nil {
		return dm3node.Options{}, fmt.Errorf("agent: reading the key that signs at the dm3 node: %w", err)
	}
	keys := identity.FromStorageKey(key)
	name, err := identity.Normalize(cmp.Or(account.Provider.Username, account.Name))
	if err != nil {
		return dm3node.Options{}, fmt.Errorf("agent: the account's name at the dm3 node: %w", err)
	}
	signature, err := keys.RootSignature(account.Name)
	if err != nil {
		return dm3node.Options{}, fmt.Errorf("agent: naming what lies at the dm3 node: %w", err)
	}
	p := account.Provider
	return dm3node.Options{
		URL:       p.URL,
		Account:   name,
		Sign:      func(_ context.Context, challenge string) (string, error) { return keys.Sign(challenge), nil },
		Normalise: identity.Normalize,
		Partition: string(container.Hash(string(container.RootKey(signature)) + "-dm3node.dm3sync")),
		CAFile:    p.CAFile,
		Proxy:     p.Proxy,
		Parallel:  p.Parallel,
		Warn:      o.Warn,
	}, nil
}
