package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Errors of this package, for errors.Is.
var (
	// ErrNoAgent says that nobody listens on the socket.
	ErrNoAgent = errors.New("no agent is running")
	// ErrNoAccount says that the agent has no account of that name.
	ErrNoAccount = errors.New("no such account")
	// ErrNotReady says that the account is not open yet: its secret or its
	// cache is not available. The agent goes on trying.
	ErrNotReady = errors.New("the account is not open yet")
	// ErrRequest says that the request itself is wrong.
	ErrRequest = errors.New("wrong request")
	// ErrNoPlace says that the account has no place of that name.
	ErrNoPlace = errors.New("no such place")
	// ErrNotOffered says that this agent, or this account, can't do what was asked.
	ErrNotOffered = errors.New("not offered here")
	// ErrKeyInUse says that a request with the same idempotency key is under way.
	ErrKeyInUse = errors.New("a request with this idempotency key is under way")
	// ErrKeyReused says that an idempotency key was used for something else.
	ErrKeyReused = errors.New("this idempotency key was used for another request")
	// ErrTooMany says that as many streams are open as there may be.
	ErrTooMany = errors.New("too many streams are open")
	// ErrInvalid says that a part of the request is not what it must be.
	ErrInvalid = errors.New("a part of the request is not valid")
	// ErrBodyTooLarge says that the body is longer than the operation takes.
	ErrBodyTooLarge = errors.New("the body is too large")
	// ErrMediaType says that the body is of a kind that the operation does not take.
	ErrMediaType = errors.New("the body is of the wrong media type")
	// ErrTooSlow says that the body did not come in time.
	ErrTooSlow = errors.New("the body came too slowly")
	// ErrNoResource says that there is nothing at the address.
	ErrNoResource = errors.New("there is nothing at this address")
	// ErrMethod says that the address does not take the method.
	ErrMethod = errors.New("this address does not take this method")
)

// sentinel is an error that travels as a word.
type sentinel struct {
	word   string
	error  error
	status int    // of HTTP
	title  string // the same for all errors of the word
}

// sentinels are listed so that errors.Is gives the same answer on both
// sides of the socket. Status, type and title are those of the first that matches.
var sentinels = []sentinel{
	{"no-account", ErrNoAccount, http.StatusNotFound, "There is no such account"},
	{"not-ready", ErrNotReady, http.StatusServiceUnavailable, "The account is not open yet"},
	{"no-place", ErrNoPlace, http.StatusNotFound, "The account has no such place"},
	{"not-offered", ErrNotOffered, http.StatusNotImplemented, "This is not offered here"},
	{"key-in-use", ErrKeyInUse, http.StatusConflict, "A request with this idempotency key is under way"},
	{"key-reused", ErrKeyReused, http.StatusUnprocessableEntity, "This idempotency key was used for another request"},
	{"too-many-streams", ErrTooMany, http.StatusTooManyRequests, "Too many streams are open"},
	{"invalid", ErrInvalid, http.StatusUnprocessableEntity, "A part of the request is not valid"},
	{"body-too-large", ErrBodyTooLarge, http.StatusRequestEntityTooLarge, "The body is too large"},
	{"media-type", ErrMediaType, http.StatusUnsupportedMediaType, "The body is of the wrong media type"},
	{"too-slow", ErrTooSlow, http.StatusRequestTimeout, "The body came too slowly"},
	{"no-resource", ErrNoResource, http.StatusNotFound, "There is nothing at this address"},
	{"method", ErrMethod, http.StatusMethodNotAllowed, "This address does not take this method"},
	{"locked", keyring.ErrLocked, http.StatusForbidden, "The passphrase does not open it"},
	{"secret", keyring.ErrSource, http.StatusServiceUnavailable, "A secret is not available"},
	{"request", ErrRequest, http.StatusBadRequest, "The request is wrong"},
	{"selection", history.ErrSelection, http.StatusBadRequest, "The selection names no messages"},
	{"name", history.ErrName, http.StatusBadRequest, "This is no dm3 name"},
	{"cursor", history.ErrCursor, http.StatusBadRequest, "The cursor is none that was given out"},
	{"no-message", history.ErrNoMessage, http.StatusNotFound, "There is no such message here"},
	{"no-room", engine.ErrNoRoom, http.StatusInsufficientStorage, "The cache has no room"},
	{"query", search.ErrQuery, http.StatusBadRequest, "The search can't be understood"},
	{"search-off", search.ErrDisabled, http.StatusConflict, "Search is switched off"},
	{"closed", search.ErrClosed, http.StatusServiceUnavailable, "The account is being closed"},
	{"journal-full", cache.ErrJournalFull, http.StatusInsufficientStorage, "Too much waits for the place already"},
	{"closed", cache.ErrClosed, http.StatusServiceUnavailable, "The account is being closed"},
	{"closed", engine.ErrClosed, http.StatusServiceUnavailable, "The account is being closed"},
	{"in-use", cache.ErrInUse, http.StatusConflict, "Another program has the account open"},
	{"blocked", engine.ErrBlocked, http.StatusConflict, "The account has stopped to be safe"},
	{"too-large", engine.ErrTooLarge, http.StatusRequestEntityTooLarge, "The message is too large"},
	{"no-conversation", engine.ErrNoConversation, http.StatusNotFound, "There is no such conversation here"},
	{"limit", engine.ErrLimit, http.StatusConflict, "The chunk limit is too small"},
	{"node", bridge.ErrService, http.StatusBadGateway, "The dm3 node refused"},
	{"login-needed", login.ErrNeeded, http.StatusBadGateway, "The place asks for a login"},
	{"unauthorised", providers.ErrUnauthorised, http.StatusBadGateway, "The place refused the access"},
	{"quota", providers.ErrQuota, http.StatusBadGateway, "The place has no room"},
	{"rate-limited", providers.ErrRateLimited, http.StatusBadGateway, "The place asks for patience"},
	{"transient", providers.ErrTransient, http.StatusBadGateway, "The place can't be reached now"},
	{"not-found", providers.ErrNotFound, http.StatusBadGateway, "The place does not have it"},
	{"other-key", seal.ErrOtherKey, http.StatusBadGateway, "It is sealed with another key"},
	{"damaged", seal.ErrDamaged, http.StatusBadGateway, "It is damaged"},
	{"disk-full", syscall.ENOSPC, http.StatusInsufficientStorage, "The disk of this machine is full"}, // where no word above says otherwise
	{"disk-read-only", syscall.EROFS, http.StatusServiceUnavailable, "The disk of this machine can't be written"},
	{"canceled", context.Canceled, http.StatusServiceUnavailable, "It was broken off"},
	{"deadline", context.DeadlineExceeded, http.StatusGatewayTimeout, "It took too long"},
}

