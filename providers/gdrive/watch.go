package gdrive

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
)

// longestPoll is the pause after many failures.
const longestPoll = 10 * time.Minute

// Watch implements providers.Watcher: a request to the feed of changes every Options.Poll. Changes that were made here
// are mostly left out. While Drive can't be reached it asks more and more seldom.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) {
	changed := make(chan struct{}, 1)
	go func() {
		defer close(changed)
		w := &feed{store: s}
		for wait := s.options.Poll; s.options.Sleep(ctx, w.wait(wait)) == nil; {
			news, err := w.ask(ctx)
			if err != nil {
				w.failures++
				w.named = limitOf(translate(ctx, "watch", "", err))
				continue
			}
			w.failures, w.named = 0, 0
			if !news {
				continue
			}
			select {
			case changed <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return changed, nil
}

// feed is the state of one watch.
type feed struct {
	store    *Store
	cursor   string
	begun    bool // there was a cursor before
	failures int
	named    time.Duration // what a rate limit asks for
}

// wait is the pause before the next request: none before the first, which only sets the cursor.
func (w *feed) wait(poll time.Duration) time.Duration {
	if !w.begun && w.failures == 0 {
		return 0
	}
	for range min(w.failures, 10) {
		poll = min(2*poll, longestPoll)
	}
	return max(poll, w.named)
}

func limitOf(err error) time.Duration {
	var limit *providers.RateLimitError
	if errors.As(err, &limit) {
		return min(limit.Wait, time.Hour)
	}
	return 0
}

// ask reads the feed from the cursor to its end. A cursor that Drive no longer takes is replaced, and counts as news.
func (w *feed) ask(ctx context.Context) (news bool, err error) {
	if w.cursor == "" {
		if w.cursor, err = w.start(ctx); err != nil {
			return false, err
		}
		news, w.begun = w.begun, true
		return news, nil
	}
	for {
		answer, err := w.page(ctx)
		if has(err, http.StatusGone) || has(err, http.StatusBadRequest) || has(err, http.StatusNotFound) {
			w.cursor = ""
			return w.ask(ctx)
		}
		if err != nil {
			return false, err
		}
		for _, c := range answer.Changes {
			if _, mine := w.store.known.mine.get(c.FileId); !mine {
				news = true
			}
		}
		switch {
		case answer.NextPageToken != "":
			w.cursor = answer.NextPageToken
		case answer.NewStartPageToken != "":
			w.cursor = answer.NewStartPageToken
			return news, nil
		default:
			w.cursor = ""
			return true, nil
		}
	}
}

func (w *feed) start(ctx context.Context) (string, error) {
	call := w.store.service.Changes.GetStartPageToken().Context(ctx).Fields("startPageToken")
	if id := w.store.options.SharedDrive; id != "" {
		call.DriveId(id).SupportsAllDrives(true)
	}
	answer, err := call.Do()
	if err != nil {
		return "", err
	}
	return answer.StartPageToken, nil
}

func (w *feed) page(ctx context.Context) (*drive.ChangeList, error) {
	call := w.store.service.Changes.List(w.cursor).Context(ctx).Spaces(w.store.space()).PageSize(pageSize).
		Fields(googleapi.Field("nextPageToken,newStartPageToken,changes(fileId)"))
	if id := w.store.options.SharedDrive; id != "" {
		call.DriveId(id).SupportsAllDrives(true).IncludeItemsFromAllDrives(true)
	}
	return call.Do()
}
