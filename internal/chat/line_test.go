package chat_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/chat"
)

func sampleLines(tb testing.TB) []chat.Line {
	tb.Helper()
	lines, err := chat.Sample()
	if err != nil {
		tb.Fatal(err)
	}
	return lines
}

func TestSampleIsWhatItsLicenceFileSays(t *testing.T) {
	lines := sampleLines(t)
	if len(lines) != 2985 {
		t.Errorf("sample has %d lines, want 2985", len(lines))
	}
	first := time.Date(2013, 5, 5, 0, 0, 0, 0, time.UTC).UnixMilli()
	last := time.Date(2013, 10, 30, 0, 0, 0, 0, time.UTC).UnixMilli()
	regulars := chat.Regulars()
	for i, line := range lines {
		if i > 0 && line.Timestamp < lines[i-1].Timestamp {
			t.Errorf("line %d is older than the one before it", i)
		}
		if line.Timestamp < first || line.Timestamp >= last {
			t.Errorf("line %d: time %d is outside May to October 2013", i, line.Timestamp)
		}
		if line.Text == "" || line.From == line.To {
			t.Errorf("line %d is no message: %+v", i, line)
		}
		if !slices.Contains(regulars, line.From) && !slices.Contains(regulars, line.To) {
			t.Errorf("line %d is of no regular: %+v", i, line)
		}
	}
}

// The demo pages through "a week in the middle": such a week must have messages of most conversations, and so must the
// time before it and after it.
func TestSampleHasAWeekInTheMiddle(t *testing.T) {
	from := time.Date(2013, 8, 28, 0, 0, 0, 0, time.UTC).UnixMilli()
	to := time.Date(2013, 9, 4, 0, 0, 0, 0, time.UTC).UnixMilli()
	var before, within, after int
	conversations := map[string]bool{}
	for _, line := range sampleLines(t) {
		switch {
		case line.Timestamp < from:
			before++
		case line.Timestamp < to:
			within++
			conversations[chat.ByRegular(line).Conversation] = true
		default:
			after++
		}
	}
	if before < 1000 || within < 500 || after < 1000 || len(conversations) < 8 {
		t.Errorf("before %d, within %d, after %d, %d conversations", before, within, after, len(conversations))
	}
}

func TestReadStopsWhenAsked(t *testing.T) {
	count := 0
	for range chat.Read(zipped(t, `{"timestamp":1}`+"\n"+`{"timestamp":2}`+"\n")) {
		count++
		break
	}
	if count != 1 {
		t.Errorf("%d lines after a break", count)
	}
}

func TestReadReportsWhatIsBroken(t *testing.T) {
	whole, err := io.ReadAll(zipped(t, strings.Repeat(`{"timestamp":1,"text":"`+strings.Repeat("é", 50)+`"}`+"\n", 100)))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]io.Reader{
		"not gzip":    strings.NewReader("hello"),
		"empty":       strings.NewReader(""),
		"not JSON":    zipped(t, "{\n"),
		"wrong type":  zipped(t, `{"timestamp":"today"}`),
		"cut short":   bytes.NewReader(whole[:len(whole)-9]),
		"line of 2MB": zipped(t, strings.Repeat(" ", 2<<20)+"{}\n"),
	}
	for name, source := range cases {
		t.Run(name, func(t *testing.T) {
			var last error
			for _, err := range chat.Read(source) {
				if last != nil {
					t.Fatal("the sequence went on after an error")
				}
				last = err
			}
			if last == nil || !strings.HasPrefix(last.Error(), "chat: ") {
				t.Errorf("error is %v", last)
			}
			if errors.Unwrap(last) == nil {
				t.Errorf("%v hides its cause", last)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{})
	for _, text := range []string{"", "{}\n{}", `{"timestamp":1100521080000,"from":"a","to":"b","text":"hi"}` + "\n", "[]"} {
		whole, err := io.ReadAll(zipped(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		failed := false
		for _, err := range chat.Read(bytes.NewReader(data)) {
			if failed {
				t.Fatal("the sequence went on after an error")
			}
			failed = err != nil
		}
	})
}

func zipped(tb testing.TB, text string) io.Reader {
	tb.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		tb.Fatal(err)
	}
	return &buffer
}
