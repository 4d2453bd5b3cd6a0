package agent

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	// searchQuiet is the pause between a change and its indexing: changes come in
	// crowds.
	searchQuiet = time.Second
	// searchLook is how often the index looks by itself.
	searchLook = time.Minute
	// searchStop bounds the writing of the index at a stop; the rest is done again.
	searchStop = time.Second
	// searchPatience is how long a search outside a running agent brings the index up
	// to date before it looks.
	searchPatience = 30 * time.Second
	// searchMoment is how long one in a running agent does: the index is mostly there,
	// and what it lacks is said.
	searchMoment = 200 * time.Millisecond
	// searchRest bounds the pauses between pieces of work; searchShy is how many times
	// longer than the work they are while a pass runs.
	searchRest, searchShy = time.Second, 4
	// searchFetch is the pause after each object that is fetched for the index.
	searchFetch = time.Second
)

var _ api.Searcher = (*Account)(nil)

// searching is an account's index, opened when it is first needed.
type searching struct {
	options *search.Options // nil: switched off
	mu      sync.Mutex
	index   *search.Index
	closed  bool // none is opened any more
	running bool // a runner keeps it up to date
	wake    chan struct{}

	working sync.Mutex
	work    *work // the running update, the runner's or a search's
}

// arrived tells the index that something was fetched that may not be in it.
func (s *searching) arrived() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index == nil {
		return
	}
	s.index.Arrived()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// prepareSearch says how the account is searched, or removes the index where that is
// switched off.
func (a *Account) prepareSearch(key [32]byte, o AccountOptions) error {
	folder := filepath.Join(o.Config.Folder(&a.config), "search")
	s := &o.Config.Search
	if !s.On() {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("agent: removing the search index: %w", err)
		}
		return nil
	}
	var aead cipher.AEAD
	aead, err := search.Cipher(key)
	if err != nil {
		return fmt.Errorf("agent: preparing search: %w", err)
	}
	a.searching.wake = make(chan struct{}, 1)
	a.searching.options = &search.Options{
		Disk: cache.SystemDisk(), Folder: folder, Cipher: aead, Own: append([]string{a.name}, a.config.Aliases...),
		Source: searchSource{a}, Memory: int64(s.Memory), Room: int64(s.Disk), Whole: s.Whole, Now: o.Now, Log: a.log,
	}
	return nil
}

// searchIndex returns the account's index, opened.
func (a *Account) searchIndex() (*search.Index, error) {
	s := &a.searching
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.options == nil:
		return nil, fmt.Errorf("agent: %w", search.ErrDisabled)
	case s.index != nil:
		return s.index, nil
	case s.closed:
		return nil, fmt.Errorf("agent: opening the search index: %w", search.ErrClosed)
	}
	o := *s.options
	if s.running {
		o.Rest, o.Progress = a.searchRest, a.searchProgress
	} else {
		o.Whole = false // somebody waits for the answer
	}
	index, err := search.Open(o)
	if err != nil {
		return nil, fmt.Errorf("agent: opening the search index: %w", err)
	}
	s.index = index
	return index, nil
}

// Search implements [api.Searcher]. It first brings the index up to date, so that what
// was just written is found: as far as that goes in a moment, or, outside a running
// agent, in half a minute.
func (a *Account) Search(ctx context.Context, q search.Query) (search.Result, error) {
	index, err := a.searchIndex()
	if err != nil {
		return search.Result{}, err
	}
	a.searching.mu.Lock()
	running := a.searching.running
	a.searching.mu.Unlock()
	if q.After == "" {
		patience := searchPatience
		if running {
			patience = searchMoment
		}
		short, cancel := context.WithTimeout(ctx, patience)
		err := index.Update(short)
		cancel()
		if err != nil && !running && !errors.Is(err, context.DeadlineExceeded) { // else the answer says what does not go on
			return search.Result{}, fmt.Errorf("agent: bringing the search index up to date: %w", err)
		}
	}
	return index.Search(ctx, q)
}

// closeSearch closes the index, if it was opened; a search that comes later opens none.
func (a *Account) closeSearch() error {
	a.searching.mu.Lock()
	defer a.searching.mu.Unlock()
	a.searching.closed = true
	if a.searching.index == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), searchStop)
	defer cancel()
	err := a.searching.index.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the next run does it again
	}
	return err
}

