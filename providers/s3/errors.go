package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
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
	"RequestTimeTooSkewed": providers.ErrClock, "XAmzContentSHA256Mismatch": providers.ErrTransient,

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
	if errorCode(err) == "NoSuchBucket" {
		err = fmt.Errorf("make the bucket at the service, or mend provider.bucket and provider.endpoint: %w", err)
	}
	sentinel := classify(err)
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("s3: %s %s: %w", operation, name, err)
	}
	return fmt.Errorf("s3: %s %s: %w: %w", operation, name, sentinel, err)
}

func classify(err error) error {
	if errors.Is(err, transport.ErrTooLong) {
		return providers.ErrTooLarge
	}
	if errors.Is(err, providers.ErrUnauthorised) { // from the credential chain
		return nil
	}
	var answer *smithyhttp.ResponseError
	answered := errors.As(err, &answer) && answer.HTTPStatusCode() != 0 // the SDK wraps failures to connect too
	sentinel := sentinels[errorCode(err)]
	if sentinel == nil && answered {
		sentinel = transport.ByStatus(answer.HTTPStatusCode())
	}
	if errors.Is(sentinel, providers.ErrRateLimited) {
		limit := &providers.RateLimitError{}
		if answered {
			limit.Wait = transport.RetryAfter(answer.Response.Header)
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

// transientConnection is transport.Broken, or what the SDK makes of a connection or an answer that broke.
func transientConnection(err error) bool {
	var send *smithyhttp.RequestSendError
	var broken *smithy.DeserializationError
	var cancelled *smithy.CanceledError
	return transport.Broken(err) || !transport.Untrusted(err) && (errors.As(err, &send) || errors.As(err, &broken) || errors.As(err, &cancelled))
}
