package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// ErrOtherProfile is a service that knows the account's name with other keys than those of its secret.
var ErrOtherProfile = errors.New("the service knows the name with other keys than this account's")

// CheckNodeKeys asks a service of the account's [account.node] which keys it knows for the account's name, and compares
// them with those of its storage key. ErrOtherProfile; dm3api.ErrNoProfile where it knows none. It needs no session there.
func CheckNodeKeys(ctx context.Context, account config.Account, address string, key [32]byte, now func() time.Time) error {
	profile := identity.FromStorageKey(key)
	client, err := nodeClient(account.Node, address, nodeAnswer, profile, now)
	if err != nil {
		return fmt.Errorf("agent: preparing %s: %w", address, err)
	}
	signed, err := client.Profile(ctx, account.Node.Name)
	if err != nil {
		return fmt.Errorf("agent: asking for the profile of %s: %w", account.Node.Name, err)
	}
	var published identity.UserProfile
	if err := json.Unmarshal(signed.Profile, &published); err != nil {
		return fmt.Errorf("agent: reading the profile of %s: %w", account.Node.Name, err)
	}
	signing, signingErr := identity.ParseKey(published.PublicSigningKey)
	encryption, encryptionErr := identity.ParseKey(published.PublicEncryptionKey)
	if signingErr != nil || encryptionErr != nil || signing != profile.SigningPublic() || encryption != profile.EncryptionPublic() {
		return fmt.Errorf("agent: %s: %w", account.Node.Name, ErrOtherProfile)
	}
	return nil
}
