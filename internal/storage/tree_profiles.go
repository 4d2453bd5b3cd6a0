package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// Profiles returns what the service says of its accounts' profiles. An app asks
// whether there is one before it logs in, and otherwise registers.
func (t *Tree) Profiles(login *Login) dm3api.Profiles { return treeProfiles{t, login} }

type treeProfiles struct {
	tree  *Tree
	login *Login
}

// Profile implements [dm3api.Profiles]. The wallet's signature is not known here.
func (p treeProfiles) Profile(_ context.Context, name string) (dm3api.SignedProfile, error) {
	a, err := p.tree.named(name)
	if err != nil {
		return dm3api.SignedProfile{}, dm3api.ErrNoProfile
	}
	text, err := a.profile.UserProfile().Text()
	if err != nil {
		return dm3api.SignedProfile{}, err
	}
	return dm3api.SignedProfile{Profile: json.RawMessage(text)}, nil
}

// Register implements [dm3api.Profiles]. Nobody new is taken. The app of an account
// that is here gets a token that has ended, and so logs in: a published profile is
// everybody's, and shows nothing about who sends it.
func (p treeProfiles) Register(_ context.Context, name string, signed dm3api.SignedProfile) (string, error) {
	a, err := p.tree.named(name)
	if err != nil {
		return "", fmt.Errorf("%w: the account is not served here", dm3api.ErrLogin)
	}
	var profile identity.UserProfile
	if json.Unmarshal(signed.Profile, &profile) != nil || profile.PublicSigningKey != identity.EncodeKey(keyBytes(a.profile.SigningPublic())) {
		return "", fmt.Errorf("%w: the account has another signing key", dm3api.ErrLogin)
	}
	return p.login.Spent(name), nil
}

func keyBytes(key [32]byte) []byte { return key[:] }
