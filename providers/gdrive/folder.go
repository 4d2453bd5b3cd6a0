package gdrive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
)

// place remembers the folder.
type place struct {
	mutex          sync.Mutex
	id             string // "" before the first look
	name, location string // as seen last
	searched       bool   // with patience, since the store was opened
}

// A folder that was made a moment ago is not shown by every search yet. So a store searches several times before it says
// that there is none, and Create returns when a search shows what it has made. Each pause is twice the one before it, from
// Options.Again to eight times that: firstLooks take 7 s, shownLooks 55 s.
const (
	firstLooks  = 4
	createLooks = 2 // another device may just have made it
	shownLooks  = 10
)

const folderFields = "id,name,trashed,parents,appProperties"

// folder returns the id of the folder, which is looked for once. It is found by what Create wrote on it, whatever its name
// is now and wherever it lies.
func (s *Store) folder(ctx context.Context) (string, error) {
	if s.options.Space == SpaceAppData {
		return appData, nil
	}
	s.place.mutex.Lock()
	id := s.place.id
	s.place.mutex.Unlock()
	if id != "" {
		return id, nil
	}
	unlock, err := s.locks.lock(ctx, "folder")
	if err != nil {
		return "", err
	}
	defer unlock()
	s.place.mutex.Lock()
	id = s.place.id
	looks := firstLooks
	if s.place.searched {
		looks = 1
	}
	s.place.mutex.Unlock()
	if id != "" {
		return id, nil
	}
	id, err = s.searchFolder(ctx, looks)
	if err == nil || errors.Is(err, ErrNoFolder) {
		s.place.mutex.Lock()
		s.place.searched = true
		s.place.mutex.Unlock()
	}
	return id, err
}

// searchFolder searches so many times, with pauses, until a search shows the folder.
func (s *Store) searchFolder(ctx context.Context, looks int) (string, error) {
	wait := s.options.Again
	for {
		id, err := s.findFolder(ctx)
		if looks--; looks <= 0 || !errors.Is(err, ErrNoFolder) {
			return id, err
		}
		if err := s.options.Sleep(ctx, wait); err != nil {
			return "", err
		}
		wait = min(2*wait, 8*s.options.Again)
	}
}

// folderAnew searches for the folder although it may be known. The search may lag behind, so what is known counts as long
// as Drive has it.
func (s *Store) folderAnew(ctx context.Context) (string, error) {
	s.place.mutex.Lock()
	known := s.place.id
	s.place.mutex.Unlock()
	if known == "" || s.options.Space == SpaceAppData {
		return s.folder(ctx)
	}
	found, err := s.findFolder(ctx)
	if err == nil && found == known {
		return known, nil
	}
	if err != nil && !errors.Is(err, ErrNoFolder) && !errors.Is(err, ErrFolderTrashed) {
		return "", err
	}
	s.place.mutex.Lock()
	s.place.id = known
	s.place.mutex.Unlock()
	return known, s.checkFolder(ctx)
}

// findFolder searches for the folder once.
func (s *Store) findFolder(ctx context.Context) (string, error) {
	query := "mimeType = " + quote(folderType) + " and appProperties has { key=" + quote(keyFolder) + " and value=" + quote(s.options.Folder) + " }"
	if s.options.SharedDrive == "" {
		query += " and 'me' in owners" // what others share is theirs to fill
	}
	var living, binned []*drive.File
	for token := ""; ; {
		answer, err := s.list(ctx, query, "files("+folderFields+")", token)
		if err != nil {
			return "", err
		}
		for _, f := range answer.Files {
			if f.Trashed {
				binned = append(binned, f)
			} else {
				living = append(living, f)
			}
		}
		if token = answer.NextPageToken; token == "" {
			break
		}
	}
	switch {
	case len(living) > 1:
		return "", fmt.Errorf("%w (%q): their addresses end in %s; move everything into one of them in the browser and put the others into the trash",
			ErrTwoFolders, s.options.Folder, identifiers(living))
	case len(living) == 1:
		s.remember(living[0])
		return living[0].Id, nil
	case len(binned) > 0:
		return "", s.binned(binned[0].Name)
	}
	return "", fmt.Errorf("%w (%q): was it deleted, or is this another account? `dm3sync init` makes one where there never was one", ErrNoFolder, s.options.Folder)
}

