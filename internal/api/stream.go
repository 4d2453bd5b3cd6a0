package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	gosync "sync"
	"time"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// progressEvery is the least time between two lines of progress.
const progressEvery = 100 * time.Millisecond

// line is one line of a streamed answer: progress, then exactly one of the
// others.
type line struct {
	Progress *engine.Progress `json:"progress,omitempty"`
	Result   json.RawMessage  `json:"result,omitempty"`
	Error    *Error           `json:"error,omitempty"`
}

// stream writes lines as they come, and never makes a pass wait for somebody
// who does not read. It is safe for concurrent use.
type stream struct {
	encoder *json.Encoder
	flush   func()
	news    chan engine.Progress // capacity 1: the newest
	done    chan struct{}
	group   gosync.WaitGroup
}

// newStream answers a request with lines.
func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", linesMedia)
	return newLines(w, func() { _ = http.NewResponseController(w).Flush() })
}

// newLines writes lines to w; flush is called after each. The caller calls finish.
func newLines(w io.Writer, flush func()) *stream {
	s := &stream{encoder: json.NewEncoder(w), flush: flush, news: make(chan engine.Progress, 1), done: make(chan struct{})}
	s.group.Go(s.run)
	return s
}

// progress keeps p for the next line, in place of an older one.
func (s *stream) progress(p engine.Progress) {
	for {
		select {
		case s.news <- p:
			return
		default:
		}
		select {
		case <-s.news:
		default:
		}
	}
}

// run writes progress, not more often than useful, until finish.
func (s *stream) run() {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case p := <-s.news:
			s.write(line{Progress: &p})
		case <-s.done:
			return
		}
		select {
		case <-ticker.C:
		case <-s.done:
			return
		}
	}
}

// finish writes the last line.
func (s *stream) finish(result any, err error) {
	close(s.done)
	s.group.Wait()
	select {
	case p := <-s.news: // how far it came in the end
		s.write(line{Progress: &p})
	default:
	}
	last := line{Error: wireError(err)}
	// The result goes along with an error, too: it says how far things went.
	if text, err := json.Marshal(result); err == nil {
		last.Result = text
	}
	s.write(last)
}

func (s *stream) write(l line) {
	_ = s.encoder.Encode(l) // a client that left does not want it
	s.flush()
}

// readStream calls progress, which may be nil, for each line of progress, and
// decodes the last line into result.
func readStream(r io.Reader, progress func(engine.Progress), result any) error {
	decoder := json.NewDecoder(r)
	for {
		var next line
		if err := decoder.Decode(&next); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("api: the agent's answer broke off: %w", err)
		}
		if next.Progress != nil {
			if progress != nil {
				progress(*next.Progress)
			}
			continue
		}
		if next.Result != nil {
			if err := json.Unmarshal(next.Result, result); err != nil {
				return fmt.Errorf("api: reading the agent's answer: %w", err)
			}
		}
		return next.Error.asError()
	}
}
