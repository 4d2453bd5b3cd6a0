package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/files"
)

// ErrChanged says that somebody else wrote the configuration file meanwhile.
var ErrChanged = errors.New("the configuration file was changed by another program just now; try again")

// Put replaces the text of a configuration file, whole or not at all. before is the text
// that after was made from, nil where no file was: ErrChanged where the file says something
// else by now. Where file is a link, what it leads to is replaced; the mode stays, a new
// file is for the user alone. Its folder must be there. Other errors are those of package os.
func Put(file string, before, after []byte) error {
	mode := files.Private
	if before != nil {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			return err
		}
		info, err := os.Stat(real)
		if err != nil {
			return err
		}
		file, mode = real, info.Mode().Perm()
	}
	now, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && before == nil:
	case err != nil:
		return err
	case before == nil || !bytes.Equal(now, before):
		return ErrChanged
	}
	return files.Replace(file, after, mode)
}
