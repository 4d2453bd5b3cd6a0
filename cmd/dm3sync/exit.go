package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// The exit codes, as the help text and README.md list them.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitRejected
	exitProvider
	exitProblems
	exitInUse
)

// Errors that stand for a result that was printed already: report adds nothing.
var (
	errRejected = errors.New("some input was rejected")
	errProblems = errors.New("problems were found")
)

// usageError marks an error about arguments.
type usageError struct{ error }

// Unwrap gives errors.Is and errors.As the error inside.
func (e usageError) Unwrap() error { return e.error }

// usagef makes an error about arguments.
func usagef(format string, arguments ...any) error {
	return usageError{fmt.Errorf(format, arguments...)}
}

// exitCode is the code of an error; nil is 0. The order matters: an append that
// could not be written says so rather than that something was rejected.
func exitCode(err error) int {
	for _, class := range []struct {
		code    int
		targets []error
	}{
		{exitUsage, []error{config.ErrConfig, keyring.ErrSource, keyring.ErrSecret, engine.ErrLimit, api.ErrNoAccount}},
		{exitInUse, []error{cache.ErrInUse, agent.ErrRunning}},
		{exitProvider, []error{providers.ErrUnauthorised, providers.ErrQuota, providers.ErrRateLimited, providers.ErrTransient}},
		{exitProblems, []error{errProblems}},
		{exitRejected, []error{errRejected}},
	} {
		for _, target := range class.targets {
			if errors.Is(err, target) {
				return class.code
			}
		}
	}
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// wayOut is a sentence for errors whose own text has none.
func wayOut(err error) string {
	for _, hint := range []struct {
		target   error
		sentence string
	}{
		{cache.ErrInUse, "another dm3sync uses this account's data folder and does not answer on its socket; stop it, or wait until it has ended"},
		{api.ErrNoAccount, "the running agent was started with another configuration; restart it"},
		{api.ErrNotReady, "the agent goes on trying; `dm3sync status` says why"},
		{engine.ErrNoConversation, "`dm3sync conversations --hidden` lists those there are; `dm3sync sync` looks for new ones"},
		{cache.ErrJournalFull, "the messages that wait for the provider fill cache.journal_limit; run `dm3sync sync`, or raise the limit"},
		{providers.ErrUnauthorised, "check the credentials of [account.provider]; nothing is lost: what waits stays in the journal"},
		{providers.ErrQuota, "make room at the provider; nothing is lost: what waits stays in the journal"},
		{providers.ErrRateLimited, "wait, or set provider.parallel lower; nothing is lost: what waits stays in the journal"},
		{providers.ErrTransient, "try again later, or run `dm3sync check`; nothing is lost: what waits stays in the journal"},
		{syscall.ENOSPC, "the disk that holds the data folder is full; make room there; nothing that was acknowledged is lost, and a running agent goes on by itself"},
		{syscall.EROFS, "the disk that holds the data folder can't be written; mount it anew and restart the agent; nothing that was acknowledged is lost"},
		{seal.ErrOtherKey, "what lies there was sealed with another key; check [account.secret], and that provider and prefix belong to this account"},
		{seal.ErrNewerVersion, "what lies there was written by a newer dm3sync; update this one"},
		{seal.ErrFormNotAllowed, "what lies there has the dm3 form; set seal = \"dm3\" if this account shares it with other clients"},
		{context.Canceled, "it was interrupted; what was acknowledged is durable, the rest was not done"},
	} {
		if errors.Is(err, hint.target) {
			return hint.sentence
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		return "see `dm3sync --help`"
	}
	return ""
}

// report prints the error, if any, for people or as the one JSON document, and
// returns the exit code.
func (p *program) report(err error) int {
	code := exitCode(err)
	switch {
	case err == nil:
	case p.json && !p.printed:
		document := struct {
			Error    string `json:"error"`
			Hint     string `json:"hint,omitempty"`
			ExitCode int    `json:"exit_code"`
		}{err.Error(), wayOut(err), code}
		_ = json.NewEncoder(p.out).Encode(document) // nobody is left to tell
	case err == errRejected || err == errProblems: //nolint:errorlint // exactly these: the result was printed
	default:
		p.tell("dm3sync: %v", err)
		if hint := wayOut(err); hint != "" {
			p.tell("  %s", hint)
		}
	}
	return code
}