func identifiers(files []*drive.File) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Id)
	}
	return strings.Join(all, " and ")
}

func (s *Store) binned(name string) error {
	return fmt.Errorf("%w (%q): restore it there; nothing is written meanwhile", ErrFolderTrashed, name)
}

// remember takes what was seen of the folder, and tells what the user has changed about it.
func (s *Store) remember(f *drive.File) {
	s.place.mutex.Lock()
	before := s.place.location
	s.place.id, s.place.name, s.place.location = f.Id, f.Name, strings.Join(f.Parents, " ")
	moved := before != "" && before != s.place.location
	s.place.mutex.Unlock()
	if f.Name != s.options.Folder {
		s.warn("the folder %q at Drive is called %q now; dm3sync goes on with it", s.options.Folder, f.Name)
	}
	if moved {
		s.warn("the folder %q was moved to another place of Drive; dm3sync goes on with it", f.Name)
	}
}

// checkFolder makes sure that what isn't shown is really absent: while the folder itself is gone or in the trash, nothing
// is known of what it holds. Whatever is wrong, the folder is searched anew the next time.
func (s *Store) checkFolder(ctx context.Context) error {
	if s.options.Space == SpaceAppData {
		return nil
	}
	id, err := s.folder(ctx)
	if err != nil {
		return err
	}
	f, err := s.service.Files.Get(id).Context(ctx).SupportsAllDrives(true).Fields(googleapi.Field(folderFields)).Do()
	switch {
	case missing(err):
		s.forgetFolder()
		return fmt.Errorf("%w (%q): it was there before; if it was deleted, what this device holds can be written to a new place", ErrNoFolder, s.options.Folder)
	case err != nil:
		return err
	case f.Trashed:
		s.forgetFolder()
		return s.binned(f.Name)
	}
	s.remember(f)
	return nil
}

func (s *Store) forgetFolder() {
	s.place.mutex.Lock()
	defer s.place.mutex.Unlock()
	s.place.id = ""
}

// Create makes and marks the folder, unless it is there, and waits until a search shows it, about a minute at most; after
// that it fails as transient. It may be repeated. A folder in the trash is not replaced ([ErrFolderTrashed]), and the app's
// own space needs none.
func Create(ctx context.Context, options *Options) error {
	s, err := New(options)
	if err != nil {
		return err
	}
	return errors.Join(translate(ctx, "make the folder", s.options.Folder, s.create(ctx)), s.Close())
}

func (s *Store) create(ctx context.Context) error {
	if s.options.Space == SpaceAppData {
		return nil
	}
	if _, err := s.searchFolder(ctx, createLooks); !errors.Is(err, ErrNoFolder) {
		return err
	}
	if err := s.makeFolder(ctx); err != nil {
		return err
	}
	_, err := s.searchFolder(ctx, shownLooks)
	if errors.Is(err, ErrNoFolder) {
		return fmt.Errorf("%w: the folder %q was made, but Drive's searches don't show it yet; go on in some minutes, as doing it at once might make a second one",
			providers.ErrTransient, s.options.Folder)
	}
	return err
}

func (s *Store) makeFolder(ctx context.Context) error {
	id, err := s.newID(ctx)
	if err != nil {
		return err
	}
	made := &drive.File{Id: id, Name: s.options.Folder, MimeType: folderType, AppProperties: map[string]string{keyFolder: s.options.Folder}}
	if s.options.SharedDrive != "" {
		made.Parents = []string{s.options.SharedDrive}
	}
	const attempts = 3 // with one id they make one folder; a later call would make another where searches lag
	for attempt := 1; ; attempt++ {
		_, err = s.service.Files.Create(made).Context(ctx).SupportsAllDrives(true).Fields("id").Do()
		if err == nil || has(err, http.StatusConflict) {
			return nil
		}
		translated := translate(ctx, "make the folder", s.options.Folder, err)
		if attempt == attempts || !providers.Retriable(translated) {
			return err
		}
		wait := s.options.Again
		var limit *providers.RateLimitError
		if errors.As(translated, &limit) {
			wait = max(wait, limit.Wait)
		}
		if err := s.options.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}
