package chat_test

import (
	"bytes"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
)

func TestWriteFileWritesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corpus.ndjson")
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	for _, want := range []int{len(oddLines), 0} {
		if count, err := chat.WriteFile(path, generator, sequence(oddLines, nil)); err != nil || count != want {
			t.Errorf("count %d, error %v, want %d", count, err, want)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines != len(oddLines) {
		t.Errorf("%d lines in the file", lines)
	}
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	folder := t.TempDir()
	broken := errors.New("broken")
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	_, err := chat.WriteFile(filepath.Join(folder, "corpus.ndjson"), generator, sequence(oddLines, broken))
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// sequence yields the lines, and then the error unless it is nil.
func sequence(lines []chat.Line, last error) iter.Seq2[chat.Line, error] {
	return func(yield func(chat.Line, error) bool) {
		for _, line := range lines {
			if !yield(line, nil) {
				return
			}
		}
		if last != nil {
			yield(chat.Line{}, last)
		}
	}
}
