package history

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// readBuffer is large enough that ordinary lines are never copied.
const readBuffer = 256 << 10

// byteOrderMark may begin a file written on Windows.
var byteOrderMark = []byte("\xef\xbb\xbf")

// lineReader yields the lines of a text that are not blank.
type lineReader struct {
	source *bufio.Reader
	number int    // of the line that next returned, from 1
	long   []byte // gathers a line that is longer than the buffer
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{source: bufio.NewReaderSize(r, readBuffer)}
}

// next returns the next line without surrounding white space, valid until the
// following call. The last line needs no line end. [ErrLineTooLong] stands for a
// line above MaxLine, which was skipped; io.EOF for the end; other errors are
// the source's, and the text before them is not a line.
func (l *lineReader) next() ([]byte, error) {
	for {
		text, err := l.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if l.number == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		if text = bytes.TrimSpace(text); len(text) > MaxLine {
			return nil, ErrLineTooLong
		}
		if len(text) > 0 {
			return text, nil // an io.EOF comes again with the next call
		}
		if err != nil {
			return nil, err
		}
	}
}

// line returns one line with its end, or what stands before the end of the
// source together with io.EOF.
func (l *lineReader) line() ([]byte, error) {
	text, err := l.source.ReadSlice('\n')
	if err == nil || errors.Is(err, io.EOF) {
		if len(text) > 0 {
			l.number++
		}
		return text, err
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	l.number++
	if cap(l.long) > batchBytes {
		l.long = nil // one giant does not stay in memory
	}
	return l.longLine(text)
}

// longLine gathers the rest of a line that begins with text.
func (l *lineReader) longLine(text []byte) ([]byte, error) {
	l.long = append(l.long[:0], text...)
	tooLong := false
	for {
		text, err := l.source.ReadSlice('\n')
		if len(l.long)+len(text) > MaxLine+len("\r\n") {
			tooLong, l.long = true, nil
		}
		if !tooLong {
			l.long = append(l.long, text...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && !errors.Is(err, io.EOF):
			l.number--
			return nil, err
		case tooLong:
			return nil, ErrLineTooLong
		default:
			return l.long, err
		}
	}
}
