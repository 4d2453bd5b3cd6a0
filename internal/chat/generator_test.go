package chat_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
)

// oddLines hold what the sample has not: every escape of JSON, and characters that other encoders escape.
var oddLines = []chat.Line{
	{Timestamp: 0, From: "a", To: "b", Text: ""},
	{Timestamp: 1<<53 - 1, From: "b", To: "a", Text: "\x00\x01\b\t\n\v\f\r\x1f\"\\/\x7f"},
	{Timestamp: 5, From: "a", To: "c", Text: "<&> \u2028\u2029 \U0001F600 \uFFFD é"},
	{Timestamp: 6, From: "c", To: "a", Text: "not UTF-8: \xff\xfe"},
}

func TestEnvelopesAreCanonical(t *testing.T) {
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	for _, line := range append(everyTenth(sampleLines(t)), oddLines...) {
		message := generator.Message(line)
		if want := sorted(t, message.JSON); !bytes.Equal(message.JSON, want) {
			t.Fatalf("%+v:\n got %s\nwant %s", line, message.JSON, want)
		}
	}
}

func TestSignaturesAndHashesAreReal(t *testing.T) {
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	for _, line := range append(everyTenth(sampleLines(t)), oddLines...) {
		message := generator.Message(line)
		if err := verify(generator, message); err != nil {
			t.Errorf("%+v: %v", line, err)
		}
	}
}

// Verification must be able to fail: a changed text breaks it.
func TestAChangedTextFailsVerification(t *testing.T) {
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	message := generator.Message(chat.Line{Timestamp: 7, From: "a", To: "b", Text: "yes"})
	message.JSON = bytes.Replace(message.JSON, []byte(`"yes"`), []byte(`"no"`), 1)
	if err := verify(generator, message); err == nil {
		t.Error("a changed text verifies")
	}
}

func TestSameLinesSameBytes(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	line := chat.Line{Timestamp: 7, From: "a", To: "b", Text: "yes"} // sent by the owner in ByPair
	texts := map[string]bool{}
	for _, options := range []*chat.Options{nil, {}, {Seed: "other"}, {Key: key}, {Key: key}} {
		texts[string(chat.NewGenerator("alice.eth", chat.ByPair, options).Message(line).JSON)] = true
	}
	if len(texts) != 3 {
		t.Errorf("five generators of three kinds wrote %d texts", len(texts))
	}
	own := chat.NewGenerator("alice.eth", chat.ByPair, &chat.Options{Key: key})
	if !own.PublicKey("alice.eth").Equal(key.Public()) {
		t.Error("the given key is not the account's")
	}
}

func TestGroupingsKeepSidesApart(t *testing.T) {
	groupings := map[string]chat.Grouping{"pair": chat.ByPair, "hundred": chat.InHundred, "regular": chat.ByRegular}
	want := map[string]int{"pair": 596, "hundred": 100, "regular": 12} // counted in the sample by other means
	for name, grouping := range groupings {
		t.Run(name, func(t *testing.T) {
			generator := chat.NewGenerator("alice.eth", grouping, nil)
			conversations := map[string]bool{}
			for _, line := range sampleLines(t) {
				conversations[grouping(line).Conversation] = true
			}
			if len(conversations) != want[name] {
				t.Errorf("%d conversations, want %d", len(conversations), want[name])
			}
			for _, line := range everyTenth(sampleLines(t)) {
				message := generator.Message(line)
				from, to := parties(t, message.JSON)
				if from == to || (from != "alice.eth" && to != "alice.eth") || (from != message.Contact && to != message.Contact) {
					t.Fatalf("from %s to %s, contact %s", from, to, message.Contact)
				}
				place, back := grouping(line), grouping(chat.Line{From: line.To, To: line.From})
				if place.Conversation != back.Conversation || place.Sent == back.Sent {
					t.Fatalf("%+v: there %+v, back %+v", line, place, back)
				}
			}
		})
	}
}

// The sizes that measurements elsewhere rest on: about 856 bytes an envelope over the whole corpus.
func TestEnvelopesAreAsLargeAsInTheCorpus(t *testing.T) {
	generator := chat.NewGenerator("alice.eth", chat.ByPair, nil)
	lines, total := everyTenth(sampleLines(t)), 0
	for _, line := range lines {
		total += len(generator.Message(line).JSON)
	}
	if mean := total / len(lines); mean < 830 || mean > 890 {
		t.Errorf("an envelope has %d bytes in the mean", mean)
	}
}

func BenchmarkMessage(b *testing.B) {
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	lines := sampleLines(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		generator.Message(lines[i%len(lines)])
	}
}

// everyTenth keeps the signing under -race short.
func everyTenth(lines []chat.Line) []chat.Line {
	var some []chat.Line
	for i := 0; i < len(lines); i += 10 {
		some = append(some, lines[i])
	}
	return some
}

// object keeps the text of its members.
type object map[string]json.RawMessage

// verify checks the three signatures and the three hashes of an envelope, from its text alone.
func verify(generator *chat.Generator, message chat.Message) error {
	var envelope map[string]object
	if err := json.Unmarshal(message.JSON, &envelope); err != nil {
		return err
	}
	var inner struct{ From string }
	if err := json.Unmarshal(envelope["message"]["metadata"], &inner); err != nil {
		return err
	}
	whole, err := encode(envelope["message"])
	if err != nil {
		return err
	}
	if hash := hashOf(whole); hash != message.Hash || `"`+hash+`"` != string(envelope["metadata"]["messageHash"]) {
		return fmt.Errorf("hash %s, told %s, written %s", hash, message.Hash, envelope["metadata"]["messageHash"])
	}
	sender := generator.PublicKey(inner.From)
	plain := func(text []byte) []byte { return text }
	hashed := func(text []byte) []byte { return []byte(hashOf(text)) }
	if err := checkSignature(sender, envelope["message"], plain); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if err := checkSignature(sender, envelope["metadata"], plain); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if err := checkSignature(generator.ServiceKey(), envelope["postmark"], hashed); err != nil {
		return fmt.Errorf("postmark: %w", err)
	}
	return nil
}

// checkSignature verifies the member "signature" over the other members.
func checkSignature(key ed25519.PublicKey, signed object, prepare func([]byte) []byte) error {
	var text string
	if err := json.Unmarshal(signed["signature"], &text); err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	delete(signed, "signature")
	rest, err := encode(signed)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, prepare(rest), signature) {
		return fmt.Errorf("signature does not cover %s", rest)
	}
	return nil
}

// encode writes an object with sorted keys and its members' own text.
func encode(value object) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return unescapeSeparators(bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))), nil
}

// sorted re-encodes a text by other means than the generator: decoded into maps, whose keys encoding/json sorts.
func sorted(t *testing.T, text []byte) []byte {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return unescapeSeparators(bytes.TrimSuffix(buffer.Bytes(), []byte("\n")))
}

// unescapeSeparators undoes what encoding/json always escapes and JavaScript does not; no text here has them escaped.
func unescapeSeparators(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`\u2028`), []byte("\u2028"))
	return bytes.ReplaceAll(text, []byte(`\u2029`), []byte("\u2029"))
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "0x" + hex.EncodeToString(sum[:])
}

func parties(t *testing.T, text []byte) (from, to string) {
	t.Helper()
	var envelope struct {
		Message struct{ Metadata struct{ From, To string } }
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Message.Metadata.From, envelope.Message.Metadata.To
}
