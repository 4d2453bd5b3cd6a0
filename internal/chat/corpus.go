package chat

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// beside is where the whole corpus lies where it is at hand: beside the checkout, seen from a package two folders down,
// where go test runs.
const beside = "../../../shared/corpus/chat.ndjson.gz"

// CorpusFile returns the path of a file with one envelope a line: the whole corpus as an account and a grouping have it.
// The file is made once for a machine, since signing takes longer than importing, and stays in the folder for temporary
// files under a name made of name, which stands for account and grouping. Where the corpus is not at hand, and no such file
// was left, the embedded sample takes its place under another name, and whole is false.
func CorpusFile(account string, grouping Grouping, name string) (path string, whole bool, err error) {
	path = filepath.Join(os.TempDir(), "dm3sync-"+name+".ndjson")
	if _, err := os.Stat(path); err == nil {
		return path, true, nil
	}
	file, err := os.Open(beside)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(os.TempDir(), "dm3sync-sample-"+name+".ndjson")
		return path, false, SampleFile(path, account, grouping)
	}
	if err != nil {
		return "", false, fmt.Errorf("chat: opening the corpus: %w", err)
	}
	defer file.Close()
	_, err = WriteFile(path, NewGenerator(account, grouping, nil), Read(file))
	return path, true, err
}

// SampleFile writes the envelopes of the embedded sample to a file, unless the file is there already (see [WriteFile]).
func SampleFile(path, account string, grouping Grouping) error {
	lines, err := Sample()
	if err != nil {
		return err
	}
	_, err = WriteFile(path, NewGenerator(account, grouping, nil), withoutError(slices.Values(lines)))
	return err
}

// withoutError pairs every line with no error.
func withoutError(lines iter.Seq[Line]) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for line := range lines {
			if !yield(line, nil) {
				return
			}
		}
	}
}
