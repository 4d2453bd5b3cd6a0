package login

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// Errors that tell answers of the browser apart.
var (
	errForeign = errors.New("this is not the answer to the login that runs") // the wait goes on
	errDenied  = errors.New("the access was not granted")
)

// attempt is one request for authorization: what only this program knows of it.
type attempt struct {
	state    secret
	verifier secret
	redirect string
}

// Result says what became of a login.
type Result struct {
	// Kept says where the token is: "kept in the system's keyring", or "sealed in" and a file.
	Kept string
	// Avoided is why it is not in the keyring; nil where it is, or was not to be.
	Avoided error
}

// begin draws the secrets of an attempt.
func (l *Login) newAttempt(redirect string) (*attempt, error) {
	var random [64]byte
	if _, err := io.ReadFull(l.random, random[:]); err != nil {
		return nil, fmt.Errorf("login: drawing a secret: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return &attempt{state: secret(encode(random[:32])), verifier: secret(encode(random[32:])), redirect: redirect}, nil
}

func (l *Login) configFor(a *attempt) *oauth2.Config {
	c := oauth2.Config{ClientID: l.config.ClientID, ClientSecret: l.config.ClientSecret, Endpoint: l.config.Endpoint, Scopes: l.config.Scopes}
	c.RedirectURL = a.redirect
	return &c
}

// address is what the browser opens. It shows the state and the verifier's hash, no secret.
func (l *Login) address(a *attempt) string {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(string(a.verifier))}
	for name, value := range l.place.Parameters {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return l.configFor(a).AuthCodeURL(string(a.state), options...)
}

// judge returns the code of an answer. errForeign says that it does not belong to the attempt, and proves nothing.
func (l *Login) judge(a *attempt, answer url.Values) (secret, error) {
	for _, name := range []string{"state", "code", "error"} {
		if len(answer[name]) > 1 {
			return "", errForeign
		}
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.state)) != 1 {
		return "", errForeign
	}
	code, refusal := answer.Get("code"), answer.Get("error")
	switch {
	case refusal == "access_denied":
		return "", fmt.Errorf("login: %w: %s says that %w; to try again, run `%s`", ErrNotCompleted, l.place.Title, errDenied, l.place.Command)
	case refusal != "":
		if !errorCode.MatchString(refusal) {
			refusal = "an error"
		}
		return "", fmt.Errorf("login: %w: %s answered %s %s", ErrNotCompleted, l.place.Title, refusal,
			l.clean(answer.Get("error_description"), []secret{a.state, a.verifier}))
	case code == "":
		return "", errForeign
	}
	return secret(code), nil
}

// finish exchanges the code for a token and keeps that.
func (l *Login) finish(ctx context.Context, a *attempt, code secret, inFile bool) (Result, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, l.http)
	answer, err := l.configFor(a).Exchange(ctx, string(code), oauth2.VerifierOption(string(a.verifier)))
	if err != nil {
		err = l.explain(ctx, err, code, a.verifier)
		if errors.Is(err, errEnded) {
			return Result{}, fmt.Errorf("login: %w: %s did not accept the browser's answer: it is too old, or was used already; run `%s` again",
				ErrNotCompleted, l.place.Title, l.place.Command)
		}
		return Result{}, fmt.Errorf("login: %w: %w", ErrNotCompleted, err)
	}
	now := l.now()
	r := record{Client: l.place.ClientID, Scope: strings.Join(l.place.Scopes, " ")}.answered(answer, now)
	switch missing := r.missing(l.place.Scopes); {
	case missing != "":
		return Result{}, fmt.Errorf("login: %w: the access %s was not granted; run `%s` again and leave its box ticked",
			ErrNotCompleted, missing, l.place.Command)
	case r.Refresh == "":
		return Result{}, fmt.Errorf("login: %w: %s gave no refresh token, so the login would end within the hour; remove dm3sync from the "+
			"apps that have access to your account there (at Google: myaccount.google.com/connections), and run `%s` again",
			ErrNotCompleted, l.place.Title, l.place.Command)
	}
	return l.keepNew(ctx, r, inFile)
}

// keepNew keeps the record of a new login, in the place of any other one.
func (l *Login) keepNew(ctx context.Context, r record, inFile bool) (Result, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	m, avoided, err := l.store.keep(ctx, r, inFile)
	if err != nil {
		return Result{}, err
	}
	l.mu.Lock()
	l.unkept, l.rejected = nil, ""
	l.mu.Unlock()
	l.remember(&r, m)
	return Result{Kept: l.store.where(), Avoided: avoided}, nil
}

// Kept says where the token is, as [Result].Kept; "" where nobody is logged in.
func (l *Login) Kept() string { return l.store.where() }

// Command is what the user runs in a terminal to log in.
func (l *Login) Command() string { return l.place.Command }
