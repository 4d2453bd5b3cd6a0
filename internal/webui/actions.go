package webui

import (
	"context"
	"errors"
	"net/http"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// formAccount is the account that a form names.
func (s *Site) formAccount(r *http.Request) (api.Account, string, error) {
	name := r.FormValue("account")
	account, err := s.o.Backend.Account(name)
	return account, name, err
}

// syncNow begins a pass; its progress is told by the feed.
func (s *Site) syncNow(w http.ResponseWriter, r *http.Request) error {
	return s.begin(w, r, "sync", func(ctx context.Context, a api.Account) error {
		_, err := a.Sync(ctx, engine.Work{}, nil)
		return err
	})
}

// verifyNow begins a check of the place.
func (s *Site) verifyNow(w http.ResponseWriter, r *http.Request) error {
	options := engine.VerifyOptions{Deep: r.FormValue("deep") != ""}
	return s.begin(w, r, "verify", func(ctx context.Context, a api.Account) error {
		_, err := a.Verify(ctx, options, nil)
		return err
	})
}

// begin starts work that goes on after its request, and says so. How it ends stands in the feed and in the account's status.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, word string, work func(ctx context.Context, a api.Account) error) error {
	account, name, err := s.formAccount(r)
	if err != nil {
		return err
	}
	started := s.jobs.run(s.ctx, word+" "+name, func(ctx context.Context) {
		if err := work(ctx, account); err != nil && !errors.Is(err, context.Canceled) {
			s.o.Log.Warn("work begun on the page failed", "work", word, "error", err)
		}
	})
	if !started {
		word = "running"
	}
	return s.answered(w, r, word)
}

// pause stops passes that nobody asked for, resume lets them run again.
func (s *Site) pause(w http.ResponseWriter, r *http.Request) error  { return s.setPaused(w, r, true) }
func (s *Site) resume(w http.ResponseWriter, r *http.Request) error { return s.setPaused(w, r, false) }

func (s *Site) setPaused(w http.ResponseWriter, r *http.Request, paused bool) error {
	account, _, err := s.formAccount(r)
	if err != nil {
		return err
	}
	if err := account.Pause(r.Context(), paused); err != nil {
		return err
	}
	if paused {
		return s.answered(w, r, "pause")
	}
	return s.answered(w, r, "resume")
}
