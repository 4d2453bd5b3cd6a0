package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/internal/search"
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
		{exitUsage, []error{config.ErrConfig, keyring.ErrSource, keyring.ErrSecret, engine.ErrLimit, api.ErrNoAccount, agent.ErrOtherKey, search.ErrQuery, search.ErrDisabled}},
		{exitInUse, []error{errListen, cache.ErrInUse, agent.ErrRunning, archive.ErrInUse, attachments.ErrInUse, readable.ErrFolderInUse}},
		{exitProvider, []error{bridge.ErrService, providers.ErrUnauthorised, providers.ErrQuota, providers.ErrRateLimited, providers.ErrTransient}},
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

// wayOut is a sentence for errors whose own text has none; verb is what was
// called, or empty.
func wayOut(err error, verb string) string {
	for _, hint := range []struct {
		target   error
		sentence string
	}{
		{cache.ErrInUse, "another dm3sync uses this account's data folder and does not answer on its socket; stop it, or wait until it has ended"},
		{errListen, "another program listens there, perhaps another `dm3sync serve`; stop it, or set another serve.listen"},
		{errServePlace, "check [serve.provider], its secret and the network; a new place is made ready once, by `dm3sync serve --create`"},
		{archive.ErrNoFile, "check the path, and that the drive is there; `dm3sync init` makes the file of [account.provider], `dm3sync export` any other"},
		{archive.ErrInUse, "wait until the other program is done, or stop it"},
		{archive.ErrFormat, "check the path; a file that a transfer changed has to be copied again, as binary"},
		{api.ErrNoAccount, "the running agent has another configuration than this one; restart it"},
		{api.ErrNoAgent, "start one with `dm3sync run`, in another terminal or as a service, and try again"},
		{api.ErrNotReady, "the agent goes on trying; `dm3sync status` says why"},
		{engine.ErrNoConversation, "`dm3sync conversations --hidden` lists those there are; `dm3sync sync` looks for new ones"},
		{cache.ErrJournalFull, "the messages that wait for the place fill cache.journal_limit; run `dm3sync sync`, or raise the limit"},
		{bridge.ErrService, "check [account.node] and the network; nothing is lost: what was not done is done by the next try"},
		{login.ErrNeeded, "nothing is lost: what waits stays in the journal; a running agent goes on by itself after the login"},
		{fs.ErrPermission, "this user may not do that there; check whose the file or folder is, and its permissions"},
		{syscall.EROFS, "that disk can't be written; mount it anew, for writing, and restart an agent whose data folder is there; nothing that was acknowledged is lost"},
		{providers.ErrUnauthorised, "the place refused the login; check the credentials of [account.provider] (`dm3sync init --new-password` takes a new one that is typed, `dm3sync login drive` logs in anew); nothing is lost: what waits stays in the journal"},
		{providers.ErrQuota, "the place is full; make room at the place; nothing is lost: what waits stays in the journal"},
		{providers.ErrRateLimited, "wait, or set provider.parallel lower; nothing is lost: what waits stays in the journal"},
		{providers.ErrTransient, "the place can't be reached just now; try again later; `dm3sync doctor` looks for the cause; nothing is lost: what waits stays in the journal"},
		{config.ErrConfig, ""}, // says what to change
		{fs.ErrNotExist, "check the path"},
		{cache.ErrNewerVersion, "a newer dm3sync has used this folder: update this one, or choose another folder with `data`"},
		{syscall.ENOSPC, "the disk that holds the data folder is full; make room there; nothing that was acknowledged is lost, and a running agent goes on by itself"},
		{agent.ErrOtherKey, "the secret in [account.secret], its form or its nonce was another one when this folder was filled; set it right, or choose another folder with `data`: messages that still wait in this one can only be sent with its own key"},
		{attachments.ErrInUse, "wait until it has ended; what it fetched is kept"},
		{readable.ErrFolderInUse, "wait until it has ended, or name another folder"},
		{seal.ErrOtherKey, "what lies there was sealed with another key; check [account.secret], and that the place and its prefix belong to this account"},
		{seal.ErrNewerVersion, "what lies there was written by a newer dm3sync; update this one"},
		{seal.ErrFormNotAllowed, "what lies there has the dm3 form; set seal = \"dm3\" if this account shares it with other clients"},
		{context.Canceled, "what was acknowledged is durable, the rest was not done"},
	} {
		if errors.Is(err, hint.target) {
			return without(hint.sentence, verb)
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		return "see `" + cmp.Or(verb, "dm3sync") + " --help`"
	}
	return ""
}

// without leaves out of a way out what only sends to the verb that was just called.
func without(sentence, verb string) string {
	clauses := strings.Split(sentence, "; ")
	clauses = slices.DeleteFunc(clauses, func(clause string) bool { return strings.HasPrefix(clause, "`"+verb+"`") })
	return strings.Join(clauses, "; ")
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
		}{display.Reason(err.Error()), wayOut(err, p.verb), code}
		_ = json.NewEncoder(p.out).Encode(document) // nobody is left to tell
	case err == errRejected || err == errProblems: //nolint:errorlint // exactly these: the result was printed
	default:
		p.tell("dm3sync: %s", display.Clean(display.Reason(err.Error())))
		if hint := wayOut(err, p.verb); hint != "" {
			p.tell("  %s", hint)
		}
	}
	return code
}
