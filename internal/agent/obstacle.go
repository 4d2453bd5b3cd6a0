package agent

import (
	"errors"

	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// obstacleTo is the kind of an error that an account could not be opened for.
func obstacleTo(err error) obstacle.Kind {
	for _, known := range []struct {
		err  error
		kind obstacle.Kind
	}{
		{ErrOtherKey, obstacle.OtherKey},
		{keyring.ErrLocked, obstacle.Locked},
		{keyring.ErrSource, obstacle.Secret},
		{keyring.ErrSecret, obstacle.Secret},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	return obstacle.Of(err)
}
