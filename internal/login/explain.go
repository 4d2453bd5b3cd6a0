package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/dm3sync/dm3sync/providers"
)

// errEnded is the server's answer that a refresh token, or a code, is good for nothing.
var errEnded = errors.New("the server says that the login has ended or was revoked")

// errorCode is the form of the words that servers use (RFC 6749, part 5.2).
var errorCode = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,60}$`)

// explain turns a failed request to the server into an error that says what it means and holds no part of an answer's
// body but its error code and, without the secrets, its description.
func (l *Login) explain(ctx context.Context, err error, secrets ...secret) error {
	if ctx.Err() != nil {
		return fmt.Errorf("login: asking %s: %w", l.place.Title, ctx.Err())
	}
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) {
		// What was sent stands in the body, which such errors do not quote.
		return fmt.Errorf("login: %s can't be reached: %s: %w", l.place.Title, l.clean(err.Error(), secrets), providers.ErrTransient)
	}
	return l.refused(refusal.Response, refusal.ErrorCode, l.clean(refusal.ErrorDescription, secrets))
}

// refused is the meaning of an answer that gives nothing.
func (l *Login) refused(response *http.Response, code, description string) error {
	if !errorCode.MatchString(code) {
		code = ""
	}
	said := fmt.Sprintf("login: %s answered %d %s", l.place.Title, response.StatusCode, strings.TrimSpace(code+" "+description))
	switch {
	case response.StatusCode == http.StatusTooManyRequests || code == "slow_down" || code == "rate_limit_exceeded":
		return fmt.Errorf("%s: %w", said, &providers.RateLimitError{Wait: l.wait(response)})
	case response.StatusCode >= 500, response.StatusCode == http.StatusRequestTimeout, code == "",
		code == "temporarily_unavailable", code == "server_error", code == "internal_failure":
		// Without a word of OAuth it was not the server that answered, but something before it.
		return fmt.Errorf("%s: %w", said, providers.ErrTransient)
	case code == "invalid_grant":
		return fmt.Errorf("%s: %w", said, errEnded)
	case code == "invalid_client", code == "unauthorized_client", code == "deleted_client", code == "disabled_client": // the last two are Google's own
		return fmt.Errorf("%s; check client_id and secret_* of [account.provider] (%w)", said, ErrClient)
	}
	return &neededError{fmt.Sprintf("%s; run `%s`", strings.TrimPrefix(said, "login: "), l.place.Command)}
}

// wait is what the server asks for; 0 where it doesn't say.
func (l *Login) wait(response *http.Response) time.Duration {
	text := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 && seconds < 24*3600 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(l.now()), 0), 24*time.Hour)
	}
	return 0
}

// clean makes a text of others fit for an error: short, printable, without secrets.
func (l *Login) clean(text string, secrets []secret) string {
	for _, s := range append(secrets, secret(l.place.ClientSecret)) {
		if s != "" {
			text = strings.ReplaceAll(text, string(s), "(secret)")
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if short := []rune(text); len(short) > 200 {
		text = string(short[:200]) + "…"
	}
	return text
}
