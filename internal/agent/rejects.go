package agent

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/files"
)

// rejectedFolder is where rejected lines go, inside the spool folder.
const rejectedFolder = "rejected"

// rejects gathers what one spooled file held that could not be taken: the lines
// themselves, and beside them the reasons. Nothing is made before the first one.
type rejects struct {
	folder  string
	count   int
	whole   bool // a rejected text is not at hand: the whole file is kept
	lines   *outFile
	reasons *outFile
}

func newRejects(path string) *rejects {
	return &rejects{folder: filepath.Join(filepath.Dir(path), rejectedFolder)}
}

// add notes one rejected text; it is a history.AppendOptions.Rejected.
func (r *rejects) add(line int, text []byte, reason error) error {
	if r.lines == nil {
		if err := r.create(); err != nil {
			return err
		}
	}
	r.count++
	if text == nil {
		r.whole = true
	}
	_, _ = r.lines.Write(text) // bufio keeps the first error for the end
	_ = r.lines.WriteByte('\n')
	_, err := fmt.Fprintf(r.reasons, "line %d: %s\n", line, display.Reason(reason.Error()))
	return err
}

func (r *rejects) create() (err error) {
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return fmt.Errorf("agent: making the folder for rejected lines: %w", err)
	}
	if r.lines, err = createOut(r.folder); err != nil {
		return err
	}
	r.reasons, err = createOut(r.folder)
	return err
}

// keep makes the rejected lines of the file at path durable under its name, and
// the reasons beside them. When lines are missing from what was gathered, the
// file itself takes their place, and is gone from path.
func (r *rejects) keep(path string) error {
	if r.count == 0 {
		return nil
	}
	target, err := freeName(filepath.Join(r.folder, filepath.Base(path)))
	if err != nil {
		return err
	}
	if err := r.reasons.finish(target + ".reason.txt"); err != nil {
		return err
	}
	if r.whole {
		err = os.Rename(path, target)
	} else {
		err = r.lines.finish(target)
	}
	if err == nil {
		err = files.SyncFolder(r.folder)
	}
	if err != nil {
		return fmt.Errorf("agent: keeping rejected lines: %w", err)
	}
	return nil
}

// discard removes what was not kept.
func (r *rejects) discard() {
	r.lines.discard()
	r.reasons.discard()
}

// freeName is path, or path with a number, so that nothing stands there yet.
func freeName(path string) (string, error) {
	for name, number := path, 2; ; number++ {
		_, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", fmt.Errorf("agent: keeping rejected lines: %w", err)
		}
		name = fmt.Sprintf("%s.%d", path, number)
	}
}

// outFile is a temporary file that becomes durable under its final name, or
// nothing.
type outFile struct {
	*bufio.Writer
	file *os.File
}

func createOut(folder string) (*outFile, error) {
	file, err := os.CreateTemp(folder, ".*.tmp") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("agent: keeping rejected lines: %w", err)
	}
	return &outFile{bufio.NewWriter(file), file}, nil
}

func (o *outFile) finish(path string) error {
	err := errors.Join(o.Flush(), o.file.Sync(), o.file.Close())
	if err == nil {
		err = os.Rename(o.file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("agent: keeping rejected lines: %w", err)
	}
	return nil
}

// discard removes the temporary file; after finish there is none.
func (o *outFile) discard() {
	if o == nil {
		return
	}
	_ = o.file.Close()
	_ = os.Remove(o.file.Name())
}
