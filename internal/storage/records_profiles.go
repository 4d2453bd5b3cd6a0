package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
)

// RegisterOptions is what a [Register] needs. Store must be set.
type RegisterOptions struct {
	Store providers.Store
	// Fixed are the signing keys of accounts that need not register, by their
	// normalised names.
	Fixed map[string][32]byte
	// Domains are those whose names begin with an address: whoever owns the address
	// may register the name. None: nobody may.
	Domains []string
}

// Register knows accounts by their profiles: fixed ones, and those that their wallets
// signed and registered. It keeps nothing in memory.
type Register struct{ o RegisterOptions }

// NewRegister prepares a register. It makes no request.
func NewRegister(o RegisterOptions) *Register { return &Register{o} }

func profilePrefix(account string) string { return accountFolder(account) + "profile/" }

// SigningKey returns the published signing key of an account; else the error matches
// [dm3api.ErrUnknownAccount]. It is for [LoginOptions].
func (r *Register) SigningKey(ctx context.Context, account string) ([32]byte, error) {
	if key, ok := r.o.Fixed[account]; ok {
		return key, nil
	}
	signed, ok, err := r.registered(ctx, account)
	if err != nil {
		return [32]byte{}, err
	}
	if !ok {
		return [32]byte{}, dm3api.ErrUnknownAccount
	}
	var profile identity.UserProfile
	if err := json.Unmarshal(signed.Profile, &profile); err != nil {
		return [32]byte{}, fmt.Errorf("storage: reading a profile: %w", err)
	}
	return identity.ParseKey(profile.PublicSigningKey)
}

// registered reads the profile of an account. Two that register at once may leave two
// profiles, both signed by the wallet: then the one of the smaller name counts, at
// every instance.
func (r *Register) registered(ctx context.Context, account string) (signed dm3api.SignedProfile, ok bool, err error) {
	var names []string
	for object, err := range r.o.Store.List(ctx, profilePrefix(account)) {
		if err != nil {
			return signed, false, fmt.Errorf("storage: looking for a profile: %w", err)
		}
		names = append(names, object.Name)
	}
	if len(names) == 0 {
		return signed, false, nil
	}
	text, err := r.o.Store.Get(ctx, slices.Min(names))
	if err == nil {
		err = json.Unmarshal(text, &signed)
	}
	if err != nil {
		return signed, false, fmt.Errorf("storage: reading a profile: %w", err)
	}
	return signed, true, nil
}

// Profiles returns the register as the service shows it.
func (r *Register) Profiles(login *Login) dm3api.Profiles { return registerProfiles{r, login} }

type registerProfiles struct {
	register *Register
	login    *Login
}

// Profile implements [dm3api.Profiles]. Of fixed accounts only the signing key is
// known.
func (r registerProfiles) Profile(ctx context.Context, name string) (dm3api.SignedProfile, error) {
	if key, ok := r.register.o.Fixed[name]; ok {
		text, err := identity.UserProfile{PublicSigningKey: identity.EncodeKey(key[:]), DeliveryServices: []string{}}.Text()
		return dm3api.SignedProfile{Profile: json.RawMessage(text)}, err
	}
	signed, ok, err := r.register.registered(ctx, name)
	if err == nil && !ok {
		err = dm3api.ErrNoProfile
	}
	return signed, err
}

// Register implements [dm3api.Profiles]: a profile that the wallet of the name's
// address signed is kept, once. The token that it returns has ended: a published
// profile is everybody's, so whoever sends it has shown nothing, and logs in next.
func (r registerProfiles) Register(ctx context.Context, name string, signed dm3api.SignedProfile) (string, error) {
	address, ok := r.register.address(name)
	if !ok {
		return "", fmt.Errorf("%w: names of this kind can't be registered here", dm3api.ErrLogin)
	}
	if err := checkProfile(address, signed); err != nil {
		return "", err
	}
	switch _, err := r.register.SigningKey(ctx, name); {
	case err == nil:
		return "", fmt.Errorf("%w: the account is known", dm3api.ErrLogin)
	case !errors.Is(err, dm3api.ErrUnknownAccount):
		return "", err
	}
	text, err := json.Marshal(signed)
	if err != nil {
		return "", fmt.Errorf("storage: writing a profile: %w", err)
	}
	if err := r.register.o.Store.Put(ctx, profilePrefix(name)+digest("profile", string(text))[:32], text); err != nil {
		return "", fmt.Errorf("storage: writing a profile: %w", err)
	}
	return r.login.Spent(name), nil
}

// address is the address that a name begins with, in a domain where that means
// something.
func (r *Register) address(name string) (string, bool) {
	label, domain, _ := strings.Cut(name, ".")
	return label, slices.Contains(r.o.Domains, domain) && addressForm().MatchString(label)
}

func addressForm() *regexp.Regexp { return regexp.MustCompile(`^0x[0-9a-f]{40}$`) }

// checkProfile verifies a profile and the wallet's signature over the fixed text
// around it.
func checkProfile(address string, signed dm3api.SignedProfile) error {
	var profile identity.UserProfile
	text, err := container.Canonical(nil, signed.Profile)
	if err == nil {
		err = json.Unmarshal(text, &profile)
	}
	if err == nil {
		_, err = identity.ParseKey(profile.PublicSigningKey)
	}
	if err == nil {
		_, err = identity.ParseKey(profile.PublicEncryptionKey)
	}
	if err == nil {
		err = identity.VerifyWallet(identity.ProfileCreationMessage(string(text), address), signed.Signature, address)
	}
	if err != nil {
		return fmt.Errorf("%w: the profile or its signature is not valid", dm3api.ErrLogin)
	}
	return nil
}
