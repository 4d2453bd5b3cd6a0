package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	pathPasses        = "/v1/accounts/{account}/passes"
	pathPause         = "/v1/accounts/{account}/pause"
	pathVerifications = "/v1/accounts/{account}/verifications"
	pathRepairs       = "/v1/accounts/{account}/repairs"
	pathForget        = "/v1/accounts/{account}/forget"
	pathPullNode      = "/v1/accounts/{account}/node/passes"
)

// atPlace are the problems of work at a place.
var atPlace = []string{
	"blocked", "login-needed", "unauthorised", "quota", "rate-limited", "transient", "not-found", "other-key", "damaged",
	"disk-full", "disk-read-only", "deadline", "limit",
}

// TimedPauser is an [Account] that can pause for a time.
type TimedPauser interface {
	// PauseFor stops passes that nobody asked for, for this long, and returns until when.
	PauseFor(ctx context.Context, wait time.Duration) (until time.Time, err error)
}

// addPasses adds work at the account's place.
func (s *service) addPasses() {
	add(s, operation{
		id: "pass", method: http.MethodPost, path: pathPasses, tag: "passes", problems: atPlace,
		summary: "Run a pass now: upload what waits, and take what others wrote",
		about:   "The answer is lines of progress, and then one with the result. An agent runs passes by itself; this is for those who can't wait.",
		answers: s.lines("Progress, then the report", schema[engine.Report](s)),
	}, func(_ context.Context, in *passInput) (*streamed, error) {
		return s.work(&in.AccountPath, func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error) {
			return account.Sync(ctx, engine.Work(orEmpty(in.Body)), progress)
		})
	})
	add(s, operation{
		id: "pause", method: http.MethodPut, path: pathPause, tag: "passes", problems: []string{"not-offered"},
		summary: "Pause passes, for a time or until resumed; or resume them",
		about:   "While an account is paused, passes run only when asked for. Appends are taken and kept as ever.",
	}, s.pause)
	add(s, operation{
		id: "verify", method: http.MethodPost, path: pathVerifications, tag: "passes", problems: atPlace,
		summary: "Check what is at the place",
		about:   "It changes nothing. With deep, every object is fetched and opened; a run that was broken off is gone on with by the next one, unless restart says otherwise.",
		answers: s.lines("Progress, then what was found", schema[engine.Verification](s)),
	}, func(_ context.Context, in *verifyInput) (*streamed, error) {
		return s.work(&in.AccountPath, func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error) {
			return account.Verify(ctx, engine.VerifyOptions(orEmpty(in.Body)), progress)
		})
	})
	add(s, operation{
		id: "repair", method: http.MethodPost, path: pathRepairs, tag: "passes", problems: atPlace,
		summary: "Upload again what mirrors and this device hold, after a place lost it",
		about:   "For an account that has stopped because its objects are gone from the place, or that misses some of them. Run it on every device.",
		answers: s.lines("Progress, then the report", schema[engine.Report](s)),
	}, func(_ context.Context, in *AccountPath) (*streamed, error) {
		return s.work(in, func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error) {
			return account.Sync(ctx, engine.Work{Settle: true, Scrub: true, Restore: true}, progress)
		})
	})
	add(s, operation{
		id: "forget", method: http.MethodPost, path: pathForget, tag: "passes", problems: atPlace,
		summary: "Start anew with the place: give up what this device knows of it",
		about: "What neither the place nor another device holds is lost for good. Messages that were appended and are not confirmed\n" +
			"stay, and are uploaded by the next pass. It is refused while the account has mirrors, which would bring back what is to be forgotten.",
	}, s.forget)
	add(s, operation{
		id: "pull-node", method: http.MethodPost, path: pathPullNode, tag: "passes", problems: append([]string{"node"}, atPlace...),
		summary: "Exchange messages with the account's dm3 node now",
		about:   "The answer is one line with the report, which also comes with an error.",
		answers: s.lines("The report", schema[bridge.Report](s)),
	}, func(_ context.Context, in *nodeInput) (*streamed, error) {
		return s.work(&in.AccountPath, func(ctx context.Context, account Account, _ func(engine.Progress)) (any, error) {
			puller, ok := account.(NodePuller)
			if !ok {
				return bridge.Report{}, fmt.Errorf("%w: this account has no dm3 node", ErrRequest)
			}
			return puller.PullNode(ctx, orEmpty(in.Body))
		})
	})
}

