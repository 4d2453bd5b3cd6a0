package readable

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// Reasons for which a folder is not written.
var (
	// ErrForeign: something there is not this program's.
	ErrForeign = errors.New("not written by an export")
	// ErrFolderInUse: another export writes there now.
	ErrFolderInUse = errors.New("another export writes into this folder")
)

// marker is the file by which a folder is known, and which lists what was written there: a line "+path" before a file is
// written, "-path" after it was removed. It only grows, so that a crash leaves nothing unlisted.
const marker = "dm3sync-export.txt"

// lockName is empty and stays: on Windows nobody could write a file that is locked.
const lockName = ".dm3sync-export.lock"

const markerTitle = "dm3sync export 1 "

// partial is the ending of files that are being written.
const partial = ".part"

// folder is the place of one export. It is not safe for concurrent use.
type folder struct {
	to      func(name string, content func(io.Writer) error) error // takes the files in place of root; nil: none does
	root    *os.Root
	lock    *flock.Flock
	list    *os.File
	ours    map[string]bool // listed, by this run or earlier
	written map[string]bool // by this run
}

// openFolder opens a folder, or makes it. What says whose export it is: a folder with another's is refused, and so is one
// with anything in it that has no marker.
func openFolder(name, what string) (*folder, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("readable: making the folder: %w", err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("readable: opening the folder: %w", err)
	}
	f := &folder{root: root, ours: map[string]bool{}, written: map[string]bool{}}
	if err := f.claim(name, markerTitle+what); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) claim(name, title string) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("readable: listing the folder: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == lockName })
	known := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == marker && e.Type().IsRegular() })
	if len(entries) > 0 && !known {
		return fmt.Errorf("readable: %s holds %s, which was %w; name an empty folder, or one that is not there", name, entries[0].Name(), ErrForeign)
	}
	f.lock = flock.New(filepath.Join(name, lockName), flock.SetPermissions(0o600))
	if locked, err := f.lock.TryLock(); err != nil || !locked {
		return errors.Join(fmt.Errorf("readable: %s: %w", name, ErrFolderInUse), err)
	}
	if err := f.root.Chmod(".", 0o700); err != nil {
		return fmt.Errorf("readable: keeping others out of the folder: %w", err)
	}
	if f.list, err = f.root.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("readable: opening the list of what was written: %w", err)
	}
	return f.readList(name, title)
}

// readList reads the marker and gets ready to append. A line that was cut off is of no file, for it is written first.
func (f *folder) readList(name, title string) error {
	text, err := io.ReadAll(f.list)
	if err != nil {
		return fmt.Errorf("readable: reading %s: %w", marker, err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	lines := bufio.NewScanner(bytes.NewReader(text[:whole]))
	for first := true; lines.Scan(); first = false {
		line := lines.Text()
		switch {
		case first && line != title:
			return fmt.Errorf("readable: %s holds another export (%q), which was %w of %q; name another folder", name, line, ErrForeign, strings.TrimPrefix(title, markerTitle))
		case first || len(line) < 2 || !filepath.IsLocal(line[1:]) || line[1:] == marker || line[1:] == lockName:
		case line[0] == '+':
			f.ours[line[1:]] = true
		case line[0] == '-':
			delete(f.ours, line[1:])
		}
	}
	if err := errors.Join(lines.Err(), f.list.Truncate(int64(whole))); err != nil {
		return fmt.Errorf("readable: reading %s: %w", marker, err)
	}
	if _, err := f.list.Seek(int64(whole), io.SeekStart); err != nil {
		return fmt.Errorf("readable: reading %s: %w", marker, err)
	}
	for file := range f.ours {
		f.root.Remove(file + partial)
	}
	if whole == 0 {
		return f.note(title)
	}
	return nil
}

// note appends lines to the marker, durably.
func (f *folder) note(lines ...string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := f.list.WriteString(strings.Join(lines, "\n") + "\n")
	if err := errors.Join(err, f.list.Sync()); err != nil {
		return fmt.Errorf("readable: writing %s: %w", marker, err)
	}
	return nil
}

// announce lists files that are about to be written, and refuses those that are there and somebody else's.
func (f *folder) announce(files ...string) error {
	if f.to != nil {
		return nil
	}
	var lines []string
	for _, file := range files {
		if f.ours[file] {
			continue
		}
		if _, err := f.root.Lstat(file); err == nil {
			return fmt.Errorf("readable: %s: %w; move it away, or name another folder", file, ErrForeign)
		}
		lines = append(lines, "+"+file)
	}
	if err := f.note(lines...); err != nil {
		return err
	}
	for _, file := range files {
		f.ours[file] = true
	}
	return nil
}

// write writes one file: whole, synced, and under its name only then.
func (f *folder) write(file string, content func(io.Writer) error) error {
	if f.to != nil {
		if err := f.to(file, content); err != nil {
			return fmt.Errorf("readable: writing %s: %w", file, err)
		}
		f.written[file] = true
		return nil
	}
	if err := f.announce(file); err != nil {
		return err
	}
	if err := f.root.MkdirAll(path.Dir(file), 0o700); err != nil {
		return fmt.Errorf("readable: making a folder for %s: %w", file, err)
	}
	f.root.Remove(file + partial)
	part, err := f.root.OpenFile(file+partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("readable: making %s: %w", file, err)
	}
	buffer := bufio.NewWriterSize(part, 64<<10)
	err = content(buffer)
	if err == nil {
		err = errors.Join(buffer.Flush(), part.Sync())
	}
	if err = errors.Join(err, part.Close()); err == nil {
		err = f.root.Rename(file+partial, file)
	}
	if err != nil {
		f.root.Remove(file + partial)
		return fmt.Errorf("readable: writing %s: %w", file, err)
	}
	f.written[file] = true
	return nil
}

// tidy removes what earlier exports wrote here and this one did not, and returns how many files that were.
func (f *folder) tidy() (int, error) {
	if f.to != nil {
		return 0, nil
	}
	var lines []string
	folders := map[string]bool{}
	for file := range f.ours {
		if f.written[file] {
			continue
		}
		if err := f.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return len(lines), fmt.Errorf("readable: removing %s of an earlier export: %w", file, err)
		}
		lines = append(lines, "-"+file)
		for up := path.Dir(file); up != "."; up = path.Dir(up) {
			folders[up] = true
		}
	}
	empty := make([]string, 0, len(folders))
	for name := range folders {
		empty = append(empty, name)
	}
	slices.SortFunc(empty, func(a, b string) int { return len(b) - len(a) })
	for _, name := range empty {
		f.root.Remove(name) // fails where something is left in it, as it should
	}
	slices.Sort(lines)
	return len(lines), f.note(lines...)
}

func (f *folder) close() error {
	if f.to != nil {
		return nil
	}
	var err error
	if f.list != nil {
		err = f.list.Close()
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Unlock())
	}
	return errors.Join(err, f.root.Close())
}