// problemType is what the type of a problem begins with; its word follows.
const problemType = "urn:dm3sync:problem:"

// problemMedia is the media type of a problem (RFC 9457).
const problemMedia = "application/problem+json"

// Error is an error of the agent as its clients see it: a problem document of RFC
// 9457. It matches the same sentinels as the original did there.
type Error struct {
	Type   string   `json:"type" doc:"urn:dm3sync:problem: and a word that stays the same for ever; about:blank for a fault without one" example:"urn:dm3sync:problem:no-account"`
	Title  string   `json:"title" doc:"What the type means"`
	Status int      `json:"status" doc:"The HTTP status"`
	Text   string   `json:"detail" doc:"A sentence: what happened, and what to do. For people"`
	Words  []string `json:"kinds,omitempty" nullable:"false" doc:"The words of all types that fit, that of type among them"`
	Faults []Fault  `json:"faults,omitempty" nullable:"false" doc:"Which parts of the request are not valid"`
	// Summary comes with an append that ended early.
	Summary *history.Summary `json:"summary,omitempty" doc:"Of an append that ended early: what was accepted is durable nevertheless"`
}

// Fault is one part of a request that is not valid. It never repeats what was sent.
type Fault struct {
	Location string `json:"location,omitempty" doc:"Where, as in body.limit or query.cursor"`
	Message  string `json:"message" doc:"What it must be"`
}

// Error returns the agent's text.
func (e *Error) Error() string { return e.Text }

// GetStatus is the HTTP status.
func (e *Error) GetStatus() int { return e.Status }

// ContentType is the media type of all answers that are errors.
func (e *Error) ContentType(string) string { return problemMedia }

// Is reports whether the original matched target.
func (e *Error) Is(target error) bool {
	return slices.ContainsFunc(sentinels, func(s sentinel) bool {
		return s.error == target && slices.Contains(e.Words, s.word)
	})
}

// wireError makes err fit for travel; nil stays nil.
func wireError(err error) *Error {
	if err == nil {
		return nil
	}
	if wire, ok := err.(*Error); ok { //nolint:errorlint // only an error that is wire form already; what wraps one says more
		return wire
	}
	wire := &Error{Type: "about:blank", Title: http.StatusText(http.StatusInternalServerError), Status: http.StatusInternalServerError, Text: err.Error()}
	for _, s := range sentinels {
		if !errors.Is(err, s.error) || slices.Contains(wire.Words, s.word) {
			continue
		}
		if len(wire.Words) == 0 {
			wire.Type, wire.Title, wire.Status = problemType+s.word, s.title, s.status
		}
		wire.Words = append(wire.Words, s.word)
	}
	return wire
}

// asError turns a nil pointer into a nil error.
func (e *Error) asError() error {
	if e == nil {
		return nil
	}
	return e
}

// writeError answers with a problem document, outside of huma.
func writeError(w http.ResponseWriter, err error) {
	wire := wireError(err)
	w.Header().Set("Content-Type", problemMedia)
	w.WriteHeader(wire.Status)
	_ = writeJSON(w, wire) // a client that left does not want it
}
