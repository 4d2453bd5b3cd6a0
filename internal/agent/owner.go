package agent

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// ErrOtherKey is a data folder whose content was sealed with another key than the
// account's: another wallet, nonce or form of the secret was configured before.
// Opening it all the same would call everything in it damaged.
var ErrOtherKey = errors.New("the data folder belongs to another key")

// ownerBucket and ownerName are where a cache says whose it is.
const ownerBucket, ownerName = "agent", "owner"

// checkOwner notes at the first use whose cache it is, and refuses another's
// afterwards. What stands there is what every sealed object begins with, no secret.
func checkOwner(local *cache.Cache, sealer *seal.Sealer, folder string) error {
	own := sealer.Identifier()
	noted, ok, err := local.Records().Get(ownerBucket, ownerName)
	switch {
	case err != nil:
		return fmt.Errorf("agent: asking whose cache it is: %w", err)
	case ok && !bytes.Equal(noted, own):
		return fmt.Errorf("agent: %s: %w", folder, ErrOtherKey)
	case ok:
		return nil
	}
	if err := local.Records().Update(func(tx *cache.Tx) error { return tx.Put(ownerBucket, ownerName, own) }); err != nil {
		return fmt.Errorf("agent: noting whose cache it is: %w", err)
	}
	return nil
}
