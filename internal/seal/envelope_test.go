package seal_test

import (
	"encoding/json"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// TestVectorsMessages decrypts the one envelope that the vectors hold whole, and makes the wire message
// of all six again to compare its hash.
func TestVectorsMessages(t *testing.T) {
	v := readVectors(t)
	receiver := v.Identities["b0"].ProfileKeys.EncryptionKeyPair
	whole := 0
	for _, message := range v.Messages {
		published := message.Published171Envelope
		wire, err := seal.EncryptAsymmetric(key(t, receiver.PublicKey), []byte(message.Stringified),
			key(t, v.DeliveryServiceKeys.EncryptionKeyPair.PrivateKey), nonce(t, "0x000102030405060708090a0b"))
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := json.Marshal(string(wire))
		if err != nil {
			t.Fatal(err)
		}
		if hash := container.Hash(string(quoted)); string(hash) != published.EncryptedMessageHash {
			t.Errorf("%s: encryptedMessageHash %s, want %s", message.Name, hash, published.EncryptedMessageHash)
		}
		envelope := published.EncryptedEnvelop
		if envelope == nil {
			continue
		}
		whole++
		if string(wire) != envelope.Message {
			t.Errorf("%s: wire message differs", message.Name)
		}
		plain, err := seal.DecryptAsymmetric(key(t, receiver.PrivateKey), []byte(envelope.Message))
		if err != nil || string(plain) != message.Stringified {
			t.Errorf("%s: message decrypted to %q, %v", message.Name, plain, err)
		}
		delivery, err := seal.DecryptAsymmetric(key(t, v.DeliveryServiceKeys.EncryptionKeyPair.PrivateKey), []byte(envelope.Metadata.DeliveryInformation))
		if err != nil {
			t.Fatalf("%s: delivery information: %v", message.Name, err)
		}
		want, err := container.Canonical(nil, published.Envelop.Metadata.DeliveryInformation)
		if err != nil || string(delivery) != string(want) {
			t.Errorf("%s: delivery information %s, want %s (%v)", message.Name, delivery, want, err)
		}
	}
	if whole == 0 {
		t.Error("no whole envelope in the vectors")
	}
}
