package gdrive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
	"google.golang.org/api/googleapi"
)

// sentinels says what Drive's reasons mean ("Resolve errors", Drive API guides). Others are judged by the HTTP status.
var sentinels = map[string]error{
	"authError": providers.ErrUnauthorised, "required": providers.ErrUnauthorised, "insufficientPermissions": providers.ErrUnauthorised,
	"insufficientFilePermissions": providers.ErrUnauthorised, "insufficientParentPermissions": providers.ErrUnauthorised,
	"appNotAuthorizedToFile": providers.ErrUnauthorised, "accessNotConfigured": providers.ErrUnauthorised,
	"domainPolicy": providers.ErrUnauthorised, "forbidden": providers.ErrUnauthorised, "cannotDeleteFile": providers.ErrUnauthorised,

	"rateLimitExceeded": providers.ErrRateLimited, "userRateLimitExceeded": providers.ErrRateLimited,
	"dailyLimitExceeded": providers.ErrRateLimited, "sharingRateLimitExceeded": providers.ErrRateLimited,
	"quotaExceeded": providers.ErrRateLimited, "downloadQuotaExceeded": providers.ErrRateLimited, "RATE_LIMIT_EXCEEDED": providers.ErrRateLimited,

	"storageQuotaExceeded": providers.ErrQuota, "teamDriveFileLimitExceeded": providers.ErrQuota,
	"numChildrenInNonRootLimitExceeded": providers.ErrQuota, "activeItemCreationLimitExceeded": providers.ErrQuota,

	"uploadTooLarge": providers.ErrTooLarge,

	"backendError": providers.ErrTransient, "internalError": providers.ErrTransient,
}

// answerError is what a server has answered. Its text has the reason and Drive's own message, and nothing of other bodies
// or headers.
type answerError struct {
	status          int
	reason, message string
	wait            time.Duration
}

// Error implements error.
func (e *answerError) Error() string {
	text := fmt.Sprintf("the server answers %d", e.status)
	for _, more := range []string{e.reason, e.message} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

// answered finds the server's answer in an error of the client library.
func answered(err error) *answerError {
	var own *answerError
	if errors.As(err, &own) {
		return own
	}
	var found *googleapi.Error
	if !errors.As(err, &found) {
		return nil
	}
	if len(found.Errors) == 0 && found.Message == "" && found.Body != "" { // a download: the library has not read it
		response := &http.Response{StatusCode: found.Code, Header: found.Header}
		var read *googleapi.Error
		if errors.As(googleapi.CheckResponseWithBody(response, []byte(found.Body)), &read) {
			found = read
		}
	}
	e := &answerError{status: found.Code, message: plain(found.Message), wait: transport.RetryAfter(found.Header)}
	if len(found.Errors) > 0 {
		e.reason = plain(found.Errors[0].Reason)
	}
	return e
}

// plain makes a server's text fit for an error: short, and without control characters.
func plain(text string) string {
	const longest = 200
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}

// missing reports Drive's own, definite word that there is no file with an id. A proxy's page with 404 is none.
func missing(err error) bool {
	e := answered(err)
	return e != nil && e.status == http.StatusNotFound && e.reason == "notFound"
}

// has tells whether the server has answered with a status.
func has(err error, status int) bool {
	e := answered(err)
	return e != nil && e.status == status
}

// translate gives err the sentinel that callers look for, and takes out of it what must not be seen. ErrNotFound is never
// given here: only what get itself finds out means that.
func translate(ctx context.Context, operation, name string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("gdrive: %s %s: %w", operation, name, ended)
	}
	var refused *tokenError
	if errors.As(err, &refused) {
		return fmt.Errorf("gdrive: %s %s: %w", operation, name, refused)
	}
	if judged(err) {
		return join(operation, name, nil, err)
	}
	if e := answered(err); e != nil {
		return join(operation, name, classify(e), e)
	}
	err = withoutAddress(err)
	switch {
	case errors.Is(err, transport.ErrTooLong):
		return join(operation, name, providers.ErrTooLarge, err)
	case connectionFailed(err):
		return join(operation, name, providers.ErrTransient, err)
	}
	return join(operation, name, nil, err)
}

func join(operation, name string, sentinel, err error) error {
	if sentinel == nil {
		return fmt.Errorf("gdrive: %s %s: %w", operation, name, err)
	}
	return fmt.Errorf("gdrive: %s %s: %w: %w", operation, name, sentinel, err)
}

// judged tells of an error that was made here that it says already what it means.
func judged(err error) bool {
	for _, sentinel := range []error{providers.ErrNotFound, providers.ErrTransient, ErrNoFolder, ErrFolderTrashed, ErrTwoFolders} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// classify judges an answer by its reason, then by its status. A wait that the server names is honoured.
func classify(e *answerError) error {
	sentinel, known := sentinels[e.reason]
	if !known || e.status == http.StatusTooManyRequests {
		sentinel = transport.ByStatus(e.status)
	}
	if errors.Is(sentinel, providers.ErrRateLimited) || errors.Is(sentinel, providers.ErrTransient) && e.wait > 0 {
		return &providers.RateLimitError{Wait: e.wait}
	}
	return sentinel
}

// connectionFailed is transport.Broken, or the page of another server.
func connectionFailed(err error) bool {
	var syntax *json.SyntaxError
	return transport.Broken(err) || errors.As(err, &syntax) && !transport.Untrusted(err)
}

// withoutAddress takes out the request's address, as that of an upload is as good as a token.
func withoutAddress(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
