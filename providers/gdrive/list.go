package gdrive

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
)

// pageSize is the most that Drive lists in one request.
const pageSize = 1000

const (
	fileFields  = "id,name,size,md5Checksum,trashed,parents,appProperties"
	shownFields = "files(id,name,size,md5Checksum,appProperties)"
)

// list makes one request. An answer that is not Drive's, or not of a whole search, is an error.
func (s *Store) list(ctx context.Context, query, fields, pageToken string) (*drive.FileList, error) {
	call := s.service.Files.List().Context(ctx).Q(query).Spaces(s.space()).PageSize(pageSize).
		Fields(googleapi.Field("kind,nextPageToken,incompleteSearch," + fields))
	if s.options.SharedDrive != "" {
		call.Corpora("drive").DriveId(s.options.SharedDrive).IncludeItemsFromAllDrives(true).SupportsAllDrives(true)
	}
	if pageToken != "" {
		call.PageToken(pageToken)
	}
	answer, err := call.Do()
	switch {
	case pageToken != "" && has(err, http.StatusBadRequest):
		return nil, fmt.Errorf("%w: the listing can't be continued: %w", providers.ErrTransient, answered(err))
	case err != nil:
		return nil, err
	case answer.Kind != "drive#fileList":
		return nil, fmt.Errorf("an answer that is no listing of Drive: %w", io.ErrUnexpectedEOF)
	case answer.IncompleteSearch:
		return nil, fmt.Errorf("%w: Drive has not searched everything", providers.ErrTransient)
	case pageToken != "" && answer.NextPageToken == pageToken:
		return nil, fmt.Errorf("the listing does not go on: %w", io.ErrUnexpectedEOF)
	}
	return answer, nil
}

// List implements providers.Store. A prefix "KEY/…" is one request for each 1,000 states of the container; every other
// prefix lists the whole folder.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return providers.Fail(err)
	}
	return func(yield func(providers.Object, error) bool) {
		container, _, within := strings.Cut(prefix, "/")
		if !within {
			container = ""
		}
		shown := &walk{store: s, container: container, seed: maphash.MakeSeed(), yielded: make(map[uint64]struct{})}
		err := shown.all(ctx, func(object providers.Object) bool {
			return !strings.HasPrefix(object.Name, prefix) || yield(object, nil)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(providers.Object{}, translate(ctx, "list", prefix, err))
		}
	}
}

// errEnough says that the caller of a listing wants no more of it.
var errEnough = errors.New("enough")

// walk is one listing of a container, or of everything.
type walk struct {
	store     *Store
	container string
	seed      maphash.Seed
	yielded   map[uint64]struct{} // hashes of names, for twins
}

// all visits every object once, and remembers the ids of all twins. A listing without any is looked at once more: the
// folder may be in the trash.
func (w *walk) all(ctx context.Context, visit func(providers.Object) bool) error {
	s := w.store
	find := s.folder
	if w.container == "" {
		find = s.folderAnew // the rare listing of everything notices a second folder
	}
	folder, err := find(ctx)
	if err != nil {
		return err
	}
	number := s.known.begin()
	for token := ""; ; {
		answer, err := s.list(ctx, inFolder(folder, w.container, ""), shownFields, token)
		if missing(err) { // so Drive says of a folder that is gone
			return s.gone(ctx, err)
		}
		if err != nil {
			return err
		}
		for _, f := range answer.Files {
			name, ok := s.take(f, number)
			if !ok {
				continue
			}
			hash := maphash.String(w.seed, name)
			if _, twin := w.yielded[hash]; twin {
				continue
			}
			w.yielded[hash] = struct{}{}
			if !visit(providers.Object{Name: name, Size: f.Size}) {
				return errEnough
			}
		}
		if token = answer.NextPageToken; token == "" {
			break
		}
	}
	if len(w.yielded) == 0 {
		if err := s.checkFolder(ctx); err != nil {
			return err
		}
	}
	s.known.completed(w.container, number)
	return nil
}

// gone explains an answer "not found" that was not about an object.
func (s *Store) gone(ctx context.Context, err error) error {
	if found := s.checkFolder(ctx); found != nil {
		return found
	}
	return fmt.Errorf("%w: %w", providers.ErrTransient, answered(err))
}

// take remembers a listed file, if it is an object.
func (s *Store) take(f *drive.File, number uint64) (name string, ok bool) {
	name, renamed := nameOf(f)
	if renamed {
		s.warn("the file %q of dm3sync at Drive was renamed or copied by hand; it counts for nothing unless it is called %q again",
			plain(f.Name), containerOf(f.AppProperties[keyName]))
	}
	if name == "" {
		return "", false
	}
	s.known.learn(name, fileOf(f), number)
	return name, true
}

// look searches for a name, and for its whole container along with it where that is one page, since who wants one state
// wants the others too. What is found stands in known. Concurrent looks into one container share a request.
func (s *Store) look(ctx context.Context, name string) error {
	container, before := containerOf(name), s.known.latest()
	unlock, err := s.locks.lock(ctx, "look "+container)
	if err != nil {
		return err
	}
	defer unlock()
	if s.known.completedSince(container, before) {
		return nil
	}
	folder, err := s.folder(ctx)
	if err != nil {
		return err
	}
	number := s.known.begin()
	for _, exact := range []string{"", name} {
		answer, err := s.list(ctx, inFolder(folder, container, exact), shownFields, "")
		if missing(err) {
			return s.gone(ctx, err)
		}
		if err != nil {
			return err
		}
		for _, f := range answer.Files {
			s.take(f, number)
		}
		if answer.NextPageToken == "" {
			if exact == "" {
				s.known.completed(container, number)
			}
			return nil
		}
		if files, listed, doubtful := s.known.find(name); exact == "" && len(files) > 0 && listed && !doubtful {
			return nil
		}
	}
	return fmt.Errorf("more than %d files of one name: %w", pageSize, providers.ErrTransient)
}
