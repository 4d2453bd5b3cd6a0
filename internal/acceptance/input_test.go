package acceptance

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
)

const (
	account      = "alice.eth"
	wholeCorpus  = 89_510 // messages
	reducedLimit = 50_000 // bytes of a chunk, so that the sample needs several for one conversation
)

// full tells whether everything is asked for.
func full() bool { return os.Getenv("DM3SYNC_ACCEPTANCE") == "full" }

// shape is one way of sorting the messages into conversations.
type shape struct {
	name          string
	grouping      chat.Grouping
	conversations int // 0: not known beforehand
	limit         int // of chunks; 0 is the default
	lines         int // to take; 0 is all
}

// shapes are few long conversations, and a long tail of tiny ones.
func shapes() []shape {
	if full() {
		return []shape{{name: "100", grouping: chat.InHundred, conversations: 100}, {name: "22808", grouping: chat.ByPair, conversations: 22_808}}
	}
	return []shape{
		{name: "12", grouping: chat.ByRegular, conversations: 12, limit: reducedLimit},
		{name: "pairs", grouping: chat.ByPair, limit: reducedLimit, lines: 1000},
	}
}

// input is a file of envelopes, and what is in it.
type input struct {
	path       string
	messages   map[container.MessageHash]string // contact
	counts     map[string]int                   // messages by contact
	timestamps map[int64]bool
	lines      int
	bytes      int64
}

func newInput(t *testing.T, s shape) *input {
	t.Helper()
	in := &input{path: filepath.Join(t.TempDir(), "sample.ndjson")}
	if full() {
		path, whole, err := chat.CorpusFile(account, s.grouping, "corpus"+s.name)
		if err != nil || !whole {
			t.Fatalf("the full form needs the whole corpus beside the checkout: %v", err)
		}
		in.path = path
	} else if err := chat.SampleFile(in.path, account, s.grouping); err != nil {
		t.Fatal(err)
	}
	in.cut(t, s.lines)
	in.read(t)
	if full() && in.lines != wholeCorpus || s.conversations > 0 && len(in.counts) != s.conversations {
		t.Fatalf("%s holds %d lines in %d conversations", in.path, in.lines, len(in.counts))
	}
	return in
}

// cut leaves the first lines, where a number is given: requests cost a short test its time.
func (in *input) cut(t *testing.T, lines int) {
	t.Helper()
	if lines == 0 {
		return
	}
	first := in.open(t, func(line int) bool { return line < lines })
	defer first.Close()
	text, err := io.ReadAll(first)
	if err == nil {
		err = os.WriteFile(in.path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (in *input) read(t *testing.T) {
	t.Helper()
	in.messages, in.counts, in.timestamps = map[container.MessageHash]string{}, map[string]int{}, map[int64]bool{}
	text := in.open(t, func(int) bool { return true })
	defer text.Close()
	for text.scanner.Scan() {
		envelope, parties, err := container.ParseEnvelope(text.scanner.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		contact := parties.From
		if contact == account {
			contact = parties.To
		}
		in.lines++
		in.bytes += int64(len(envelope.JSON))
		in.timestamps[envelope.Timestamp] = true
		if _, known := in.messages[envelope.Hash]; !known {
			in.messages[envelope.Hash] = contact
			in.counts[contact]++
		}
	}
	if err := text.scanner.Err(); err != nil {
		t.Fatal(err)
	}
}

// longest is the contact with the most messages, in the order of names.
func (in *input) longest() (contact string) {
	for name, count := range in.counts {
		if most := in.counts[contact]; count > most || count == most && name < contact {
			contact = name
		}
	}
	return contact
}

// picked reads those lines of the input that pick wants, by their number from 0.
type picked struct {
	*os.File
	scanner *bufio.Scanner
	pick    func(line int) bool
	line    int
	buffer  []byte
	rest    []byte // of buffer
}

func (in *input) open(t *testing.T, pick func(line int) bool) *picked {
	t.Helper()
	file, err := os.Open(in.path)
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 1<<20), 1<<20)
	return &picked{File: file, scanner: scanner, pick: pick}
}

// Read implements io.Reader.
func (p *picked) Read(out []byte) (int, error) {
	for len(p.rest) == 0 {
		if !p.scanner.Scan() {
			if err := p.scanner.Err(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		if p.pick(p.line) {
			p.buffer = append(append(p.buffer[:0], p.scanner.Bytes()...), '\n')
			p.rest = p.buffer
		}
		p.line++
	}
	n := copy(out, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// TestPicked: the halves of an input are the input.
func TestPicked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("a\nbb\n\nccc\nd"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &input{path: path}
	for want, pick := range map[string]func(int) bool{
		"a\n\nd\n":          func(i int) bool { return i%2 == 0 },
		"bb\nccc\n":         func(i int) bool { return i%2 == 1 },
		"":                  func(int) bool { return false },
		"a\nbb\n\nccc\nd\n": func(int) bool { return true },
	} {
		text := in.open(t, pick)
		got, err := io.ReadAll(text)
		text.Close()
		if err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}
