package identity_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
)

type messageVector struct {
	Name, SignedText, Stringified, MessageHash, GetId string
	Message                                           json.RawMessage
	Size                                              int
	SignatureOk                                       bool
	Published171Envelope                              struct {
		EncryptedMessageHash string
		EncryptedEnvelopSize int
		EncryptedEnvelop     *struct {
			Message  string
			Metadata json.RawMessage
		}
		Postmark           json.RawMessage
		PostmarkSignedText string
	}
}

func TestVectorsMessages(t *testing.T) {
	v := readVectors(t)
	sender := profileOf(t, v.Identities["a0"].StorageKey)
	if len(v.Messages) != 6 {
		t.Fatalf("%d messages", len(v.Messages))
	}
	whole := 0
	for _, c := range v.Messages {
		text, signature, err := identity.SignedText([]byte(c.Stringified))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		same(t, c.Name+": signed text", string(text), c.SignedText)
		same(t, c.Name+": signature", sender.Sign(c.SignedText), signature)
		if sender.Verify(string(text), signature) != c.SignatureOk {
			t.Errorf("%s: the signature's validity is not %v", c.Name, c.SignatureOk)
		}
		same(t, c.Name+": hash", string(container.Hash(c.Stringified)), c.MessageHash)
		same(t, c.Name+": getId", keccak(c.Stringified), c.GetId)
		if c.Published171Envelope.EncryptedEnvelop != nil {
			whole++
			checkPublished(t, v, c)
		}
	}
	if whole == 0 {
		t.Error("no whole envelope in the vectors")
	}
}

// checkPublished verifies an envelope's metadata and the postmark that the service put on it.
func checkPublished(t *testing.T, v vectors, c messageVector) {
	published := c.Published171Envelope
	wire := published.EncryptedEnvelop.Message
	quoted, err := json.Marshal(wire)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "encryptedMessageHash", string(container.Hash(string(quoted))), published.EncryptedMessageHash)
	metadata, signature, err := identity.SignedText(published.EncryptedEnvelop.Metadata)
	if err != nil || !profileOf(t, v.Identities["a0"].StorageKey).Verify(string(metadata), signature) {
		t.Errorf("metadata is not signed: %v", err)
	}
	envelope, err := json.Marshal(published.EncryptedEnvelop)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(envelope); size != published.EncryptedEnvelopSize {
		t.Errorf("size %d, want %d", size, published.EncryptedEnvelopSize)
	}

	var postmark struct{ MessageHash string }
	if err := json.Unmarshal(published.Postmark, &postmark); err != nil {
		t.Fatal(err)
	}
	same(t, "postmark hash", container.MessageHash(identity.PersonalDigest(string(quoted))).String(), postmark.MessageHash)
	unsigned, signature, err := identity.SignedText(published.Postmark)
	if err != nil {
		t.Fatal(err)
	}
	signed := string(container.Hash(string(unsigned)))
	same(t, "postmark text", signed, published.PostmarkSignedText)
	service := v.DeliveryServiceKeys.SigningKeyPair.PublicKey
	public, err := identity.ParseKey(service)
	if err != nil || !identity.Verify(public, signed, signature) {
		t.Errorf("postmark is not signed: %v", err)
	}
}

func TestSignedText(t *testing.T) {
	for object, want := range map[string]string{
		`{"signature":"s"}`:                               `{}`,
		`{"signature":"s","b":1}`:                         `{"b":1}`,
		`{"z":1,"signature":"s"}`:                         `{"z":1}`,
		`{"z":{"signature":"t"},"signature":"s","a":[1]}`: `{"a":[1],"z":{"signature":"t"}}`,
		`{"\ud800":"\udc00","signature":"s"}`:             `{"\ud800":"\udc00"}`,
	} {
		text, signature, err := identity.SignedText([]byte(object))
		if err != nil || string(text) != want || signature != "s" {
			t.Errorf("%s: %s, %q, %v", object, text, signature, err)
		}
	}
	for _, object := range []string{`[]`, `1`, `{}`, `{"signature":null}`, `{"signature":1}`, `{"Signature":"s"}`} {
		if _, _, err := identity.SignedText([]byte(object)); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s: %v", object, err)
		}
	}
	for _, object := range []string{``, `{`, `{} {}`, "\xff"} {
		if _, _, err := identity.SignedText([]byte(object)); err == nil {
			t.Errorf("%s is taken", strconv.Quote(object))
		}
	}
}

func FuzzSignedText(f *testing.F) {
	f.Add([]byte(`{"message":"hello","signature":"s"}`))
	f.Add([]byte(`{"signature":"\ud800","a":{"signature":1}}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		text, _, err := identity.SignedText(object)
		if err != nil {
			return
		}
		again, err := container.Canonical(nil, text)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s is not canonical: %v", text, err)
		}
	})
}
