package container

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseEnvelope(t *testing.T) {
	good := sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 1675954945000)
	start := strings.Index(good, `"signature":"`)
	signature := good[start : start+len(`"signature":""`)+88]
	for _, v := range []struct {
		name, old, new string
		want           error
		says           string
	}{
		{"as it is", "", "", nil, ""},
		{"unknown members", `{"message":{`, `{"id":"x","reactions":[],"message":{"attachments":[{"data":"d"}],`, nil, ""},
		{"postmark null", `"postmark":{`, `"postmark":null,"other":{`, nil, ""},
		{"no postmark, no metadata", `},"metadata":{"deliveryInformation"`, `},"other":{"deliveryInformation"`, nil, ""},
		{"timestamp zero", `1675954945000`, `0`, nil, ""},
		{"timestamp at the end", `1675954945000`, `9007199254740991`, nil, ""},
		{"timestamp in other words", `1675954945000`, `1.675954945e12`, nil, ""},
		{"doubled message", `{"message":{`, `{"message":5,"message":{`, nil, ""},
		{"doubled, the last is wrong", `"postmark":{`, `"message":{"metadata":{}},"postmark":{`, ErrSignature, ""},
		{"message metadata doubled, the last is empty", `},"signature"`, `},"metadata":{},"signature"`, ErrNoTimestamp, ""},
		{"timestamp doubled", `"timestamp":16`, `"timestamp":"x","timestamp":16`, nil, ""},

		{"no syntax", `"postmark":{`, `"postmark":`, ErrSyntax, ""},
		{"no message", `"message":{`, `"massage":{`, ErrField, "message is missing"},
		{"message of a wrong type", `"message":{`, `"message":[],"x":{`, ErrField, "message is of a wrong type"},
		{"no metadata", `"metadata":{"from"`, `"x":{"from"`, ErrField, "message.metadata is missing"},
		{"metadata of a wrong type", `"metadata":{"from"`, `"metadata":1,"x":{"from"`, ErrField, "message.metadata is"},
		{"no from", `"from":"0x`, `"fron":"0x`, ErrField, "message.metadata.from is missing"},
		{"from of a wrong type", `"from":"0x`, `"from":7,"x":"0x`, ErrField, "message.metadata.from is of"},
		{"from with half a character", `"from":"0x`, `"from":"\ud800x`, ErrField, "message.metadata.from is of"},
		{"no to", `"to":"bob.eth","type"`, `"type"`, ErrField, "message.metadata.to"},
		{"no type", `"type"`, `"typo"`, ErrField, "message.metadata.type"},
		{"envelope metadata of a wrong type", `"metadata":{"deliv`, `"metadata":[],"x":{"deliv`, ErrField, "metadata is of"},
		{"postmark of a wrong type", `"postmark":{`, `"postmark":"x","y":{`, ErrField, "postmark is of"},
		{"no timestamp", `"timestamp":`, `"time":`, ErrNoTimestamp, ""},
		{"timestamp text", `1675954945000`, `"1675954945000"`, ErrNoTimestamp, ""},
		{"timestamp null", `1675954945000`, `null`, ErrNoTimestamp, ""},
		{"timestamp negative", `1675954945000`, `-1`, ErrTimestampRange, ""},
		{"timestamp with a fraction", `1675954945000`, `0.5`, ErrTimestampRange, ""},
		{"timestamp too large", `1675954945000`, `9007199254740992`, ErrTimestampRange, ""},
		{"no signature", signature, `"sign":1`, ErrSignature, ""},
		{"signature of a wrong type", signature, `"signature":1`, ErrSignature, ""},
		{"signature too short", signature, `"signature":"QUJD"`, ErrSignature, ""},
		{"signature no base64", signature, `"signature":"` + strings.Repeat("!", 86) + `=="`, ErrSignature, ""},
		{"signature with a line end", signature, `"signature":"` + strings.Repeat("A", 84) + `\n=="`, ErrSignature, ""},
		{"signature of 63 bytes", signature, `"signature":"` + strings.Repeat("A", 84) + `===="`, ErrSignature, ""},
		{"signature of 65 bytes", signature, `"signature":"` + strings.Repeat("A", 87) + `="`, ErrSignature, ""},
	} {
		t.Run(v.name, func(t *testing.T) {
			text := strings.Replace(good, v.old, v.new, 1)
			if text == good && v.old != "" {
				t.Fatal("the case changes nothing")
			}
			envelope, parties, err := ParseEnvelope([]byte(text))
			if !errors.Is(err, v.want) || err != nil && !strings.Contains(err.Error(), v.says) {
				t.Fatalf("got %v, want %v %q", err, v.want, v.says)
			}
			if v.want == nil {
				equal(t, "JSON", string(envelope.JSON), canonical(t, text))
				equal(t, "to", parties.To, "bob.eth")
			} else if envelope.JSON != nil || parties != (Parties{}) {
				t.Error("a result beside an error")
			}
		})
	}
	if _, _, err := ParseEnvelope([]byte(good + "x")); !errors.Is(err, ErrSyntax) {
		t.Errorf("more text: %v", err)
	}
	for _, text := range []string{`[]`, `"x"`, `7`, `null`, `{}`} {
		if _, _, err := ParseEnvelope([]byte(text)); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestParseEnvelopeCopies changes the text afterwards.
func TestParseEnvelopeCopies(t *testing.T) {
	text := []byte(sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 5))
	want := string(text)
	envelope, parties, err := ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if _, _, err := ParseEnvelope([]byte(strings.ReplaceAll(want, "bob.eth", "eve.eth"))); err != nil {
		t.Fatal(err)
	}
	equal(t, "JSON", string(envelope.JSON), want)
	equal(t, "to", parties.To, "bob.eth")
}

func TestParseEnvelopeNames(t *testing.T) {
	text := strings.Replace(sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 5), `"to":"bob.eth","type"`, `"to":"b\u00f6\"\ud83e\udd8a","type"`, 1)
	_, parties, err := ParseEnvelope([]byte(text))
	equal(t, "error", err, nil)
	equal(t, "to", parties.To, `bö"🦊`)
}

func TestParseEnvelopeAllocations(t *testing.T) {
	text := []byte(sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 5))
	if got := testing.AllocsPerRun(100, func() {
		if _, _, err := ParseEnvelope(text); err != nil {
			t.Fatal(err)
		}
	}); got > 2.5 && !raceEnabled {
		t.Errorf("%v allocations, want 2", got)
	}
}
