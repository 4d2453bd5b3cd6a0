package deliverytest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// Signer signs challenges with a profile's signing key.
func Signer(profile identity.Profile) func(context.Context, string) (string, error) {
	return func(_ context.Context, challenge string) (string, error) { return profile.Sign(challenge), nil }
}

// Person is somebody who writes and receives messages.
type Person struct {
	Name    string
	Profile identity.Profile
}

// NewPerson makes a person of a name; the keys come of the name.
func NewPerson(name string) Person {
	var key [32]byte
	copy(key[:], name)
	return Person{Name: name, Profile: identity.FromStorageKey(key)}
}

// Message is a signed message as dm3 apps make it: canonical JSON.
func (p Person) Message(to, text string, timestamp int64) []byte {
	return SignMessage(p.Profile, p.Name, to, text, timestamp)
}

// SignMessage makes a message that claims to be from a name, signed with a profile's key.
func SignMessage(profile identity.Profile, from, to, text string, timestamp int64) []byte {
	message := map[string]any{
		"message": text, "metadata": map[string]any{"from": from, "to": to, "timestamp": timestamp, "type": "NEW"},
	}
	message["signature"] = profile.Sign(string(canonical(message)))
	return canonical(message)
}

// Hash is the identity of a message.
func Hash(message []byte) string { return string(container.Hash(string(message))) }

// Letter is a message on its way, as a delivery service shows it.
type Letter struct {
	Message     []byte           // canonical
	From, To    string           // as the delivery information has them
	Receiver    Person           // for whom it is encrypted
	Service     identity.Profile // of the delivery service
	MessageHash string           // "": the message's
	Received    int64            // as the postmark has it, milliseconds
}

// Envelope encrypts the letter.
func (l Letter) Envelope() dm3api.EncryptionEnvelop {
	hash := l.MessageHash
	if hash == "" {
		hash = Hash(l.Message)
	}
	envelope := dm3api.EncryptionEnvelop{
		Message: encrypt(l.Receiver, l.Message),
		Metadata: dm3api.EnvelopeMetadata{
			Version: "v1", EncryptionScheme: "x25519-chacha20-poly1305", MessageHash: hash, Signature: "c2ln",
			DeliveryInformation: canonical(map[string]any{"from": l.From, "to": l.To}),
		},
	}
	postmark := map[string]any{
		"messageHash":        container.MessageHash(identity.PersonalDigest(string(canonical(envelope.Message)))).String(),
		"incommingTimestamp": l.Received,
	}
	postmark["signature"] = l.Service.Sign(string(container.Hash(string(canonical(postmark)))))
	envelope.Postmark = encrypt(l.Receiver, canonical(postmark))
	return envelope
}

func encrypt(receiver Person, text []byte) string {
	var ephemeral [32]byte
	var nonce [12]byte
	rand.Read(ephemeral[:]) // never fails: crypto/rand
	rand.Read(nonce[:])
	sealed, err := seal.EncryptAsymmetric(receiver.Profile.EncryptionPublic(), text, ephemeral, nonce)
	if err != nil {
		panic(fmt.Sprint("deliverytest: ", err)) // texts of tests are UTF-8
	}
	return string(sealed)
}

func canonical(value any) []byte {
	text, err := json.Marshal(value)
	if err == nil {
		text, err = container.Canonical(nil, text)
	}
	if err != nil {
		panic(fmt.Sprint("deliverytest: ", err)) // values of tests can be written
	}
	return text
}
