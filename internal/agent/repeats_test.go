package agent

import (
	"errors"
	"log/slog"
	"testing"
)

// TestFailuresInTheLog: a night of one failure is a few lines, and another one is
// seen at once.
func TestFailuresInTheLog(t *testing.T) {
	var f failures
	told := 0
	for range 500 {
		if f.level(errors.New("offline"), slog.LevelWarn) == slog.LevelWarn {
			told++
		}
	}
	if told != 9 { // 1, 2, 4 … 256
		t.Errorf("%d lines", told)
	}
	if f.level(errors.New("refused"), slog.LevelWarn) != slog.LevelWarn {
		t.Error("another failure is hidden")
	}
	if failed := f.over(); failed != 501 || f.level(errors.New("offline"), slog.LevelError) != slog.LevelError {
		t.Errorf("%d failures", failed)
	}
}
