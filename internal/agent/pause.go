package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/files"
)

// pausing is whether somebody paused an account, and until when; the zero time is until
// it is resumed.
type pausing struct {
	On    bool      `json:"on"`
	Until time.Time `json:"until,omitzero"`
}

var _ api.TimedPauser = served{}

// PauseFor implements api.TimedPauser.
func (s served) PauseFor(_ context.Context, wait time.Duration) (time.Time, error) {
	if wait <= 0 {
		return time.Time{}, fmt.Errorf("agent: %w: a pause takes longer than nothing", api.ErrRequest)
	}
	until := s.runner.options.Now().Add(wait).Round(0)
	return until, s.runner.setPause(pausing{On: true, Until: until})
}

// Pause implements api.Account.
func (s served) Pause(_ context.Context, paused bool) error {
	return s.runner.setPause(pausing{On: paused})
}

// setPause pauses or resumes passes that nobody asked for. Without an error, it also
// holds after a restart.
func (r *runner) setPause(p pausing) error {
	err := r.takePause(p)
	if r.pauseChanged != nil {
		r.pauseChanged()
	}
	r.tellNow()
	switch {
	case !p.On:
		r.log.Info("resumed")
	case p.Until.IsZero():
		r.log.Info("paused until it is resumed")
	default:
		r.log.Info("paused", "until", p.Until)
	}
	return err
}

// takePause lets a pause be in force, and writes it down. Whoever comes last, what the file and the schedules have is the same.
func (r *runner) takePause(p pausing) error {
	r.holding.Lock()
	defer r.holding.Unlock()
	r.mu.Lock()
	r.paused = p
	r.mu.Unlock()
	r.applyHold()
	return r.keepPause()
}

// pausing is the account's pause.
func (r *runner) pausing() pausing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused
}

// keepPause writes the pause down. The caller has holding.
func (r *runner) keepPause() error {
	p := r.pausing()
	if !p.On {
		if err := os.Remove(r.pauseFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("agent: resuming holds until the next start only: %w", err)
		}
		return nil
	}
	data, err := json.Marshal(p)
	if err == nil {
		err = os.MkdirAll(r.folder, 0o700)
	}
	if err == nil {
		err = files.Replace(r.pauseFile(), data, files.Private)
	}
	if err != nil {
		return fmt.Errorf("agent: the pause holds until the next start only: %w", err)
	}
	return nil
}

// readPause takes up the pause of an earlier run. A file that can't be read pauses nothing: the
// agent is there to work.
func (r *runner) readPause() {
	data, err := os.ReadFile(r.pauseFile())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var p pausing
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		r.log.Warn("the pause of before was not taken up", "error", err)
		return
	}
	r.paused = p
}
