package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// LogoutOptions say how to log out.
type LogoutOptions struct {
	// Local only forgets the token here and tells the server nothing: other devices of the same client stay logged in
	// where the server ends all logins at once.
	Local bool
	// Force forgets the token here even when the server can't be told, or when it can't be read.
	Force bool
}

// Logout revokes the login at the server (RFC 7009) and forgets the token. When the server can't be told, or what is
// kept can't be read, the token stays and the error says so, unless forced: with Force the token is gone, and the error,
// which the result carries too, tells what the server was not told. Nobody logged in is not an error.
func (l *Login) Logout(ctx context.Context, o LogoutOptions) (LogoutResult, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return LogoutResult{}, err
	}
	defer unlock()
	result := LogoutResult{}
	r, _, err := l.store.load(ctx)
	switch {
	case errors.Is(err, errNone):
		return result, nil
	case err == nil && !o.Local:
		err = l.revoke(ctx, r)
		result.Revoked = err == nil
	case err == nil:
	case errors.Is(err, errSpoiled):
		err = fmt.Errorf("login: %w", err)
	}
	if err != nil && !o.Force {
		return result, fmt.Errorf("%w; the token is still here; `dm3sync logout` with --force removes it all the same", err)
	}
	result.Untold = err
	if err := l.store.remove(ctx, o.Force); err != nil {
		return result, err
	}
	result.Removed = true
	l.mu.Lock()
	l.known, l.mark, l.unkept = nil, mark{}, nil
	l.mu.Unlock()
	return result, nil
}

// LogoutResult says what was done.
type LogoutResult struct {
	Removed bool  // there was a token, and it is gone
	Revoked bool  // the server ended the login
	Untold  error // with Force: why the server may not have
}

// revoke asks the server to end the login. A token that it doesn't know any more is as good as revoked.
func (l *Login) revoke(ctx context.Context, r *record) error {
	form := url.Values{"token": {string(r.Refresh)}, "token_type_hint": {"refresh_token"}, "client_id": {l.place.ClientID}}
	if l.place.ClientSecret != "" {
		form.Set("client_secret", l.place.ClientSecret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.place.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("login: revoking: the address for it is wrong; check revoke_url of [account.provider]")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := l.http.Do(request)
	if err != nil {
		return fmt.Errorf("revoking the login: %w", l.explain(ctx, err, r.Refresh))
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNoContent {
		return nil
	}
	var refusal struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	data, _ := io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	_ = json.Unmarshal(data, &refusal) // what is no JSON has no code, and is judged by its status
	if refusal.Error == "invalid_token" {
		return nil
	}
	return fmt.Errorf("revoking the login: %w", l.refused(response, refusal.Error, l.clean(refusal.Description, []secret{r.Refresh})))
}
