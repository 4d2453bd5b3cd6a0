package webdav

import (
	"context"
	"net/http"
	"strings"
)

// RemoveFolder removes, as a stranger would, the collection of an object's container, with up to so many above it.
func RemoveFolder(ctx context.Context, s *Store, name string, above int) error {
	collection, _ := split(name)
	for range above {
		collection = strings.TrimSuffix(collection, "/")
		collection = collection[:strings.LastIndex(collection, "/")+1]
	}
	e := s.exchange(ctx, collection, 0)
	defer e.dog.Stop()
	e.client().Remove(anything)
	return e.outcome(ctx, "remove", collection, http.StatusOK, http.StatusNoContent)
}
