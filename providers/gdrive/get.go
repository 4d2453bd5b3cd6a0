package gdrive

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
	"google.golang.org/api/drive/v3"
)

// Get implements providers.Store. What does not have the size and checksum that Drive tells of the file is transient.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	return s.get(ctx, name, nil)
}

// GetRange implements providers.Store.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	return s.get(ctx, name, &span{min(offset, 1<<60), min(length, s.properties.MaxObject+1)})
}

// span is a range of bytes. A length above the largest object shows one that is larger.
type span struct{ offset, length int64 }

func (s *Store) get(ctx context.Context, name string, part *span) ([]byte, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	gone := make(map[string]bool) // ids that Drive has just said it does not have
	for {
		f, err := s.find(ctx, name, gone)
		if err != nil {
			return nil, translate(ctx, "get", name, err)
		}
		data, err := s.download(ctx, name, f, part)
		if !missing(err) {
			return data, translate(ctx, "get", name, err)
		}
		gone[f.id] = true
		s.known.drop(name, f.id)
	}
}

// find returns the file of a name, from memory if it can. Absence is concluded from two searches with a pause between
// them, and only while the folder is where it should be; files that Drive has denied by their id don't count.
func (s *Store) find(ctx context.Context, name string, gone map[string]bool) (file, error) {
	for looks := 0; ; looks++ {
		files, _, doubtful := s.known.find(name)
		files = slices.DeleteFunc(files, func(f file) bool { return gone[f.id] })
		for _, f := range files {
			if !doubtful {
				return f, nil
			}
			there, err := s.inspect(ctx, name, f.id)
			if err != nil {
				return file{}, err
			}
			if there != nil {
				return fileOf(there), nil
			}
			gone[f.id] = true
		}
		switch {
		case looks == 2 || looks == 1 && len(gone) > 0: // Drive has denied it by its id, which is no search
			if err := s.checkFolder(ctx); err != nil {
				return file{}, err
			}
			return file{}, providers.ErrNotFound
		case looks == 1:
			if err := s.options.Sleep(ctx, s.options.Again); err != nil {
				return file{}, err
			}
		}
		if err := s.look(ctx, name); err != nil {
			return file{}, err
		}
	}
}

// inspect asks for a file by its id, which needs no search. It is nil when that is no longer the object: deleted, in the
// trash, renamed or moved.
func (s *Store) inspect(ctx context.Context, name, id string) (*drive.File, error) {
	folder, err := s.folder(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.service.Files.Get(id).Context(ctx).SupportsAllDrives(true).Fields(fileFields).Do()
	if err != nil && !missing(err) {
		return nil, err
	}
	if err == nil && !f.Trashed && (s.options.Space == SpaceAppData || slices.Contains(f.Parents, folder)) {
		if found, _ := nameOf(f); found == name {
			s.known.learn(name, fileOf(f), 0)
			return f, nil
		}
	}
	s.known.drop(name, id)
	return nil, nil
}

// download gets a file's bytes, or a part of them.
func (s *Store) download(ctx context.Context, name string, f file, part *span) ([]byte, error) {
	if f.size > s.properties.MaxObject && part == nil {
		return nil, transport.ErrTooLong
	}
	call := s.service.Files.Get(f.id).Context(ctx).SupportsAllDrives(true)
	if part != nil {
		call.Header().Set("Range", fmt.Sprintf("bytes=%d-%d", part.offset, part.offset+part.length-1))
	}
	answer, err := call.Download()
	if part != nil && has(err, http.StatusRequestedRangeNotSatisfiable) {
		return []byte{}, nil // it is there, and ends before
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	limit := s.properties.MaxObject
	if part != nil && answer.StatusCode == http.StatusPartialContent {
		data, err := transport.ReadWhole(answer.Body, answer.ContentLength, min(part.length, limit))
		if err == nil && int64(len(data)) != max(0, min(part.length, f.size-part.offset)) {
			return nil, s.mistrust(name, f, "a part of another length")
		}
		return data, err
	}
	data, err := transport.ReadWhole(answer.Body, answer.ContentLength, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != f.size || f.md5 != "" && !strings.EqualFold(sumOf(data), f.md5) {
		return nil, s.mistrust(name, f, "another size or checksum")
	}
	if part != nil { // a server that ignores ranges
		end := int64(len(data))
		data = data[min(part.offset, end):min(part.offset+part.length, end)]
	}
	return data, nil
}

// errNotAsTold says that what came is not what Drive tells of the file.
var errNotAsTold = errors.New("the download is not what Drive tells of the file")

// mistrust forgets what was remembered: somebody may have uploaded another content by hand, which is then looked up.
func (s *Store) mistrust(name string, f file, why string) error {
	s.known.drop(name, f.id)
	return fmt.Errorf("%w: %w: %s", providers.ErrTransient, errNotAsTold, why)
}

func sumOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}
