package acceptance

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	attachment = 20 << 20
	wideLimit  = 32 << 20 // a chunk limit that lets the attachment in
)

// secretWord stands in every bad line: no sentence may repeat what was said.
const secretWord = "rosebud"

// badLine is an envelope with one thing changed. In reason is what the sentence must speak of; "" is acceptance.
type badLine struct{ name, text, reason string }

// written makes an envelope from parts that stand in it as they are.
func written(from, timestamp, signature, text string) string {
	return fmt.Sprintf(`{"message":{"message":"%s %s","metadata":{"from":%s,"timestamp":%s,"to":"%s","type":"NEW"},"signature":%s}}`,
		secretWord, text, from, timestamp, account, signature)
}

func badLines() []badLine {
	quoted := func(n int) string { return `"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"` }
	bob, good := `"bob.eth"`, quoted(64)
	at := func(timestamp string) string { return written(bob, timestamp, good, timestamp) }
	return []badLine{
		{"no JSON", secretWord + " is no JSON", "JSON"},
		{"cut off", at("1")[:60], "JSON"},
		{"not UTF-8", written(bob, "2", good, "\xff"), "JSON"},
		{"an array", "[" + at("3") + "]", "no object"},
		{"no timestamp", strings.Replace(at("4"), `"timestamp":4,`, "", 1), "timestamp"},
		{"timestamp null", at("null"), "timestamp"},
		{"timestamp as text", at(`"5"`)[:0] + written(bob, `"5"`, good, "text"), "timestamp"},
		{"negative", at("-1"), "out of range"},
		{"2^53", at("9007199254740992"), "out of range"},
		{"1e300", at("1e300"), "out of range"},
		{"a fraction", at("1700000000000.5"), "out of range"},
		{"zero", at("0"), ""},
		{"2^53-1", at("9007199254740991"), ""},
		{"a name with a private character", written(`"bo\ue000b.eth"`, "6", good, "x"), "normalised"},
		{"a name with hyphens at three and four", written(`"xn--b.eth"`, "7", good, "x"), "normalised"},
		{"strangers only", strings.Replace(at("8"), account, "carol.eth", 1), "account"},
		{"a short signature", written(bob, "9", quoted(63), "x"), "signature"},
		{"a long signature", written(bob, "10", quoted(65), "x"), "signature"},
		{"no base64", written(bob, "11", `"`+strings.Repeat("!", 88)+`"`, "x"), "signature"},
		{"no signature", written(bob, "12", "null", "x"), "signature"},
		{"a name in capitals", written(`"BOB.eth"`, "13", good, "x"), ""},
		{"twice", written(bob, "14", good, "twice"), ""},
		{"twice", written(bob, "14", good, "twice"), ""},
	}
}

// TestBadInput: bad lines are refused in a sentence, or taken; what stands around them is there afterwards.
func TestBadInput(t *testing.T) {
	for name, limit := range map[string]int{"usual limit": 0, "wide limit": wideLimit} {
		t.Run(name, func(t *testing.T) {
			large := badLine{"20 MB attachment", written(`"dave.eth"`, "15", `"`+base64.StdEncoding.EncodeToString(make([]byte, 64))+`"`,
				strings.Repeat("QUJD", attachment/4)), "chunk_size"}
			if limit == wideLimit {
				large.reason = ""
			}
			badInput(t, append(badLines(), large,
				badLine{"a line of 33 MB", strings.Repeat("x", 33<<20), "32 MiB"}), limit)
		})
	}
}

func badInput(t *testing.T, lines []badLine, limit int) {
	good := newSource(t)
	var text bytes.Buffer
	want := map[container.MessageHash]bool{}
	refused := map[int]badLine{}
	for i, line := range lines {
		around, messages := good.batch(t, 1)
		text.Write(around)
		want[messages[0]] = true
		text.WriteString(line.text + "\n")
		if line.reason != "" {
			refused[2*i+2] = line
			continue
		}
		envelope, _, err := container.ParseEnvelope([]byte(line.text))
		if err != nil {
			t.Fatalf("%s: %v", line.name, err)
		}
		want[envelope.Hash] = true
	}
	around, messages := good.batch(t, 5)
	text.Write(around)
	for _, hash := range messages {
		want[hash] = true
	}

	p := newFolder(t)
	one, two := newDevice(t, p, "one", limit), newDevice(t, p, "two", limit)
	summary, err := one.history.Append(t.Context(), &text, history.AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rejection := range summary.Rejections {
		line, expected := refused[rejection.Line]
		if !expected || !strings.Contains(rejection.Reason, line.reason) || strings.Contains(rejection.Reason, secretWord) {
			t.Errorf("line %d, %s: refused with %q, want %q", rejection.Line, line.name, rejection.Reason, line.reason)
		}
		delete(refused, rejection.Line)
	}
	for number, line := range refused {
		t.Errorf("line %d, %s, was not refused", number, line.name)
	}
	one.settle()
	two.mustPass(engine.Work{})
	for _, d := range []*device{one, two} {
		wantExactly(t, d, want)
	}
	found, err := two.engine.Verify(t.Context(), engine.VerifyOptions{Deep: true})
	if err != nil || found.Messages != len(want) {
		t.Errorf("verify counts %d messages, want %d; %v", found.Messages, len(want), err)
	}
	wantNoProblems(t, "verify", found.Problems)
	t.Logf("%d accepted, %d refused; %d messages on the other device", summary.Accepted, summary.Rejected, len(want))
}

// wantExactly compares what a device holds with a set of messages.
func wantExactly(t *testing.T, d *device, want map[container.MessageHash]bool) {
	t.Helper()
	list, err := d.engine.Conversations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, known := 0, 0
	for _, conversation := range list {
		page, err := d.engine.Messages(t.Context(), conversation.Contact, engine.Range{})
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range page.Messages {
			if got++; want[message.Hash] {
				known++
			}
		}
	}
	if got != len(want) || known != len(want) {
		t.Errorf("%s holds %d messages, %d of the %d that it should", d.name, got, known, len(want))
	}
}
