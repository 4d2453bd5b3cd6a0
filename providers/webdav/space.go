package webdav

import (
	"context"
	"net/http"

	"github.com/dm3sync/dm3sync/providers"
)

// Space implements providers.Spacer by the quota properties (RFC 4331). Negative numbers, by which Nextcloud says that
// there is no limit, are not told.
func (s *Store) Space(ctx context.Context) (providers.Space, error) {
	space := providers.Space{Used: -1, Total: -1}
	entries, e := s.exchange(ctx, "", mostAnswer).propfind(depthSelf, wantSpace)
	if e.failure == nil && (e.status == http.StatusNotFound || e.status == http.StatusGone) {
		return space, describe(ctx, "ask for the room of", s.base.Path, ErrNoCollection, providers.ErrTransient)
	}
	if err := e.outcome(ctx, "ask for the room of", s.base.Path, http.StatusMultiStatus); err != nil {
		return space, err
	}
	if len(entries) != 1 {
		return space, describe(ctx, "ask for the room of", s.base.Path, errBroken, providers.ErrTransient)
	}
	space.Used = entries[0].used
	if left := entries[0].left; space.Used >= 0 && left >= 0 && space.Used+left >= 0 {
		space.Total = space.Used + left
	}
	return space, nil
}
