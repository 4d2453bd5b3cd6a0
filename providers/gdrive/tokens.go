package gdrive

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/dm3sync/dm3sync/providers"
	"golang.org/x/oauth2"
)

// Rejecter is an optional interface of Options.Tokens: it is told of an access token that Drive does not take although
// it is not old, so that the next Token is another one.
type Rejecter interface {
	// Reject may be called concurrently, several times with the same token, and must not block.
	Reject(token *oauth2.Token)
}

// tokenError is a failure to get a token. Its text has no part of a login server's answer but the error's code.
type tokenError struct {
	sentinel error // one of providers', or nil
	text     string
	cause    error // nil when it may hold a secret
}

// Error implements error.
func (e *tokenError) Error() string { return "no access token: " + e.text }

// Unwrap gives the sentinel and the cause.
func (e *tokenError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.sentinel, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// token asks the source, which knows no context, in a goroutine of its own.
func token(ctx context.Context, source oauth2.TokenSource) (*oauth2.Token, error) {
	type result struct {
		token *oauth2.Token
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := source.Token()
		done <- result{found, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.err == nil && (r.token == nil || r.token.AccessToken == "") {
			r.err = fmt.Errorf("%w: the source gave an empty one", providers.ErrUnauthorised)
		}
		if r.err != nil {
			return nil, explainToken(r.err)
		}
		return r.token, nil
	}
}

// explainToken says what a source's error means.
func explainToken(err error) error {
	for _, sentinel := range []error{providers.ErrUnauthorised, providers.ErrTransient, providers.ErrRateLimited} {
		if errors.Is(err, sentinel) {
			return &tokenError{text: err.Error(), cause: err}
		}
	}
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return explainRefusal(refused)
	}
	if connectionFailed(err) {
		return &tokenError{sentinel: providers.ErrTransient, text: withoutAddress(err).Error(), cause: withoutAddress(err)}
	}
	return &tokenError{text: err.Error(), cause: err}
}

// explainRefusal judges a login server's answer by its code (RFC 6749, 5.2), else by its status.
func explainRefusal(refused *oauth2.RetrieveError) error {
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	e := &tokenError{sentinel: providers.ErrUnauthorised, text: fmt.Sprintf("the login server answers %d", status)}
	switch refused.ErrorCode {
	case "invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_scope", "invalid_request", "unsupported_grant_type":
		e.text = "the login server answers " + refused.ErrorCode
		return e
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status == 0 {
		e.sentinel = providers.ErrTransient
	}
	return e
}
