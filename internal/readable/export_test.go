package readable_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var update = flag.Bool("update", false, "write the golden files anew")

const bobFolder = "bob.eth-"

// picture is a small PNG.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// example is a conversation with one of everything.
func example(t *testing.T) *history {
	h := newHistory(t)
	const day = 86_400_000
	first := h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "hello,\n\n  see https://dm3.org/?a=1&b=<2>.", at: day})
	h.say("bob.eth", said{from: "alice.eth", kind: "READ_OPENED", text: "READ_OPENED", at: day + 1000, about: first})
	answer := h.say("bob.eth", said{from: "alice.eth", kind: "REPLY", text: "nice # one", at: day + 2000, about: first})
	h.say("bob.eth", said{from: "alice.eth", kind: "EDIT", text: "*nice* one", at: 2 * day, about: answer})
	h.say("bob.eth", said{from: "bob.eth", kind: "REACTION", text: "👍", at: 2*day + 1, about: answer})
	gone := h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "a secret", at: 2*day + 2})
	h.say("bob.eth", said{from: "bob.eth", kind: "DELETE_REQUEST", at: 2*day + 3, about: gone})
	h.say("bob.eth", said{from: "bob.eth", kind: "EDIT", text: "words in your mouth", at: 2*day + 4, about: answer})
	h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "files", at: 2*day + 5, attachments: []map[string]string{
		{"name": "dot.png", "data": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(t))},
		{"name": "notes.txt", "data": "data:text/plain,some%20notes"},
		{"name": "far.pdf", "data": "https://files.example.org/far.pdf"},
	}})
	return h
}

// TestGolden: one of everything, in each format, to the byte.
func TestGolden(t *testing.T) {
	for _, format := range []readable.Format{readable.HTML, readable.Markdown, readable.JSON} {
		t.Run(string(format), func(t *testing.T) {
			result, got := export(t, example(t).options(format, filepath.Join(t.TempDir(), "new", "export")))
			wantAttachments := 2
			if format == readable.JSON {
				wantAttachments = 0 // what is embedded stays in the envelope
			}
			if c := result.Conversations[0]; c.Records != 9 || c.Entries != 5 || c.Provisional || result.Attachments != wantAttachments || result.Missing != 1 || result.Files != len(got) {
				t.Errorf("%+v, %d files", result, len(got))
			}
			golden := filepath.Join("testdata", string(format))
			if *update {
				if err := os.RemoveAll(golden); err != nil {
					t.Fatal(err)
				}
			}
			delete(got, "export.json") // it has the folder's path
			for name, text := range got {
				file := filepath.Join(golden, strings.ReplaceAll(name, "/", "!"))
				if *update {
					if err := errors.Join(os.MkdirAll(golden, 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
						t.Fatal(err)
					}
				}
				if want, err := os.ReadFile(file); err != nil || string(want) != text {
					t.Errorf("%s (%v) is\n%s", name, err, text)
				}
			}
			kept, err := os.ReadDir(golden)
			if err != nil || len(kept) != len(got) {
				t.Errorf("%d golden files, %d files: %v", len(kept), len(got), err)
			}
		})
	}
}

// TestLinesKeepEverything: JSON Lines has every record byte for byte, in the order of time.
func TestLinesKeepEverything(t *testing.T) {
	h := example(t)
	_, got := export(t, h.options(readable.JSON, t.TempDir()))
	var text string
	for name, content := range got {
		if strings.HasSuffix(name, ".jsonl") {
			text = content
		}
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(h.messages["bob.eth"]) {
		t.Fatalf("%d lines", len(lines))
	}
	for i, text := range lines {
		var line struct {
			Contact  string
			Hash     container.MessageHash
			Envelope json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		want := h.messages["bob.eth"][i]
		if line.Contact != "bob.eth" || line.Hash != want.Hash || !bytes.Equal(line.Envelope, want.JSON) {
			t.Errorf("line %d: %s", i, text)
		}
	}
}

// TestManyMessages: a long conversation becomes pages; nothing is left out at their borders, or among messages of one time,
// and no read is large.
func TestManyMessages(t *testing.T) {
	h := newHistory(t)
	const n = 3200
	var first container.MessageHash
	for i := range n {
		at := int64(i) * 1000
		if i >= 1000 && i < 2200 {
			at = 1_000_000 // many of one time
		}
		hash := h.messagesSay(i, at)
		if i == 0 {
			first = hash
		}
	}
	h.say("bob.eth", said{from: "alice.eth", kind: "REPLY", text: "to the first", at: n * 1000, about: first})
	h.say("bob.eth", said{from: "bob.eth", kind: "EDIT", text: "at last the first was edited", at: n*1000 + 1, about: first})
	for _, format := range []readable.Format{readable.HTML, readable.Markdown, readable.JSON} {
		result, got := export(t, h.options(format, t.TempDir()))
		c := result.Conversations[0]
		if c.Records != n+2 || c.Entries != n+1 {
			t.Fatalf("%s: %+v", format, c)
		}
		all := ""
		for _, name := range slices.Sorted(maps.Keys(got)) {
			all += got[name]
		}
		last := -1
		for i := 0; i < n; i += 13 {
			if i == 0 && format != readable.JSON {
				continue // it was edited
			}
			word := fmt.Sprintf("number %04d ends", i)
			if strings.Count(all, word) != 1 {
				t.Fatalf("%s: %q stands there %d times", format, word, strings.Count(all, word))
			}
			if at := strings.Index(all, word); i < 1000 && at < last {
				t.Errorf("%s: %q out of order", format, word)
			} else {
				last = at
			}
		}
		if format == readable.JSON {
			continue
		}
		extension := strings.TrimPrefix(filepath.Ext(c.Path), ".")
		begin, end := got[strings.Replace(c.Path, "index."+extension, "page-0001."+extension, 1)], got[strings.Replace(c.Path, "index."+extension, "page-0007."+extension, 1)]
		if c.Pages != 7 || !strings.Contains(begin, "at last the first was edited") || strings.Contains(end, "at last") == strings.Contains(end, "In answer") && format == readable.HTML {
			t.Errorf("%s: %d pages", format, c.Pages)
		}
		if link := "page-0001." + extension + "#m-" + first.String()[2:18]; !strings.Contains(end, link) || !strings.Contains(begin, first.String()[2:18]) {
			t.Errorf("%s: the answer has no link %s", format, link)
		}
	}
}

func (h *history) messagesSay(i int, at int64) container.MessageHash {
	return h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: fmt.Sprintf("number %04d ends", i), at: at})
}

// TestLargeMessages: pages and reads are bounded by bytes.
func TestLargeMessages(t *testing.T) {
	h := newHistory(t)
	for i := range 20 {
		h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: strings.Repeat("x", 300_000), at: int64(i)})
	}
	o := h.options(readable.HTML, t.TempDir())
	result, got := export(t, o)
	if result.Conversations[0].Pages < 2 || h.mostBytes > 5<<20 {
		t.Errorf("%d bytes in one read; %+v", h.mostBytes, result)
	}
	for name, text := range got {
		if len(text) > 6<<20 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}

