package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

const (
	maxSenders   = 4096 // names whose keys are remembered; a full table is emptied
	senderLife   = time.Hour
	strangerLife = 10 * time.Minute // of an answer without a key
)

// Profiles answers who published which keys, as a node does.
type Profiles interface {
	// Profile returns a name's profile; [dm3api.ErrNoProfile] says that there is none.
	Profile(ctx context.Context, name string) (dm3api.SignedProfile, error)
}

// senders knows the signing keys of those who write messages. It is safe for
// concurrent use.
type senders struct {
	profiles Profiles // nil: only our own keys are known
	own      map[string]bool
	ownKey   [32]byte
	now      func() time.Time
	log      *slog.Logger

	mu    sync.Mutex
	known map[string]sender
}

// sender is one signing key, if any, and how much its ownership is worth.
type sender struct {
	key    [32]byte
	there  bool
	proved bool
	until  time.Time
}

// of returns the signing key of a name as a message gives it. An unreachable node is as
// good as no key: a message never waits for one.
func (s *senders) of(ctx context.Context, name string) sender {
	normal, err := identity.Normalize(name)
	if err != nil || dm3api.CheckName(normal, identity.Normalize) != nil {
		return sender{}
	}
	if s.own[normal] {
		return sender{key: s.ownKey, there: true, proved: true}
	}
	if s.profiles == nil {
		return sender{}
	}
	s.mu.Lock()
	found, ok := s.known[normal]
	s.mu.Unlock()
	if ok && s.now().Before(found.until) {
		return found
	}
	found = s.ask(ctx, normal)
	if ctx.Err() != nil {
		return sender{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxSenders {
		clear(s.known)
	}
	s.known[normal] = found
	return found
}

func (s *senders) ask(ctx context.Context, name string) sender {
	profile, err := s.profiles.Profile(ctx, name)
	if err != nil {
		if !errors.Is(err, dm3api.ErrNoProfile) && ctx.Err() == nil {
			s.log.Debug("a sender's profile can't be had", "error", err)
		}
		return sender{until: s.now().Add(strangerLife)}
	}
	var published identity.UserProfile
	if json.Unmarshal(profile.Profile, &published) != nil {
		return sender{until: s.now().Add(strangerLife)}
	}
	key, err := identity.ParseKey(published.PublicSigningKey)
	if err != nil {
		return sender{until: s.now().Add(strangerLife)}
	}
	return sender{key: key, there: true, proved: signedByName(name, profile), until: s.now().Add(senderLife)}
}

// signedByName tells whether the wallet whose address is the name's first label signed
// the profile. Other names say nothing of their owner without the chain.
func signedByName(name string, profile dm3api.SignedProfile) bool {
	address, _, dotted := strings.Cut(name, ".")
	if !dotted || len(address) != 42 || !strings.HasPrefix(address, "0x") {
		return false
	}
	text, err := container.Canonical(nil, profile.Profile)
	if err != nil {
		return false
	}
	return identity.VerifyWallet(identity.ProfileCreationMessage(string(text), address), profile.Signature, address) == nil
}

// check compares a message's signature with the sender's key; nil where no key is known.
func (s *senders) check(ctx context.Context, from string, message []byte) map[string]Check {
	key := s.of(ctx, from)
	if !key.there {
		return nil
	}
	return map[string]Check{identity.EncodeKey(key.key[:]): {Valid: signedBy(key.key, message), Proved: key.proved}}
}

// signedBy tells whether a signed dm3 object, as JSON, bears the signature of a key.
func signedBy(key [32]byte, object []byte) bool {
	text, signature, err := identity.SignedText(object)
	return err == nil && identity.Verify(key, string(text), signature)
}
