package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	// spoolScan is how often the folder is looked at without a notice, because
	// network drives give none.
	spoolScan = 30 * time.Second
	// spoolRetry is the wait after a failure of the disk or the journal.
	spoolRetry = 10 * time.Second
	// documentLimit is the largest .json file, which is read as a whole.
	documentLimit = 64 << 20
)

// errDocumentSize is why a whole file is rejected.
var errDocumentSize = errors.New("a .json file may have 64 MiB; write larger ones as .ndjson, one envelope a line")

// spoolStatus is what the account's status tells of its spool.
type spoolStatus struct {
	failure  string // of the last look, empty when it was fine
	rejected int    // lines since the start
}

type spoolOptions struct {
	settle time.Duration // how long a file must stand unchanged
	report func(spoolStatus)
	log    *slog.Logger
}

// spool takes files of envelopes from a folder. A file is whole when it stands
// there under its final name, *.ndjson (one envelope a line) or *.json (one
// document), unchanged for a moment: writers write elsewhere, or under a name
// that begins with "." or ends in .tmp or .part, and rename. It is removed when
// all its envelopes are durable; those that were rejected lie in the folder
// "rejected" then. A crash in between makes the file be taken twice, which
// changes nothing.
type spool struct {
	folder  string
	history *history.History
	options spoolOptions
	status  spoolStatus
	failing failures
	seen    map[string]sighting
}

// sighting is how a file looked, and since when.
type sighting struct {
	size     int64
	modified time.Time
	since    time.Time
}

func newSpool(folder string, h *history.History, o spoolOptions) *spool {
	return &spool{folder: folder, history: h, options: o, seen: make(map[string]sighting)}
}

// run takes files until ctx ends.
func (s *spool) run(ctx context.Context) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		s.options.log.Warn("spool is looked at now and then only", "error", err)
		watcher = noWatcher()
	} else {
		defer watcher.Close()
	}
	for ctx.Err() == nil {
		s.wait(ctx, watcher, s.look(ctx, watcher))
	}
}

// noWatcher gives no notices: its channels are nil, and the periodic look has to
// do.
func noWatcher() *fsnotify.Watcher { return &fsnotify.Watcher{} }

// wait returns after pause, or soon after a notice.
func (s *spool) wait(ctx context.Context, watcher *fsnotify.Watcher, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case event := <-watcher.Events:
			if wanted(filepath.Base(event.Name)) && !event.Has(fsnotify.Remove) {
				return
			}
		case err := <-watcher.Errors:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				return // who knows what was missed
			} // else the periodic look has to do
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// look scans the folder once, reports, and returns when to look again.
func (s *spool) look(ctx context.Context, watcher *fsnotify.Watcher) time.Duration {
	pause, err := s.scan(ctx, watcher)
	if ctx.Err() != nil {
		return 0
	}
	s.status.failure = ""
	if err == nil {
		s.failing.over()
	} else {
		s.status.failure = err.Error()
		s.options.log.Log(ctx, s.failing.level(err, slog.LevelError), "spool failed", "error", err)
		pause = min(pause, spoolRetry)
	}
	s.options.report(s.status)
	return pause
}

func (s *spool) scan(ctx context.Context, watcher *fsnotify.Watcher) (time.Duration, error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return spoolScan, fmt.Errorf("agent: making the spool folder: %w", err)
	}
	if watcher.Events != nil && !slices.Contains(watcher.WatchList(), s.folder) {
		if err := watcher.Add(s.folder); err != nil {
			s.options.log.Debug("spool is looked at now and then only", "error", err)
		}
	}
	entries, err := os.ReadDir(s.folder) // in the order of names
	if err != nil {
		return spoolScan, fmt.Errorf("agent: reading the spool folder: %w", err)
	}
	pause := spoolScan
	var errs []error
	present := make(map[string]bool)
	for _, entry := range entries {
		if ctx.Err() != nil || !wanted(entry.Name()) || !entry.Type().IsRegular() {
			continue
		}
		present[entry.Name()] = true
		wait, err := s.consider(ctx, entry)
		pause = min(pause, wait)
		errs = append(errs, err)
	}
	for name := range s.seen {
		if !present[name] {
			delete(s.seen, name)
		}
	}
	return pause, errors.Join(errs...)
}

// wanted tells by the name whether a file is for us, and whole.
func wanted(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	extension := strings.ToLower(filepath.Ext(name))
	return extension == ".ndjson" || extension == ".json"
}

// consider takes a file that has stood unchanged long enough, and else returns
// when it will have.
func (s *spool) consider(ctx context.Context, entry fs.DirEntry) (time.Duration, error) {
	info, err := entry.Info()
	if errors.Is(err, os.ErrNotExist) {
		return spoolScan, nil // taken away again
	}
	if err != nil {
		return spoolScan, fmt.Errorf("agent: looking at spooled file: %w", err)
	}
	last, known := s.seen[entry.Name()]
	if !known || last.size != info.Size() || !last.modified.Equal(info.ModTime()) {
		s.seen[entry.Name()] = sighting{info.Size(), info.ModTime(), time.Now()}
		return s.options.settle, nil
	}
	if left := s.options.settle - time.Since(last.since); left > 0 {
		return left, nil
	}
	if err := s.take(ctx, filepath.Join(s.folder, entry.Name()), info); err != nil {
		return spoolRetry, err
	}
	delete(s.seen, entry.Name())
	return spoolScan, nil
}

// take appends a file's envelopes and removes it.
func (s *spool) take(ctx context.Context, path string, seen fs.FileInfo) error {
	rejects := newRejects(path)
	defer rejects.discard()
	summary, err := s.read(ctx, path, seen, rejects)
	if err != nil {
		return fmt.Errorf("agent: taking spooled file %s: %w", filepath.Base(path), err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, seen) || now.Size() != seen.Size() || !now.ModTime().Equal(seen.ModTime()) {
		return nil // still being written: it will be looked at again
	}
	if err := rejects.keep(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("agent: removing spooled file: %w", err)
	}
	s.status.rejected += summary.Rejected
	s.options.log.Info("spooled file taken", "accepted", summary.Accepted, "rejected", summary.Rejected)
	return nil
}

func (s *spool) read(ctx context.Context, path string, seen fs.FileInfo, rejects *rejects) (history.Summary, error) {
	document := strings.EqualFold(filepath.Ext(path), ".json")
	if document && seen.Size() > documentLimit {
		return history.Summary{Rejected: 1}, rejects.add(1, nil, errDocumentSize)
	}
	file, err := os.Open(path)
	if err != nil {
		return history.Summary{}, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !os.SameFile(info, seen) {
		return history.Summary{}, errors.Join(errors.New("the file was replaced"), err)
	}
	options := history.AppendOptions{Rejected: rejects.add}
	if document {
		return s.history.AppendDocument(ctx, file, options)
	}
	return s.history.Append(ctx, file, options)
}

// patientEngine waits while the journal is full, asking for passes that make
// room.
type patientEngine struct {
	history.Engine
	kick func()
}

// Append implements history.Engine.
func (p patientEngine) Append(ctx context.Context, items ...engine.Item) error {
	for {
		err := p.Engine.Append(ctx, items...)
		if !errors.Is(err, cache.ErrJournalFull) {
			return err
		}
		p.kick()
		if sleepErr := providers.Sleep(ctx, time.Second); sleepErr != nil {
			return errors.Join(err, sleepErr)
		}
	}
}