// TestRange: only what the range holds, and what refers elsewhere says so.
func TestRange(t *testing.T) {
	h := example(t)
	o := h.options(readable.HTML, t.TempDir())
	o.From, o.To = 2*86_400_000, 2*86_400_000+3
	result, got := export(t, o)
	text := got[result.Conversations[0].Path]
	if c := result.Conversations[0]; c.Records != 3 || c.Entries != 3 {
		t.Errorf("%+v", c)
	}
	for _, want := range []string{"edit of a message that is not here", "reaction to a message that is not here", "a secret", "messages from 1970-01-03 00:00:00 to 1970-01-03 00:00:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestProvisional: what may be missing is said in the pages, in the index and in the result.
func TestProvisional(t *testing.T) {
	for _, format := range []readable.Format{readable.HTML, readable.Markdown, readable.JSON} {
		h := example(t)
		h.say("carol.eth", said{from: "carol.eth", kind: "NEW", text: "here", at: 5})
		h.reasons["bob.eth"] = []string{"3 messages between 1 and 2 can not be read"}
		result, got := export(t, h.options(format, t.TempDir()))
		if !result.Provisional || !result.Conversations[0].Provisional || result.Conversations[1].Provisional {
			t.Errorf("%+v", result)
		}
		for name, text := range got {
			bob := strings.HasPrefix(name, bobFolder) && !strings.HasSuffix(name, ".jsonl") && !strings.Contains(name, "/files/")
			if said := strings.Contains(text, "3 messages between 1 and 2"); said != (bob || !strings.Contains(name, "eth-")) {
				t.Errorf("%s says so: %v", name, said)
			}
		}
	}
}

// TestUnreadableConversation: one that can't be read does not keep the others from being written, nor its earlier export away.
func TestUnreadableConversation(t *testing.T) {
	h := example(t)
	h.say("carol.eth", said{from: "carol.eth", kind: "NEW", text: "here", at: 5})
	o := h.options(readable.HTML, t.TempDir())
	_, before := export(t, o)
	h.err["bob.eth"] = fmt.Errorf("s3: get: %w", providers.ErrTransient)
	result, err := readable.Export(t.Context(), o)
	if !errors.Is(err, providers.ErrTransient) || !result.Provisional || len(result.Conversations) != 2 || result.Conversations[1].Entries != 1 {
		t.Errorf("%+v: %v", result, err)
	}
	after := files(t, o.Folder)
	if len(after) != len(before) || !strings.Contains(after["index.html"], "could not be read to its end") {
		t.Errorf("%d files, %d before: %s", len(after), len(before), after["index.html"])
	}
}

// TestNothing: an account without conversations, and a conversation without messages in the range.
func TestNothing(t *testing.T) {
	h := newHistory(t)
	result, got := export(t, h.options(readable.HTML, t.TempDir()))
	if len(result.Conversations) != 0 || len(got) != 1 {
		t.Errorf("%+v %v", result, got)
	}
	o := h.options(readable.Markdown, t.TempDir())
	o.Conversations = []engine.Conversation{{Contact: "bob.eth"}}
	if result, got = export(t, o); len(got) != 1 || result.Conversations[0].Path != "" || strings.Contains(got["index.md"], "](") {
		t.Errorf("%+v %v", result, got)
	}
}
