package bridge_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// vectors are what the dm3 packages yielded, as far as this package is concerned.
type vectors struct {
	Identities struct {
		A0 struct {
			ProfileKeys struct {
				StorageEncryptionKey string
			}
		} `json:"a0"`
	}
	DeterministicEncryption struct {
		AccountEnsName string
		Cases          []struct{ Plaintext, Wire string }
	}
	UserProfile          struct{ Stringified, Signature string }
	AsymmetricEncryption struct {
		Cases []struct{ Plaintext, Wire string }
	}
	Messages []struct {
		Name                 string
		Message              json.RawMessage
		MessageHash          string
		Published171Envelope *struct {
			EncryptedEnvelop struct{ Message string }
			Postmark         json.RawMessage
		}
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../container/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// ownProfile is the profile of the vectors' first identity.
func ownProfile(t *testing.T) identity.Profile {
	t.Helper()
	key, err := identity.ParseKey(readVectors(t).Identities.A0.ProfileKeys.StorageEncryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	return identity.FromStorageKey(key)
}

func newCodec(t *testing.T) *bridge.Codec {
	t.Helper()
	codec, err := bridge.NewCodec(ownProfile(t), readVectors(t).DeterministicEncryption.AccountEnsName, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func TestNamesAsUpstreamWritesThem(t *testing.T) {
	codec := newCodec(t)
	for _, c := range readVectors(t).DeterministicEncryption.Cases {
		if wire, err := codec.EncryptName(c.Plaintext); err != nil || wire != c.Wire {
			t.Errorf("%q becomes %s, %v", c.Plaintext, wire, err)
		}
		if name, err := codec.DecryptName(c.Wire); err != nil || name != c.Plaintext {
			t.Errorf("%s opens to %q, %v", c.Wire, name, err)
		}
	}
}

func TestLocations(t *testing.T) {
	codec, cases := newCodec(t), readVectors(t).DeterministicEncryption.Cases
	for i, names := range map[int][]string{2: {"bob.eth"}, 3: {}} {
		if wire, err := codec.EncryptLocations(names); err != nil || wire != cases[i].Wire {
			t.Errorf("%q becomes %s, %v", names, wire, err)
		}
		if got, err := codec.DecryptLocations(cases[i].Wire); err != nil || fmt.Sprint(got) != fmt.Sprint(names) {
			t.Errorf("%s opens to %q, %v", cases[i].Wire, got, err)
		}
	}
	if names, err := codec.DecryptLocations(""); names != nil || err != nil {
		t.Errorf("nothing opens to %q, %v", names, err)
	}
	if _, err := codec.DecryptLocations(cases[0].Wire); !errors.Is(err, bridge.ErrRecord) {
		t.Errorf("a name is no list of names: %v", err)
	}
}

func TestForeignTextsDoNotOpen(t *testing.T) {
	other, err := bridge.NewCodec(identity.FromStorageKey([32]byte{1}), "bob.eth", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := readVectors(t)
	if _, err := other.DecryptName(v.DeterministicEncryption.Cases[0].Wire); !errors.Is(err, bridge.ErrDecrypt) {
		t.Errorf("a foreign name: %v", err)
	}
	for _, wire := range []string{v.AsymmetricEncryption.Cases[1].Wire, "", "e30=", "%"} {
		if _, err := other.DecryptRecord(wire); !errors.Is(err, bridge.ErrDecrypt) {
			t.Errorf("a foreign record: %v", err)
		}
	}
}

func TestRecordsAsUpstreamWritesThem(t *testing.T) {
	codec := newCodec(t)
	for _, c := range readVectors(t).AsymmetricEncryption.Cases {
		if text, err := codec.DecryptRecord(c.Wire); err != nil || string(text) != c.Plaintext {
			t.Errorf("opens to %q, %v", text, err)
		}
		wire, err := codec.EncryptRecord([]byte(c.Plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := codec.DecryptRecord(wire); err != nil || string(text) != c.Plaintext {
			t.Errorf("what was encrypted here opens to %q, %v", text, err)
		}
		if again, err := codec.EncryptRecord([]byte(c.Plaintext)); err != nil || again == wire {
			t.Errorf("two records of one text are equal, or %v", err)
		}
	}
}

func TestTransportEncryptionOpens(t *testing.T) {
	bob, err := identity.ParseKey("daDC1mZilCcdocmNO37uFUFo6vQJa4djT3EE69t+ORI=")
	if err != nil {
		t.Fatal(err)
	}
	codec, err := bridge.NewCodec(identity.FromStorageKey(bob), "bob.eth", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, m := range readVectors(t).Messages {
		if m.Published171Envelope == nil || m.Published171Envelope.Postmark == nil {
			continue // only its size was kept
		}
		opened++
		text, err := codec.DecryptWire(m.Published171Envelope.EncryptedEnvelop.Message)
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if got := container.Hash(canonical(t, text)); string(got) != m.MessageHash {
			t.Errorf("%s: hash %s, want %s", m.Name, got, m.MessageHash)
		}
	}
	if opened == 0 {
		t.Error("the vectors hold no encrypted message")
	}
}

// TestContainersSurvive: an app gets back, to the byte, what it stored.
func TestContainersSurvive(t *testing.T) {
	codec := newCodec(t)
	for _, m := range readVectors(t).Messages {
		rest := `"metadata":null`
		if m.Published171Envelope != nil && m.Published171Envelope.Postmark != nil {
			rest = `"metadata":{"deliveryInformation":"","version":"v1","messageHash":"0x1","signature":""},"postmark":` + string(m.Published171Envelope.Postmark)
		}
		for name, text := range map[string]string{
			"bare":      `{"envelop":{"message":%s,%s},"messageState":0}`,
			"no state":  `{"envelop":{"message":%s,%s}}`,
			"widget's":  `{"messageState":3,"reactions":[{"message":{"message":"x"}}],"source":1,"indicator":"READ","replyToMessageEnvelop":{"message":{}},"envelop":{"id":"7","message":%s,%s}}`,
			"unknown":   `{"messageState":2,"later":{"a":[1,null]},"message":"around","envelop":{"new":1,"message":%s,%s}}`,
			"our names": `{"messageState":2,"dm3sync":1,"container":2,"envelop":{"dm3sync":{"signatures":{"k":{}},"container":{"messageState":9}},"container":3,"message":%s,%s}}`,
		} {
			text = fmt.Sprintf(text, m.Message, rest)
			wire, err := codec.EncryptRecord([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			envelope, _, err := codec.Open(wire)
			if err != nil {
				t.Fatalf("%s, %s: %v", m.Name, name, err)
			}
			if envelope.Hash.String() != m.MessageHash {
				t.Errorf("%s, %s: hash %s", m.Name, name, envelope.Hash)
			}
			if back, err := bridge.ToStorage(envelope); err != nil || string(back) != canonical(t, []byte(text)) {
				t.Errorf("%s, %s: %v\n%s\n%s", m.Name, name, err, back, text)
			}
		}
	}
}

// TestRecordsCannotSpeakForUs: what a record calls "dm3sync" is kept, and not as our word.
func TestRecordsCannotSpeakForUs(t *testing.T) {
	text := fmt.Sprintf(`{"messageState":2,"envelop":{"dm3sync":{"signatures":1},"message":%s}}`, readVectors(t).Messages[0].Message)
	envelope, _, err := bridge.FromStorage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := `"dm3sync":{"container":{"envelop":{"dm3sync":{"signatures":1}},"messageState":2}}`
	if !bytes.Contains(envelope.JSON, []byte(want)) {
		t.Errorf("got %s", envelope.JSON)
	}
}

func TestEnvelopeFromElsewhere(t *testing.T) {
	message := readVectors(t).Messages[0].Message
	envelope, _, err := container.ParseEnvelope(fmt.Appendf(nil, `{"message":%s,"metadata":null}`, message))
	if err != nil {
		t.Fatal(err)
	}
	text, err := bridge.ToStorage(envelope)
	want := fmt.Sprintf(`{"envelop":{"message":%s,"metadata":null},"messageState":2,"reactions":[],"source":1}`, canonical(t, message))
	if err != nil || string(text) != want {
		t.Errorf("got %s, %v", text, err)
	}
	if back, _, err := bridge.FromStorage(text); err != nil || back.Hash != envelope.Hash {
		t.Errorf("came back with hash %s, %v", back.Hash, err)
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "7", "[]", "{}", `{"envelop":null}`, `{"envelop":{}}`, `{"envelop":{"message":{"metadata":{},"signature":""}}}`} {
		if _, _, err := bridge.FromStorage([]byte(text)); !errors.Is(err, bridge.ErrRecord) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCodecDoesNotPrint(t *testing.T) {
	if text := fmt.Sprintf("%v %+v %#v %s", newCodec(t), newCodec(t), newCodec(t), newCodec(t)); strings.Count(text, "[codec]") != 4 {
		t.Errorf("printed %s", text)
	}
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	out, err := container.Canonical(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
