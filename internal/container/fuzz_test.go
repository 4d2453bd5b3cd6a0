package container

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"testing"
	"unicode/utf8"
)

// halves finds escapes of surrogates, which encoding/json cannot keep.
var halves = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// FuzzCanonical compares with encoding/json, which reads the same values
// except half characters, and accepts more: wrong UTF-8 and deeper texts.
func FuzzCanonical(f *testing.F) {
	for _, seed := range stringifyInputs {
		f.Add([]byte(seed))
	}
	v := loadVectors(f)
	for _, m := range v.Messages {
		f.Add([]byte(m.Message))
	}
	f.Add([]byte(` {"b" : [1e-7, -0, "\u00e9\ud83e", {"z":1,"a":2,"z":3}] , "a\n":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := Canonical(nil, text)
		if err != nil {
			if json.Valid(text) && utf8.Valid(text) && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxDepth {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		equal(t, "again", canonical(t, string(out)), string(out))
		if !json.Valid(text) || !json.Valid(out) {
			t.Fatalf("encoding/json refuses the text or %q", out)
		}
		if halves.Match(text) {
			return
		}
		if want, got := readingOf(t, text), readingOf(t, out); !reflect.DeepEqual(want, got) {
			t.Fatalf("reads as %v, not as %v", got, want)
		}
	})
}

// readingOf decodes a text as JavaScript would, through encoding/json.
func readingOf(t *testing.T, text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return asNumbers(value)
}

func asNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(string(v), 64)
		if math.IsInf(f, 0) {
			return nil
		}
		return f + 0 // makes 0 of -0
	case []any:
		for i := range v {
			v[i] = asNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = asNumbers(v[key])
		}
	}
	return value
}

// FuzzParseEnvelope compares with a slow reading by encoding/json.
func FuzzParseEnvelope(f *testing.F) {
	f.Add(sampleChunk(1).Messages[0].JSON)
	for _, m := range loadVectors(f).Messages {
		f.Add([]byte(`{"message":` + string(m.Message) + `,"metadata":{},"postmark":null,"x":1}`))
		f.Add([]byte(m.Published171Envelope.Envelop))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		envelope, _, err := ParseEnvelope(text)
		out, syntax := Canonical(nil, text)
		if syntax != nil || errors.Is(err, ErrSyntax) {
			if err == nil || syntax == nil && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxEnvelopeDepth {
				t.Fatalf("got %v, but Canonical %v", err, syntax)
			}
			return
		}
		if want := isEnvelope(out); want != (err == nil) {
			t.Fatalf("%s: got %v, want an envelope: %v", out, err, want)
		}
		if err != nil {
			return
		}
		equal(t, "JSON", string(envelope.JSON), string(out))
		equal(t, "hash", envelope.Hash.String(), string(Hash(string(valueOf(out, "message")))))
		again, _, err := ParseEnvelope(envelope.JSON)
		if err != nil || !reflect.DeepEqual(again, envelope) {
			t.Fatalf("again: %v, %v", again, err)
		}
	})
}

// valueOf returns the value of a member of a canonical object, nil for none.
func valueOf(object []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	return members[name]
}

// isEnvelope repeats the rules of ParseEnvelope on canonical text.
func isEnvelope(text []byte) bool {
	kind := func(value []byte, kinds string) bool {
		return len(value) > 0 && bytes.IndexByte([]byte(kinds), value[0]) >= 0
	}
	name := func(value []byte) bool { return kind(value, `"`) && !halfCharacter(value) }
	message := valueOf(text, "message")
	metadata := valueOf(message, "metadata")
	if !kind(message, "{") || !kind(metadata, "{") || !name(valueOf(metadata, "to")) || !name(valueOf(metadata, "from")) ||
		!kind(valueOf(metadata, "type"), `"`) {
		return false
	}
	for _, optional := range []string{"metadata", "postmark"} {
		if value := valueOf(text, optional); value != nil && !kind(value, "{n") {
			return false
		}
	}
	timestamp, err := strconv.ParseInt(string(valueOf(metadata, "timestamp")), 10, 64)
	if err != nil || timestamp < 0 || timestamp > MaxInteger {
		return false
	}
	var signature string
	if raw := valueOf(message, "signature"); !kind(raw, `"`) || json.Unmarshal(raw, &signature) != nil || len(signature) != 88 {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(signature)
	return err == nil && len(decoded) == 64
}

// halfCharacter says whether a canonical string has a lone surrogate.
func halfCharacter(quoted []byte) bool {
	return halves.Match(bytes.ReplaceAll(quoted, []byte(`\\`), nil))
}

func fuzzState(f *testing.F, kind string) {
	var table []struct{ Kind, Text string }
	loadTable(f, "states.json", &table)
	for _, v := range table {
		f.Add([]byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		state, err := decodeKind(kind, bytes.Clone(text))
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrField) && !errors.Is(err, ErrKind) && !errors.Is(err, ErrSignature) &&
				!errors.Is(err, ErrNoTimestamp) && !errors.Is(err, ErrTimestampRange) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		encoded := encode(state)
		again, err := decodeKind(kind, []byte(encoded))
		if err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		equal(t, "again", encode(again), encoded)
		if !reflect.DeepEqual(state, again) {
			t.Fatalf("decoded again %+v, want %+v", again, state)
		}
		if c, ok := state.(*Chunk); ok {
			equal(t, "size", c.Size(), len(encoded))
		}
		equal(t, "canonical", canonical(t, encoded), encoded)
		fromCanonical, err := decodeKind(kind, []byte(canonical(t, string(text))))
		if err != nil || !reflect.DeepEqual(state, fromCanonical) {
			t.Fatalf("decoded from canonical text %+v, %v; want %+v", fromCanonical, err, state)
		}
		union := encode(unionKind(state))
		equal(t, "union twice", encode(unionKind(state, again)), union)
	})
}

func FuzzDecodeRoot(f *testing.F)         { fuzzState(f, "root") }
func FuzzDecodeConversation(f *testing.F) { fuzzState(f, "conversation") }
func FuzzDecodeChunk(f *testing.F)        { fuzzState(f, "chunk") }

// FuzzJoin checks the laws of [Join] on any three values.
func FuzzJoin(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"x":null}}`), []byte(`{"a":"y","b":{"z":[]}}`), []byte(`{"b":"a longer text"}`))
	f.Add([]byte(`null`), []byte(`{"\n":1}`), []byte(`{"\ud83d\ude00":1,"\ufb00":2,"\ud800":3}`))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var values [3][]byte
		for i, text := range [][]byte{a, b, c} {
			var err error
			if values[i], err = Canonical(nil, text); err != nil {
				t.Skip()
			}
		}
		checkJoin(t, values[0], values[1], values[2])
	})
}
