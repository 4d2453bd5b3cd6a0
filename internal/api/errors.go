package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/history"
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
)

// sentinel is an error that travels as a word.
type sentinel struct {
	word   string
	error  error
	status int // of HTTP
}

// sentinels are listed so that errors.Is gives the same answer on both
// sides of the socket. The status is that of the first that matches.
var sentinels = []sentinel{
	{"no-account", ErrNoAccount, http.StatusNotFound},
	{"not-ready", ErrNotReady, http.StatusServiceUnavailable},
	{"request", ErrRequest, http.StatusBadRequest},
	{"selection", history.ErrSelection, http.StatusBadRequest},
	{"name", history.ErrName, http.StatusBadRequest},
	{"journal-full", cache.ErrJournalFull, http.StatusInsufficientStorage},
	{"closed", cache.ErrClosed, http.StatusServiceUnavailable},
	{"closed", engine.ErrClosed, http.StatusServiceUnavailable},
	{"in-use", cache.ErrInUse, http.StatusConflict},
	{"blocked", engine.ErrBlocked, http.StatusConflict},
	{"too-large", engine.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{"no-conversation", engine.ErrNoConversation, http.StatusNotFound},
	{"limit", engine.ErrLimit, http.StatusConflict},
	{"unauthorised", providers.ErrUnauthorised, http.StatusBadGateway},
	{"quota", providers.ErrQuota, http.StatusBadGateway},
	{"rate-limited", providers.ErrRateLimited, http.StatusBadGateway},
	{"transient", providers.ErrTransient, http.StatusBadGateway},
	{"not-found", providers.ErrNotFound, http.StatusBadGateway},
	{"disk-full", syscall.ENOSPC, http.StatusInsufficientStorage}, // of this machine, where no word above says otherwise
	{"disk-read-only", syscall.EROFS, http.StatusServiceUnavailable},
	{"canceled", context.Canceled, http.StatusServiceUnavailable},
	{"deadline", context.DeadlineExceeded, http.StatusGatewayTimeout},
}

// Error is an error of the agent as its clients see it. It matches the same
// sentinels as the original did there.
type Error struct {
	Text  string   `json:"error"`
	Words []string `json:"kinds,omitempty"` // of sentinels
}

// Error returns the agent's text.
func (e *Error) Error() string { return e.Text }

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
	wire := &Error{Text: err.Error()}
	for _, s := range sentinels {
		if errors.Is(err, s.error) && !slices.Contains(wire.Words, s.word) {
			wire.Words = append(wire.Words, s.word)
		}
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

// statusOf is the HTTP status for err.
func statusOf(err error) int {
	for _, s := range sentinels {
		if errors.Is(err, s.error) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

func writeError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(err))
	_ = json.NewEncoder(w).Encode(wireError(err)) // a client that left does not want it
}
