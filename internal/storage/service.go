package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"syscall"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Options is what the service is made of. All fields must be set.
type Options struct {
	Backend  dm3api.Backend
	Login    dm3api.Authenticator
	Profiles dm3api.Profiles
	Guard    GuardOptions
	// AccountPerSecond and AccountBurst are the requests of one account, counted
	// once it is logged in: so nobody can use up another one's.
	AccountPerSecond float64
	AccountBurst     int
}

// NewHandler is the whole service as an HTTP handler.
func NewHandler(o Options) http.Handler {
	f := failures{o.Guard.Log}
	return Guard(dm3api.NewHandler(o.Backend, dm3api.HandlerOptions{
		Login:     limitedLogin{o.Login, newLimiter(o.AccountPerSecond, o.AccountBurst, o.Guard.Now), newTurns(accountUnderWay)},
		Normalise: identity.Normalize,
		Profiles:  o.Profiles,
		MaxBody:   o.Guard.MaxBody,
		Inside:    f.answer,
	}), o.Guard)
}

// accountUnderWay is how many requests of one account are worked on at once; more wait.
// Each may take the memory of a whole page or body; browsers have six.
const accountUnderWay = 8

// limitedLogin counts the requests of accounts that are logged in.
type limitedLogin struct {
	dm3api.Authenticator
	accounts *limiter
	underWay *turns
}

// Check implements [dm3api.Authenticator]. The context is the request's: what it takes
// here ends with it.
func (l limitedLogin) Check(ctx context.Context, account, token string) error {
	if err := l.Authenticator.Check(ctx, account, token); err != nil {
		return err
	}
	if wait, ok := l.accounts.allow(account); !ok {
		return tooSoonError(wait)
	}
	return l.underWay.take(ctx, account)
}

// tooSoonError says that an account asks too often, and how long it is to wait.
type tooSoonError time.Duration

// Error implements error.
func (t tooSoonError) Error() string {
	return fmt.Sprintf("storage: too many requests, wait %s", time.Duration(t))
}

// failures answers what went wrong inside.
type failures struct{ log *slog.Logger }

// reasons are the sentinels by which a failure is told in the log: texts of errors
// may hold names, these hold none.
var reasons = []struct {
	error  error
	status int
}{
	{context.Canceled, http.StatusServiceUnavailable}, // the client left, or the server stops
	{context.DeadlineExceeded, http.StatusServiceUnavailable},
	{api.ErrNoAgent, http.StatusServiceUnavailable},
	{api.ErrNotReady, http.StatusServiceUnavailable},
	{providers.ErrRateLimited, http.StatusServiceUnavailable},
	{providers.ErrTransient, http.StatusServiceUnavailable},
	{providers.ErrUnauthorised, http.StatusServiceUnavailable},
	{engine.ErrBlocked, http.StatusServiceUnavailable},
	{errProvisional, http.StatusServiceUnavailable},
	{errVanished, http.StatusServiceUnavailable},
	{cache.ErrJournalFull, http.StatusInsufficientStorage},
	{providers.ErrQuota, http.StatusInsufficientStorage},
	{syscall.ENOSPC, http.StatusInsufficientStorage},
	{providers.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{engine.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{errRejected, http.StatusRequestEntityTooLarge}, // well-formed envelopes are refused for their size alone
}

// answer writes the status for err. The text is for people: clients go by the status.
func (f failures) answer(w http.ResponseWriter, r *http.Request, err error) {
	var soon tooSoonError
	if errors.As(err, &soon) {
		tooMany(w, time.Duration(soon))
		return
	}
	status, reason := http.StatusInternalServerError, fmt.Sprintf("%T", err)
	for _, known := range reasons {
		if errors.Is(err, known.error) {
			status, reason = known.status, known.error.Error()
			break
		}
	}
	f.log.Warn("request failed", "route", route(r.URL.Path), "status", status, "reason", reason)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, "this can't be done at the moment; nothing that was acknowledged is lost", status)
}
