package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dm3sync/dm3sync/internal/activity"
)

// eventWait is how long one write of events to a client may take.
const eventWait = 30 * time.Second

// addEvents adds the feeds and the list of work.
func (s *service) addEvents() {
	about := "Server-sent events: id is the event's number, event its kind, data one JSON document. First comes an event ready,\n" +
		"whose id is where the feed stands; from then on, what happens. With Last-Event-ID (a browser sends it by itself) or\n" +
		"after, it goes on behind that event; where some in between are no longer known, or the agent was started anew, an event\n" +
		"missed comes first: then ask for what you show once more. A comment every " + s.options.Heartbeat.String() + " keeps the connection awake."
	answers := answerIn(eventsMedia, "Events until the client goes", &huma.Schema{Type: huma.TypeString})
	limits := map[string]any{"streams": s.options.Streams, "write_seconds": int(eventWait.Seconds())}
	problems := []string{"too-many-streams"}
	add(s, operation{
		id: "events", method: http.MethodGet, path: "/v1/events", tag: "events", answers: answers, limits: limits, problems: problems,
		summary: "What happens, as it happens, in all accounts", about: about,
	}, func(_ context.Context, in *eventsInput) (*streamed, error) { return s.events(in, "") })
	add(s, operation{
		id: "account-events", method: http.MethodGet, path: "/v1/accounts/{account}/events", tag: "events", answers: answers,
		limits: limits, problems: problems, summary: "What happens, as it happens, in one account", about: about,
	}, func(ctx context.Context, in *accountEventsInput) (*streamed, error) {
		status, err := s.oneAccount(ctx, &in.AccountPath)
		if err != nil {
			return nil, err
		}
		return s.events(&eventsInput{in.request, in.EventsPlace}, status.Body.Name)
	})
	add(s, operation{
		id: "jobs", method: http.MethodGet, path: "/v1/jobs", tag: "events",
		summary: "Long work: what runs, and what ended lately", about: "In the order of their beginning.",
	}, func(context.Context, *request) (*jobsOutput, error) {
		out := &jobsOutput{}
		out.Body.Jobs = append([]activity.JobStatus{}, s.backend.Activity().Jobs()...)
		return out, nil
	})
}

// EventsPlace says where a feed begins. It is exported for huma, as [AppendHeaders] is.
type EventsPlace struct {
	Last  string `header:"Last-Event-ID" maxLength:"20" pattern:"^[0-9]+$" doc:"The id of the last event that was seen"`
	After string `query:"after" maxLength:"20" pattern:"^[0-9]+$" doc:"The same, for the first connection of a browser; 0 begins with the oldest event that is known"`
}

type eventsInput struct {
	request
	EventsPlace
}

type accountEventsInput struct {
	AccountPath
	EventsPlace
}

type jobsOutput struct {
	Body struct {
		Jobs []activity.JobStatus `json:"jobs" nullable:"false"`
	}
}

// events answers with the feed, or the part of it that is of an account.
func (s *service) events(in *eventsInput, account string) (_ *streamed, err error) {
	log := s.backend.Activity()
	f := &feed{log: log, account: account, beat: s.options.Heartbeat, last: log.Last()}
	if from := in.Last + in.After; from != "" {
		if in.Last != "" {
			from = in.Last
		}
		if f.last, err = strconv.ParseUint(from, 10, 64); err != nil {
			return nil, fmt.Errorf("%w: the event id is none of this feed", ErrRequest)
		}
	}
	select {
	case s.streams <- struct{}{}:
	default:
		in.writer.Header().Set("Retry-After", "5")
		return nil, fmt.Errorf("%w: there can be %d at once; close one", ErrTooMany, cap(s.streams))
	}
	return &streamed{func(huma.Context) {
		defer func() { <-s.streams }()
		f.writer, f.control = in.writer, http.NewResponseController(in.writer)
		f.run(in.http.Context())
	}}, nil
}

// feed is one client's stream of events.
type feed struct {
	log     *activity.Log
	account string // empty: all
	beat    time.Duration
	last    uint64 // number of the last event that was looked at
	writer  http.ResponseWriter
	control *http.ResponseController
}

// run writes events until the client goes or does not take them. A client that is slow
// holds up nobody: the feed drops its oldest events, and the client is told.
func (f *feed) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := f.log.Watch(ctx)
	ticker := time.NewTicker(f.beat)
	defer ticker.Stop()
	f.writer.Header().Set("Content-Type", eventsMedia)
	f.writer.WriteHeader(http.StatusOK)
	if f.write(frame("ready", f.last, struct{}{})) != nil {
		return
	}
	for {
		events, missed := f.log.Since(f.last)
		if err := f.write(f.frames(events, missed)); err != nil {
			return
		}
		select {
		case _, open := <-news:
			if !open {
				return
			}
		case <-ticker.C:
			if f.write(": still here\n\n") != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// frames are events as they travel; last goes on behind them.
func (f *feed) frames(events []activity.Event, missed bool) string {
	var text strings.Builder
	if missed {
		at := f.log.Last()
		if len(events) > 0 {
			at = events[0].Number - 1
		}
		f.last = at
		text.WriteString(frame("missed", at, struct{}{}))
	}
	for i := range events {
		f.last = events[i].Number
		if f.account == "" || events[i].Account == "" || events[i].Account == f.account {
			text.WriteString(frame(events[i].Kind, f.last, &events[i]))
		}
	}
	return text.String()
}

// frame is one event. Its data is JSON on one line, so nothing in it can end the frame.
func frame(kind string, id uint64, data any) string {
	text, err := json.Marshal(data)
	if err != nil { // of a type of this module, which can be written
		text = []byte("{}")
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", id, kind, text)
}

func (f *feed) write(text string) error {
	if text == "" {
		return nil
	}
	_ = f.control.SetWriteDeadline(time.Now().Add(eventWait)) // where there is a deadline, it can be set
	if _, err := io.WriteString(f.writer, text); err != nil {
		return err
	}
	return f.control.Flush()
}