// searchRest lets others work: as long as the index did, longer while a pass runs.
func (a *Account) searchRest(ctx context.Context, worked time.Duration) error {
	if a.movement.busy() {
		worked *= searchShy
	}
	return providers.Sleep(ctx, min(worked, searchRest))
}

// searchProgress tells how far the index has come; much of it is a job.
func (a *Account) searchProgress(done, total int) {
	s := &a.searching
	s.working.Lock()
	defer s.working.Unlock()
	if s.work == nil {
		s.work = a.mayBeLong(activity.JobSearch, "Making messages searchable", nil)
	}
	s.work.progress(engine.Progress{Step: "index", Done: int64(done), Total: int64(total), Unit: "messages"})
	if done >= total {
		s.endWork(nil)
	}
}

func (a *Account) endSearchWork(err error) {
	a.searching.working.Lock()
	defer a.searching.working.Unlock()
	a.searching.endWork(err)
}

// endWork ends the job of the running update, if there is one. The caller holds working.
func (s *searching) endWork(err error) {
	if s.work != nil {
		s.work.end(err)
		s.work = nil
	}
}

// keepSearch says that a runner keeps the index up to date. It is called before
// anybody else has the account.
func (a *Account) keepSearch() { a.searching.running = true }

// busy tells whether a pass runs.
func (m *movement) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running > 0
}

// index keeps the account's search index up to date until ctx ends.
func (r *runner) index(ctx context.Context, account *Account) {
	if account.searching.options == nil {
		return
	}
	told := ""
	for {
		changed := account.engine.Changed()
		index, err := account.searchIndex()
		if err == nil {
			err = index.Update(ctx)
			account.endSearchWork(err)
			giveBack()
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != told {
			r.log.Warn("the search index does not go on", "error", err)
			told = err.Error()
		}
		if err == nil {
			told = ""
		}
		timer := time.NewTimer(searchLook)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-account.searching.wake:
		case <-changed:
			_ = providers.Sleep(ctx, searchQuiet) // the end of ctx is seen above
		}
		timer.Stop()
	}
}

// searchSource is the account's history as the index sees it.
type searchSource struct{ account *Account }

// Changed implements search.Source.
func (s searchSource) Changed(mark uint64) ([]string, uint64) {
	return s.account.engine.ChangedSince(mark)
}

// Pieces implements search.Source.
func (s searchSource) Pieces(contact string) []search.Piece {
	pieces := s.account.engine.Pieces(contact)
	list := make([]search.Piece, 0, len(pieces))
	for _, p := range pieces {
		list = append(list, search.Piece{
			ID: p.ID, Contact: p.Contact, First: p.First, Last: p.Last, Items: int(p.Items), Messages: int(p.Messages),
			Here: p.Here, Replaces: p.Replaces, Handle: p,
		})
	}
	return list
}

// Read implements search.Source. What is fetched is followed by a pause.
func (s searchSource) Read(ctx context.Context, piece search.Piece, fetch bool) (*container.Chunk, error) {
	p, ok := piece.Handle.(engine.Piece)
	if !ok {
		return nil, search.ErrFar
	}
	chunk, err := s.account.engine.ReadPiece(ctx, p, fetch)
	if errors.Is(err, engine.ErrNotHere) {
		return nil, search.ErrFar
	}
	if err == nil && fetch {
		err = providers.Sleep(ctx, searchFetch)
	}
	return chunk, err
}

// Unconfirmed implements search.Source.
func (s searchSource) Unconfirmed(ctx context.Context, after uint64, visit func(uint64, string, *container.Chunk) error) error {
	return s.account.engine.Unconfirmed(ctx, after, visit)
}

// CountUnconfirmed implements search.Source.
func (s searchSource) CountUnconfirmed(contact string, after uint64) int {
	return s.account.engine.CountUnconfirmed(contact, after)
}

// Show implements search.Source.
func (s searchSource) Show(ctx context.Context, contact string, from, to int64, local bool) ([]container.Envelope, bool, string, error) {
	page, err := s.account.engine.Read(ctx, contact, engine.Window{From: from, To: to, Local: local})
	if err != nil {
		return nil, false, "", err
	}
	missing := ""
	if page.Provisional {
		missing = strings.Join(page.Reasons, "; ")
	}
	return page.Messages, len(page.Gaps) > 0, missing, nil
}
