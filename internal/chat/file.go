package chat

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// WriteFile writes the envelopes of all lines to a file, one a line, unless the file is there already: signing the whole
// corpus takes seconds, and benchmarks want it once. The file appears whole or not at all. It returns the number of
// envelopes written, 0 where the file was there. The caller names the file after what made it: account, grouping, options.
func WriteFile(path string, generator *Generator, lines iter.Seq2[Line, error]) (int, error) {
	if _, err := os.Stat(path); err == nil {
		return 0, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("chat: looking for %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return 0, fmt.Errorf("chat: creating a temporary file: %w", err)
	}
	defer os.Remove(file.Name()) // fails where it was renamed, as it should be
	count, err := writeMessages(file, generator, lines)
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, fmt.Errorf("chat: writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return 0, fmt.Errorf("chat: naming %s: %w", path, err)
	}
	return count, nil
}

// writeMessages writes one envelope a line and returns their number.
func writeMessages(file *os.File, generator *Generator, lines iter.Seq2[Line, error]) (int, error) {
	buffered := bufio.NewWriterSize(file, 1<<20)
	count := 0
	for line, err := range lines {
		if err != nil {
			return count, err
		}
		if _, err := buffered.Write(append(generator.Message(line).JSON, '\n')); err != nil {
			return count, err
		}
		count++
	}
	return count, buffered.Flush()
}