type passInput struct {
	AccountPath
	Body *syncRequest // may be left out
}

type verifyInput struct {
	AccountPath
	Body *verifyRequest // may be left out
}

type nodeInput struct {
	AccountPath
	Body *bridge.Work // may be left out
}

// syncRequest is engine.Work as it travels.
type syncRequest struct {
	Flush   bool `json:"flush,omitempty" doc:"Upload only, and look for what others wrote only when that is due"`
	Scrub   bool `json:"scrub,omitempty" doc:"List everything at the place, too"`
	Settle  bool `json:"settle,omitempty" doc:"Go on until nothing is unconfirmed, or nothing moves any more"`
	Restore bool `json:"restore,omitempty" doc:"Write again what this device holds; see the operation repair"`
}

// verifyRequest is engine.VerifyOptions as it travels.
type verifyRequest struct {
	Deep    bool  `json:"deep,omitempty" doc:"Fetch and open every object"`
	Rate    int64 `json:"rate,omitempty" minimum:"0" doc:"Bytes a second that are fetched at most; 0 is no limit"`
	Restart bool  `json:"restart,omitempty" doc:"Begin anew where an interrupted run would go on"`
}

// orEmpty is a body, or the zero value where there is none.
func orEmpty[T any](body *T) (value T) {
	if body != nil {
		value = *body
	}
	return value
}

// work answers with lines: the progress of work on an account, then its result.
func (s *service) work(in *AccountPath, do func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error)) (*streamed, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	return &streamed{func(huma.Context) {
		lines := newStream(in.writer)
		result, err := do(in.http.Context(), account, lines.progress)
		lines.finish(result, err)
	}}, nil
}

// lines describes an answer that comes line by line.
func (s *service) lines(description string, result *huma.Schema) *huma.Response {
	line := &huma.Schema{
		Type: huma.TypeObject, Description: "One line of the answer. A line with progress is followed by others; the last one has a result, an error, or both",
		Properties: map[string]*huma.Schema{"progress": schema[engine.Progress](s), "result": result, "error": schema[Error](s)},
	}
	return answerIn(linesMedia, description, line)
}

type pauseInput struct {
	AccountPath
	Body struct {
		Paused  bool  `json:"paused" doc:"true pauses, false resumes"`
		Seconds int64 `json:"seconds,omitempty" minimum:"0" maximum:"31536000" doc:"With paused: for this long; 0 is until resumed"`
	}
}

type pauseOutput struct {
	Body struct {
		Paused bool      `json:"paused"`
		Until  time.Time `json:"until,omitzero" doc:"When passes go on by themselves"`
	}
}

func (s *service) pause(ctx context.Context, in *pauseInput) (*pauseOutput, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	out := &pauseOutput{}
	out.Body.Paused = in.Body.Paused
	if !in.Body.Paused || in.Body.Seconds == 0 {
		return out, account.Pause(ctx, in.Body.Paused)
	}
	pauser, ok := account.(TimedPauser)
	if !ok {
		return nil, fmt.Errorf("%w: this account can't pause for a time; pause it, and resume it later", ErrNotOffered)
	}
	out.Body.Until, err = pauser.PauseFor(ctx, time.Duration(in.Body.Seconds)*time.Second)
	return out, err
}

type forgetInput struct {
	AccountPath
	Body struct {
		Confirm string `json:"confirm" maxLength:"1024" doc:"The account once more, as it stands in the path"`
	}
}

func (s *service) forget(ctx context.Context, in *forgetInput) (*done, error) {
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	if in.Body.Confirm != in.Account {
		return nil, fmt.Errorf("%w: confirm must name the account as the path does; nothing was forgotten", ErrRequest)
	}
	status, err := account.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(status.Mirrors) > 0 {
		return nil, fmt.Errorf("%w: the account has mirrors, which would bring back what is to be forgotten: take [[account.mirror]] out of the configuration first", ErrRequest)
	}
	return nil, account.Forget(ctx)
}
