package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/dm3sync/dm3sync/providers"
)

// codeNoSuchKey, with status 404, is a server's definite word that there is no such object; deletions of many have it
// inside their answer.
const codeNoSuchKey = "NoSuchKey"

// sentinels says what the error codes of AWS's reference ("Error responses", Amazon S3 API) and of MinIO mean. Codes
// that aren't here are judged by the HTTP status.
var sentinels = map[string]error{
	"AccessDenied": providers.ErrUnauthorised, "AccountProblem": providers.ErrUnauthorised,
	"AllAccessDisabled": providers.ErrUnauthorised, "ExpiredToken": providers.ErrUnauthorised,
	"InvalidAccessKeyId": providers.ErrUnauthorised, "InvalidToken": providers.ErrUnauthorised,
	"NotSignedUp": providers.ErrUnauthorised, "SignatureDoesNotMatch": providers.ErrUnauthorised,
	"TokenRefreshRequired": providers.ErrUnauthorised,

	"QuotaExceeded": providers.ErrQuota, "XMinioAdminBucketQuotaExceeded": providers.ErrQuota,
	"XMinioStorageFull": providers.ErrQuota, "InsufficientStorage": providers.ErrQuota, "StorageQuotaExceeded": providers.ErrQuota,

	"EntityTooLarge": providers.ErrTooLarge,

	"BadDigest": providers.ErrTransient, "IncompleteBody": providers.ErrTransient, "InternalError": providers.ErrTransient,
	"OperationAborted": providers.ErrTransient, "ConditionalRequestConflict": providers.ErrTransient,
	"RequestTimeout": providers.ErrTransient, "ServiceUnavailable": providers.ErrTransient,
	"RequestTimeTooSkewed": providers.ErrTransient, "XAmzContentSHA256Mismatch": providers.ErrTransient,

	"SlowDown": providers.ErrRateLimited, "RequestLimitExceeded": providers.ErrRateLimited,
	"Throttling": providers.ErrRateLimited, "TooManyRequests": providers.ErrRateLimited, "BandwidthLimitExceeded": providers.ErrRateLimited,
	"SlowDownRead": providers.ErrRateLimited, "SlowDownWrite": providers.ErrRateLimited,
}

// objectError is a failure inside the answer to DeleteObjects.
type objectError struct{ code, key string }

// Error implements error.
func (e *objectError) Error() string { return fmt.Sprintf("%s: %s", e.key, e.code) }

// ErrorCode is what smithy.APIError has too.
func (e *objectError) ErrorCode() string { return e.code }

// errorCode is the code in the server's answer, "" if err has none. Answers without a body, or with a page of some proxy,
// have a code that the SDK makes from the status, never NoSuchKey.
func errorCode(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

// wrongClock is asked by the SDK's retryer, which marks an error with a type of its own when the answer's Date differs
// from the clock that signed.
func wrongClock(err error) aws.Ternary {
	var marked interface{ RetryableError() bool }
	return aws.BoolTernary(errors.As(err, &marked) && marked.RetryableError())
}

// refusesBatches reports whether DeleteObjects itself is what the server does not know, or wants differently (Google
// lacks it, others insist on Content-MD5).
func refusesBatches(err error) bool {
	switch errorCode(err) {
	case "NotImplemented", "MethodNotAllowed", "MissingContentMD5", "InvalidRequest", "InvalidArgument", "InvalidDigest", "MalformedXML":
		return true
	}
	return false
}

// noSuchKey reports whether the server said, definitely, that there is no such object.
func noSuchKey(err error) bool {
	var answer *smithyhttp.ResponseError
	return errorCode(err) == codeNoSuchKey && errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound
}

// beyondEnd reports whether the object is there, but ends before the range that was asked for.
func beyondEnd(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable
}

// translate gives err the sentinel that callers look for. ErrNotFound is never given here: only an answer NoSuchKey to a
// get means that, which get itself knows; a missing bucket is a plain, permanent error.
func translate(ctx context.Context, operation, name string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("s3: %s %s: %w", operation, name, ended)
	}
	sentinel := classify(err)
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("s3: %s %s: %w", operation, name, err)
	}
	return fmt.Errorf("s3: %s %s: %w: %w", operation, name, sentinel, err)
}

func classify(err error) error {
	if errors.Is(err, errTooLong) {
		return providers.ErrTooLarge
	}
	if errors.Is(err, providers.ErrUnauthorised) { // from the credential chain
		return nil
	}
	var answer *smithyhttp.ResponseError
	answered := errors.As(err, &answer) && answer.HTTPStatusCode() != 0 // the SDK wraps failures to connect too
	sentinel := sentinels[errorCode(err)]
	if sentinel == nil && answered {
		sentinel = byStatus(answer.HTTPStatusCode())
	}
	if errors.Is(sentinel, providers.ErrRateLimited) {
		limit := &providers.RateLimitError{}
		if answered {
			limit.Wait = retryAfter(answer.Response)
		}
		return limit
	}
	if sentinel != nil || answered && answer.HTTPStatusCode() != http.StatusOK {
		return sentinel
	}
	if transientConnection(err) {
		return providers.ErrTransient
	}
	return nil
}

// byStatus judges an answer whose code says nothing. A 404 with no known code is not the server's word about the object.
func byStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return providers.ErrUnauthorised
	case http.StatusTooManyRequests:
		return providers.ErrRateLimited
	case http.StatusRequestEntityTooLarge:
		return providers.ErrTooLarge
	case http.StatusInsufficientStorage:
		return providers.ErrQuota
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusLocked:
		return providers.ErrTransient
	}
	if status >= 500 && status != http.StatusNotImplemented {
		return providers.ErrTransient
	}
	return nil
}

// transientConnection tells the network's failures and broken answers from mistakes in the request or a certificate that
// nobody here trusts.
func transientConnection(err error) bool {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return false
	}
	var network net.Error
	var send *smithyhttp.RequestSendError
	var broken *smithy.DeserializationError
	var cancelled *smithy.CanceledError
	return errors.As(err, &network) || errors.As(err, &send) || errors.As(err, &broken) || errors.As(err, &cancelled) ||
		errors.Is(err, errStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) ||
		errors.Is(err, net.ErrClosed)
}

// retryAfter reads Retry-After, in seconds or as a date (RFC 9110, 10.2.3), the latter against the answer's own clock.
func retryAfter(response *smithyhttp.Response) time.Duration {
	if response == nil || response.Response == nil {
		return 0
	}
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(seconds, 24*3600))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, min(until.Sub(now), 24*time.Hour))
}
