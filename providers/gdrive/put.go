package gdrive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
)

// creation is a create that was begun and may have happened: the next one for the name has the same id.
type creation struct {
	id      string
	session string // address of an upload in parts, as good as a token; "" without
	sum     string // of the bytes that it is for
}

// Put implements providers.Store. A name is put by one call at a time, so that calls at once make no twins.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("gdrive: put %s: %w", name, providers.ErrTooLarge)
	}
	return translate(ctx, "put", name, s.put(ctx, name, data))
}

func (s *Store) put(ctx context.Context, name string, data []byte) error {
	unlock, err := s.locks.lock(ctx, "put "+name)
	if err != nil {
		return err
	}
	defer unlock()
	folder, err := s.folder(ctx)
	if err != nil {
		return err
	}
	wrong, done, err := s.before(ctx, name, data)
	if done || err != nil {
		return err
	}
	made, err := s.make(ctx, folder, name, data)
	if err != nil {
		return err
	}
	if made.Trashed {
		return s.trashedPut(ctx, made.Id)
	}
	s.known.learn(name, fileOf(made), 0)
	for _, id := range wrong { // what was there before had other bytes
		if err := s.remove(ctx, name, id); err != nil {
			return err
		}
	}
	return nil
}

// before looks at the files of the name that are known. The same bytes again are done; others are to be replaced.
func (s *Store) before(ctx context.Context, name string, data []byte) (wrong []string, done bool, err error) {
	files, _, _ := s.known.find(name)
	for _, f := range files {
		there, err := s.inspect(ctx, name, f.id)
		if err != nil {
			return nil, false, err
		}
		if there != nil && !holds(there, data) {
			wrong = append(wrong, f.id)
		}
		done = done || there != nil && holds(there, data)
	}
	return wrong, done && len(wrong) == 0, nil
}

// holds tells whether a file has these bytes.
func holds(f *drive.File, data []byte) bool {
	return f.Size == int64(len(data)) && strings.EqualFold(f.Md5Checksum, sumOf(data))
}

// make creates the file, under the id of an earlier attempt if there was one: 409 then says that this one happened.
func (s *Store) make(ctx context.Context, folder, name string, data []byte) (*drive.File, error) {
	sum := sumOf(data)
	for range 3 {
		begun, again := s.pending.get(name)
		if !again || begun.sum != sum {
			id, err := s.newID(ctx)
			if err != nil {
				return nil, err
			}
			begun = creation{id: id, sum: sum}
			s.pending.set(name, begun)
		}
		s.known.mine.set(begun.id, struct{}{})
		made, err := s.upload(ctx, folder, name, begun, data)
		if has(err, http.StatusConflict) {
			if made, err = s.inspect(ctx, name, begun.id); err == nil && made == nil {
				s.pending.remove(name) // it happened, and then somebody removed it by hand
				continue
			}
		}
		if missing(err) {
			return nil, s.gone(ctx, err)
		}
		if err != nil {
			return nil, err
		}
		s.pending.remove(name)
		if !holds(made, data) {
			if err := s.remove(ctx, name, made.Id); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("Drive has kept other bytes than were sent: %w", io.ErrUnexpectedEOF)
		}
		return made, nil
	}
	return nil, fmt.Errorf("%w: every id is taken", providers.ErrTransient)
}

// trashedPut takes back a file that went into a folder in the trash.
func (s *Store) trashedPut(ctx context.Context, id string) error {
	err := s.service.Files.Delete(id).Context(ctx).SupportsAllDrives(true).Do()
	if missing(err) {
		err = nil
	}
	if found := s.checkFolder(ctx); found != nil {
		return errors.Join(found, err)
	}
	return errors.Join(fmt.Errorf("%w: the new file was in the trash at once", providers.ErrTransient), err)
}
