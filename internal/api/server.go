package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Paths of the interface. Accounts are named by the query's "account".
const (
	pathStatus        = "/v1/status"
	pathAppend        = "/v1/append"
	pathSync          = "/v1/sync"
	pathConversations = "/v1/conversations"
	pathMessages      = "/v1/messages"
	pathDelete        = "/v1/delete"
	pathHide          = "/v1/hide"
	pathVerify        = "/v1/verify"
	pathForget        = "/v1/forget"
	pathPause         = "/v1/pause"
)

// stopWait is how long requests under way may take to end when the server
// stops, before their connections are cut.
const stopWait = 3 * time.Second

// Serve answers requests on listener from b until ctx ends; then requests that
// are under way are cancelled, given a short time to answer, and cut. It closes
// listener. An error is returned only when serving failed before ctx ended.
func Serve(ctx context.Context, listener net.Listener, b Backend) error {
	server := &http.Server{
		Handler:           Handler(b),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("api: serving: %w", err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if server.Shutdown(deadline) != nil {
		_ = server.Close() // cuts what did not end in time
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("api: serving: %w", err)
	}
	return nil
}

// Handler is the interface as an HTTP handler, without access control: whoever
// reaches it may use it.
func Handler(b Backend) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathStatus, func(w http.ResponseWriter, _ *http.Request) { answer(w, b.Status(), nil) })
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, Account){
		"POST " + pathAppend:       appendLines,
		"POST " + pathSync:         sync,
		"GET " + pathConversations: conversations,
		"GET " + pathMessages:      messages,
		"POST " + pathDelete:       deleteMessages,
		"POST " + pathHide:         hide,
		"POST " + pathVerify:       verify,
		"POST " + pathForget:       forget,
		"POST " + pathPause:        pause,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			account, err := b.Account(r.URL.Query().Get("account"))
			if err != nil {
				writeError(w, err)
				return
			}
			handle(w, r, account)
		})
	}
	return mux
}

// answer writes one JSON document, or the error.
func answer(w http.ResponseWriter, value any, err error) {
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that left does not want it
}

// appendAnswer is the answer to an append: both may be there.
type appendAnswer struct {
	Summary history.Summary `json:"summary"`
	Error   *Error          `json:"error,omitempty"`
}

func appendLines(w http.ResponseWriter, r *http.Request, account Account) {
	summary, err := account.Append(r.Context(), r.Body, history.AppendOptions{Contact: r.URL.Query().Get("contact")})
	if err != nil {
		// The client sends all before it listens; else it would see a broken
		// pipe in place of the reason.
		_, _ = io.Copy(io.Discard, r.Body)
	}
	answer(w, appendAnswer{summary, wireError(err)}, nil)
}

// syncRequest is engine.Work as it travels.
type syncRequest struct {
	Flush   bool `json:"flush,omitempty"`
	Scrub   bool `json:"scrub,omitempty"`
	Settle  bool `json:"settle,omitempty"`
	Restore bool `json:"restore,omitempty"`
}

func sync(w http.ResponseWriter, r *http.Request, account Account) {
	var work syncRequest
	if err := json.NewDecoder(r.Body).Decode(&work); err != nil && !errors.Is(err, io.EOF) {
		writeError(w, fmt.Errorf("%w: %w", ErrRequest, err))
		return
	}
	s := newStream(w)
	report, err := account.Sync(r.Context(), engine.Work(work), s.progress)
	s.finish(report, err)
}

// verifyRequest is engine.VerifyOptions as it travels.
type verifyRequest struct {
	Deep    bool  `json:"deep,omitempty"`
	Rate    int64 `json:"rate,omitempty"`
	Restart bool  `json:"restart,omitempty"`
}

func verify(w http.ResponseWriter, r *http.Request, account Account) {
	var o verifyRequest
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		writeError(w, fmt.Errorf("%w: %w", ErrRequest, err))
		return
	}
	s := newStream(w)
	verification, err := account.Verify(r.Context(), engine.VerifyOptions(o), s.progress)
	s.finish(verification, err)
}

func forget(w http.ResponseWriter, r *http.Request, account Account) {
	answer(w, struct{}{}, account.Forget(r.Context()))
}

func conversations(w http.ResponseWriter, r *http.Request, account Account) {
	list, err := account.Conversations(r.Context())
	answer(w, list, err)
}

func messages(w http.ResponseWriter, r *http.Request, account Account) {
	query := r.URL.Query()
	var wanted engine.Range
	var errs [3]error
	wanted.From, errs[0] = number(query.Get("from"))
	wanted.To, errs[1] = number(query.Get("to"))
	last, err := number(query.Get("last"))
	wanted.Last, errs[2] = int(last), err
	if err := errors.Join(errs[:]...); err != nil {
		writeError(w, err)
		return
	}
	page, err := account.Messages(r.Context(), query.Get("contact"), wanted)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = history.WritePage(w, query.Get("contact"), page) // a client that left does not want it
}

func deleteMessages(w http.ResponseWriter, r *http.Request, account Account) {
	var selection history.Selection
	if err := json.NewDecoder(r.Body).Decode(&selection); err != nil {
		writeError(w, fmt.Errorf("%w: %w", ErrRequest, err))
		return
	}
	if selection.From < 0 || selection.To < 0 {
		writeError(w, fmt.Errorf("%w: from and to are numbers from 0 on", ErrRequest))
		return
	}
	deletion, err := account.Delete(r.Context(), selection)
	answer(w, deletion, err)
}

func hide(w http.ResponseWriter, r *http.Request, account Account) {
	hidden, err := strconv.ParseBool(r.URL.Query().Get("hidden"))
	if err != nil {
		writeError(w, fmt.Errorf("%w: hidden must be true or false", ErrRequest))
		return
	}
	answer(w, struct{}{}, account.Hide(r.Context(), r.URL.Query().Get("contact"), hidden))
}

func pause(w http.ResponseWriter, r *http.Request, account Account) {
	paused, err := strconv.ParseBool(r.URL.Query().Get("paused"))
	if err != nil {
		writeError(w, fmt.Errorf("%w: paused must be true or false", ErrRequest))
		return
	}
	answer(w, struct{}{}, account.Pause(r.Context(), paused))
}

// number reads a query's number that is not negative; an empty one is 0.
func number(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 {
		return 0, fmt.Errorf("%w: from, to and last are numbers from 0 on", ErrRequest)
	}
	return value, nil
}
