package nodetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// Account is an account for tests, with its keys.
type Account struct {
	Name    string
	Profile identity.Profile
}

// Sign signs a challenge, as [dm3api.ClientOptions] wants it.
func (a Account) Sign(_ context.Context, challenge string) (string, error) {
	return a.Profile.Sign(challenge), nil
}

// Account makes an account known to the node, its profile published. The number makes its keys.
func (s *Server) Account(number byte) Account {
	var key [32]byte
	key[0] = number
	a := Account{Name: identity.AccountName(fmt.Sprintf("0x%040x", number)), Profile: identity.FromStorageKey(key)}
	s.Publish(a.Name, a.Profile)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.known[a.Name] = true
	return a
}

// Publish puts a profile under a name into the register that logins are checked against, as the name service would.
func (s *Server) Publish(name string, keys identity.Profile) {
	text, err := keys.UserProfile("ds.example.eth").Text()
	if err != nil {
		s.test.Errorf("nodetest: %v", err)
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.profiles[name] = profile{signed: dm3api.SignedProfile{Profile: json.RawMessage(text), Signature: "0x"}, signing: keys.SigningPublic()}
}

// login is the stock server's way of logging in.
type login struct{ *Server }

// Challenge implements dm3api.Authenticator. An unknown account is a failure inside.
func (l login) Challenge(_ context.Context, account string) (string, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.known[account] {
		return "", fmt.Errorf("no account %s", account)
	}
	second := l.now().Unix()
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand
	return dm3api.MakeToken(l.secret, dm3api.Claims{
		Account: account, IssuedAt: second, NotBefore: second, Expires: second + int64(dm3api.ChallengeLife.Seconds()),
		Challenge: fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:]),
	}), nil
}

// Session implements dm3api.Authenticator: a challenge may be used again, and for another account.
func (l login) Session(_ context.Context, account, challenge, signature string) (string, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.known[account] {
		return "", fmt.Errorf("%w: no such account", dm3api.ErrLogin)
	}
	if _, err := dm3api.CheckToken(l.secret, challenge, true, l.now()); err != nil {
		return "", fmt.Errorf("%w: %w", dm3api.ErrLogin, err)
	}
	if !identity.Verify(l.profiles[account].signing, challenge, signature) {
		return "", fmt.Errorf("%w: signature invalid", dm3api.ErrLogin)
	}
	l.loginsOf[account]++
	return l.sessionOf(account), nil
}

// sessionOf makes a token. The mutex is held.
func (l login) sessionOf(account string) string {
	second := l.now().Unix()
	return dm3api.MakeToken(l.secret, dm3api.Claims{
		Account: account, IssuedAt: second, NotBefore: second, Expires: second + int64(dm3api.SessionLife.Seconds()),
	})
}

// Check implements dm3api.Authenticator.
func (l login) Check(_ context.Context, account, token string) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	claims, err := dm3api.CheckToken(l.secret, token, false, l.now())
	if err != nil || claims.Account != account || !l.known[account] {
		return dm3api.ErrLogin
	}
	return nil
}

// registry holds the profiles.
type registry struct{ *Server }

// Profile implements dm3api.Profiles.
func (r registry) Profile(_ context.Context, name string) (dm3api.SignedProfile, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	found, ok := r.profiles[name]
	if !ok {
		return dm3api.SignedProfile{}, dm3api.ErrNoProfile
	}
	return found.signed, nil
}

// Register implements dm3api.Profiles. The wallet's signature is not looked at.
func (r registry) Register(_ context.Context, name string, _ dm3api.SignedProfile) (string, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.known[name] {
		return "", fmt.Errorf("%w: account exists already", dm3api.ErrLogin)
	}
	r.known[name] = true
	return login(r).sessionOf(name), nil
}
