package chat

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed" // the sample is compiled in
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// lineLimit bounds one line of the corpus in bytes; the longest one there has about 500.
const lineLimit = 1 << 20

//go:embed sample.ndjson.gz
var sample []byte

// Line is one chat message as it was sent.
type Line struct {
	// Timestamp is the time of sending in Unix milliseconds. The source knows the minute; lines of one minute are spread
	// evenly inside it.
	Timestamp int64 `json:"timestamp"`
	// From and To are the nicks of sender and receiver, as they were written.
	From string `json:"from"`
	To   string `json:"to"`
	// Text is what was said, without the address in front.
	Text string `json:"text"`
}

// Sample returns the embedded lines in time order: what twelve regulars ([Regulars]) said and were told between May and
// October 2013. The caller owns the slice.
func Sample() ([]Line, error) {
	var lines []Line
	for line, err := range Read(bytes.NewReader(sample)) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// Read yields the lines of a corpus file: gzip over one JSON object a line. The first error ends the sequence; memory is
// bounded by the longest line, which may have 1 MiB.
func Read(source io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		unzipped, err := gzip.NewReader(source)
		if err != nil {
			yield(Line{}, fmt.Errorf("chat: opening the corpus: %w", err))
			return
		}
		scanner := bufio.NewScanner(unzipped)
		scanner.Buffer(nil, lineLimit)
		for number := 1; scanner.Scan(); number++ {
			var line Line
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				yield(Line{}, fmt.Errorf("chat: reading line %d: %w", number, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(Line{}, fmt.Errorf("chat: reading the corpus: %w", err))
		}
	}
}
