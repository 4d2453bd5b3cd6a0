package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"
)

// quietTime is how long nothing is refreshed ahead of time after that failed. Who needs a token still asks.
const quietTime = time.Minute

var _ oauth2.TokenSource = (*Login)(nil)

// Token implements oauth2.TokenSource: an access token that works now, without the refresh token. It asks the server
// only when there is none, and at most once for all that wait; a while before the end it does so in the background. It
// sees what other processes do with the login, a new one too. Errors match ErrNeeded, ErrClient, providers.ErrTransient,
// providers.ErrRateLimited, or say that what is kept can't be read or written.
func (l *Login) Token() (*oauth2.Token, error) { return l.TokenContext(l.ctx) }

// TokenContext is Token for callers that have a context. What is under way for others goes on after its end.
func (l *Login) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	r, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	if l.accepts(r) {
		if !r.fresh(l.now()) {
			l.refreshLater()
		}
		return r.token(), nil
	}
	if r, err = l.refreshed(ctx); err != nil {
		return nil, err
	}
	return r.token(), nil
}

// Reject says that the place refused a token of this login although it should still work. The next Token is another one.
func (l *Login) Reject(token *oauth2.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rejected = secret(token.AccessToken)
}

// accepts says whether a record's access token can be used now.
func (l *Login) accepts(r *record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.usable(l.now()) && r.Access != l.rejected
}

// current is kept, for those who want to use it.
func (l *Login) current(ctx context.Context) (*record, error) {
	r, err := l.kept(ctx)
	if err != nil {
		return nil, err
	}
	return r, l.objection(r)
}

// kept returns the record as it is kept now, whatever it is good for; from memory while the file is the one that was
// read. Nobody changes a record that is known.
func (l *Login) kept(ctx context.Context) (*record, error) {
	now, err := l.store.look()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	r, before := l.known, l.mark
	l.mu.Unlock()
	if r != nil && before.same(now) {
		return r, nil
	}
	if r, now, err = l.store.load(ctx); err != nil {
		return nil, l.unreadable(err)
	}
	l.remember(r, now)
	return r, nil
}

// objection says why a record is no login for this configuration.
func (l *Login) objection(r *record) error {
	switch {
	case r.Client != l.place.ClientID:
		return l.needed("the login belongs to another client_id")
	case r.missing(l.place.Scopes) != "":
		return l.needed("the login does not cover what [account.provider] asks for now")
	case r.Refused:
		return l.needed("the login has ended or was revoked")
	}
	return nil
}

// unreadable turns errors of the store into what callers of this package know.
func (l *Login) unreadable(err error) error {
	switch {
	case errors.Is(err, errNone):
		return l.needed("nobody is logged in")
	case errors.Is(err, errSpoiled):
		return l.needed(err.Error())
	}
	return err
}

func (l *Login) remember(r *record, m mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The access token that the keyring had no room for is still good here.
	if r.Access == "" && !r.Refused && l.known != nil && l.known.Refresh == r.Refresh {
		r.Access, r.Ends = l.known.Access, l.known.Ends
	}
	l.known, l.mark = r, m
}

// refreshLater refreshes ahead of time; its errors are only logged, for the token still works.
func (l *Login) refreshLater() {
	l.mu.Lock()
	now := l.now()
	wanted := !now.Before(l.quiet)
	if wanted {
		l.quiet = now.Add(quietTime)
	}
	l.mu.Unlock()
	if !wanted || !l.begin() {
		return
	}
	go func() {
		defer l.groups.Done()
		if _, err := l.refreshed(l.ctx); err != nil && l.ctx.Err() == nil {
			l.log.Warn("refreshing the login failed, the present token still works", "error", err)
		}
	}()
}

// refreshed waits for a fresh record; all who wait share one attempt, which outlives each of them.
func (l *Login) refreshed(ctx context.Context) (*record, error) {
	shared := l.flight.DoChan("refresh", func() (any, error) {
		if !l.begin() {
			return nil, fmt.Errorf("login: closed: %w", context.Canceled)
		}
		defer l.groups.Done()
		return l.refresh(l.ctx)
	})
	select {
	case result := <-shared:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*record), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("login: waiting for a token: %w", ctx.Err())
	}
}

// refresh is one attempt, with other processes kept out.
func (l *Login) refresh(ctx context.Context) (*record, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Read anew: another process may have refreshed, or logged in, while this one waited for the lock.
	r, m, err := l.store.load(ctx)
	if err != nil {
		return nil, l.unreadable(err)
	}
	l.remember(r, m)
	if err := l.objection(r); err != nil {
		return nil, err
	}
	if next := l.takeUnkept(r); next != nil {
		return l.keepThenUse(ctx, r, *next)
	}
	if r.fresh(l.now()) && l.accepts(r) {
		return r, nil
	}
	return l.ask(ctx, r, m)
}

// ask sends the refresh token to the server.
func (l *Login) ask(ctx context.Context, r *record, m mark) (*record, error) {
	answer, err := l.config.TokenSource(ctx, &oauth2.Token{RefreshToken: string(r.Refresh)}).Token()
	if err != nil {
		err = l.explain(ctx, err, r.Refresh)
		if !errors.Is(err, errEnded) {
			return nil, err
		}
		l.log.Warn("the login has ended", "error", err)
		return nil, l.ended(ctx, r, m)
	}
	l.log.Debug("the login was refreshed", "replaced", secret(answer.RefreshToken) != r.Refresh)
	return l.keepThenUse(ctx, r, r.answered(answer, l.now()))
}

// keepThenUse makes an answer durable before its access token is used: where the server replaces refresh tokens, the one
// before is dead already. What can't be kept is offered again by the next refresh, and not used until then.
func (l *Login) keepThenUse(ctx context.Context, before *record, next record) (*record, error) {
	l.mu.Lock()
	l.unkept = &unkept{instead: before.Refresh, record: next}
	l.mu.Unlock()
	m, err := l.store.update(ctx, next)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.unkept, l.rejected = nil, ""
	l.mu.Unlock()
	l.remember(&next, m)
	return &next, nil
}

// takeUnkept returns what is still to be kept in the place of a record; what belongs to another login is dropped.
func (l *Login) takeUnkept(r *record) *record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unkept == nil || l.unkept.instead != r.Refresh {
		l.unkept = nil
		return nil
	}
	return &l.unkept.record
}

// ended notes that the server takes the refresh token no more, so that nobody asks again before there is a new login.
func (l *Login) ended(ctx context.Context, r *record, m mark) error {
	refused := *r
	refused.Refused, refused.Access = true, ""
	if noted, err := l.store.update(ctx, refused); err != nil {
		l.log.Warn("that the login has ended could not be noted", "error", err)
	} else {
		m = noted
	}
	l.remember(&refused, m)
	return l.objection(&refused)
}
