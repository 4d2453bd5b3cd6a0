package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
)

// MinSecret is the least length of a token secret, in bytes.
const MinSecret = 32

// early is by how much tokens are dated back, so that an instance whose clock is
// behind takes those of another one.
const early = 30 * time.Second

// ErrPlace says that a place doesn't promise what the service needs of it.
var ErrPlace = errors.New("the place can't be used for this")

// Reasons of a refused login, which the client is shown.
var (
	errToken = fmt.Errorf("%w: the challenge or its signature is not valid", dm3api.ErrLogin)
	errUsed  = fmt.Errorf("%w: the challenge was answered before", dm3api.ErrLogin)
)

// LoginOptions is what logging in needs. All fields must be set.
type LoginOptions struct {
	// Secret signs tokens: at least [MinSecret] bytes. Instances that share it,
	// and Claims, accept each other's challenges and tokens.
	Secret []byte
	// Claims keeps which challenges were answered. Its listings must be current,
	// else one challenge could count twice.
	Claims providers.Store
	// SigningKey returns the published signing key of a normalised account name,
	// or an error that matches [dm3api.ErrUnknownAccount].
	SigningKey func(ctx context.Context, account string) ([32]byte, error)
	// Now is the wall clock, Random the source of identifiers.
	Now    func() time.Time
	Random io.Reader
}

// Login hands out challenges and session tokens. It keeps nothing in memory, so
// that any instance may answer any request. It is safe for concurrent use.
type Login struct{ o LoginOptions }

// NewLogin returns a login, or says what of o can't be used.
func NewLogin(o LoginOptions) (*Login, error) {
	if len(o.Secret) < MinSecret {
		return nil, fmt.Errorf("storage: the token secret is shorter than %d bytes", MinSecret)
	}
	if p := o.Claims.Properties(); !p.CurrentListings || p.Carried {
		return nil, fmt.Errorf("storage: %w: one of kind %q may show late what another instance wrote, and so a challenge could count twice; use S3 or a database", ErrPlace, p.Kind)
	}
	return &Login{o: o}, nil
}

// Challenge implements [dm3api.Authenticator]: a text for the account's owner to sign.
// It is bound to the account, lasts 15 minutes and counts once.
func (l *Login) Challenge(ctx context.Context, account string) (string, error) {
	if _, err := l.o.SigningKey(ctx, account); err != nil {
		return "", err
	}
	id, err := l.uuid()
	if err != nil {
		return "", err
	}
	return l.token(account, id, dm3api.ChallengeLife), nil
}

// Session implements [dm3api.Authenticator]: a session token for a challenge with its
// signature, Ed25519 in base64 over the whole challenge. Errors match
// [dm3api.ErrLogin] or [dm3api.ErrUnknownAccount], or are the place's.
func (l *Login) Session(ctx context.Context, account, challenge, signature string) (string, error) {
	claims, err := dm3api.CheckToken(l.o.Secret, challenge, true, l.o.Now())
	if err != nil || claims.Account != account {
		return "", errToken
	}
	key, err := l.o.SigningKey(ctx, account)
	if err != nil {
		return "", err
	}
	if !identity.Verify(key, challenge, signature) {
		return "", errToken // and the challenge still stands: else anybody could spend it
	}
	if err := l.claim(ctx, claims.Expires, claims.Challenge); err != nil {
		return "", err
	}
	return l.token(account, "", dm3api.SessionLife), nil
}

// Check implements [dm3api.Authenticator].
func (l *Login) Check(_ context.Context, account, token string) error {
	claims, err := dm3api.CheckToken(l.o.Secret, token, false, l.o.Now())
	if err != nil || claims.Account != account {
		return errToken
	}
	return nil
}

// Spent returns a session token that has ended: for an answer that must hold one
// where nobody has shown who they are. Clients then log in.
func (l *Login) Spent(account string) string { return l.token(account, "", 0) }

func (l *Login) token(account, challenge string, life time.Duration) string {
	now := l.o.Now()
	return dm3api.MakeToken(l.o.Secret, dm3api.Claims{
		Account: account, Challenge: challenge,
		IssuedAt: now.Add(-early).Unix(), NotBefore: now.Add(-early).Unix(), Expires: now.Add(life).Unix(),
	})
}

// usedPrefix begins the names of claims: used/<expiry>-<challenge>/<random>.
const usedPrefix = "used/"

// claim makes sure that a challenge counts once, whichever instances see it: a
// claim is an object under a name that nobody else writes, and whoever then sees
// more than one gives up. The later of two listings shows both claims, so at
// most one wins; perhaps none does, and the client asks anew.
func (l *Login) claim(ctx context.Context, expires int64, id string) error {
	var random [16]byte
	if _, err := io.ReadFull(l.o.Random, random[:]); err != nil {
		return fmt.Errorf("storage: drawing a claim: %w", err)
	}
	prefix := fmt.Sprintf("%s%012x-%s/", usedPrefix, expires, strings.ToLower(id))
	seen := 0
	count := func() error {
		seen = 0
		for _, err := range l.o.Claims.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("storage: looking whether a challenge was used: %w", err)
			}
			seen++
		}
		return nil
	}
	if err := count(); err != nil { // so that replays write nothing
		return err
	}
	if seen > 0 {
		return errUsed
	}
	if err := l.o.Claims.Put(ctx, prefix+hex.EncodeToString(random[:]), []byte("{}")); err != nil {
		return fmt.Errorf("storage: claiming a challenge: %w", err)
	}
	if err := count(); err != nil {
		return err
	}
	if seen != 1 {
		return errUsed
	}
	return nil
}

// Sweep removes the claims of challenges that ended long ago, and counts them.
// Any number of instances may do it at once.
func (l *Login) Sweep(ctx context.Context) (removed int, err error) {
	before := l.o.Now().Add(-time.Hour).Unix() // far beyond skew
	var names []string
	for object, err := range l.o.Claims.List(ctx, usedPrefix) {
		if err != nil {
			return 0, fmt.Errorf("storage: listing claims: %w", err)
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(object.Name, usedPrefix), "-")
		if expires, err := strconv.ParseInt(text, 16, 64); err == nil && expires < before {
			names = append(names, object.Name)
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	if err := l.o.Claims.Delete(ctx, names...); err != nil {
		return 0, fmt.Errorf("storage: removing claims: %w", err)
	}
	return len(names), nil
}

// SweepEvery sweeps until ctx ends. What fails is logged, and tried again.
func (l *Login) SweepEvery(ctx context.Context, interval time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := l.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Warn("claims of old challenges stay for now", "error", err)
		}
	}
}

// uuid draws a random identifier in the form that clients expect (RFC 9562,
// version 4).
func (l *Login) uuid() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(l.o.Random, b[:]); err != nil {
		return "", fmt.Errorf("storage: drawing a challenge: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:], nil
}
