package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/container"
)

// ErrKey: not 32 bytes in base64.
var ErrKey = errors.New("identity: not a key of 32 bytes in base64")

// MessageState is what upstream's record of a message says of its way (lib-messaging, MessageState).
type MessageState int

// The states in the order in which a message passes them.
const (
	StateCreated MessageState = iota
	StateSigned
	StateSend
	StateRead
	StateFailedToSend
)

// UserProfile is the public profile of an account, as published under its name.
type UserProfile struct {
	PublicEncryptionKey string   `json:"publicEncryptionKey"` // X25519, base64
	PublicSigningKey    string   `json:"publicSigningKey"`    // Ed25519, base64
	DeliveryServices    []string `json:"deliveryServices"`    // dm3 names
}

// Text returns the profile as dm3's stringify writes it. It fails only on a service name that is not
// UTF-8.
func (p UserProfile) Text() (string, error) {
	if p.DeliveryServices == nil {
		p.DeliveryServices = []string{}
	}
	encoded, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("identity: writing the profile: %w", err)
	}
	text, err := container.Canonical(nil, encoded)
	if err != nil {
		return "", fmt.Errorf("identity: writing the profile: %w", err)
	}
	return string(text), nil
}

// SignedText splits a signed dm3 object (a message, an envelope's metadata, a postmark), given as
// JSON, into the text that its signature covers (stringify of the object without "signature") and the
// signature. Errors are those of container.Canonical, or [ErrSignature] when there is no object with
// a signature of type string.
func SignedText(object []byte) (text []byte, signature string, err error) {
	canonical, err := container.Canonical(nil, object)
	if err != nil {
		return nil, "", fmt.Errorf("identity: reading a signed object: %w", err)
	}
	start, end, err := findSignature(canonical, &signature)
	if err != nil {
		return nil, "", err
	}
	if start == 1 && canonical[end] == ',' {
		end++ // the first member takes its comma along, any other the one before it
	}
	return append(canonical[:start], canonical[end:]...), signature, nil
}

// findSignature returns where the member "signature", with the comma before it, stands in a canonical
// object, and its value. It cuts rather than decodes, so that what a decoder would mend stays as
// signed.
func findSignature(object []byte, signature *string) (start, end int64, err error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if opening, _ := decoder.Token(); opening != json.Delim('{') {
		return 0, 0, ErrSignature
	}
	for decoder.More() {
		start = decoder.InputOffset()
		name, _ := decoder.Token()
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return 0, 0, ErrSignature
		}
		if name == "signature" {
			if value[0] != '"' || json.Unmarshal(value, signature) != nil {
				return 0, 0, ErrSignature
			}
			return start, decoder.InputOffset(), nil
		}
	}
	return 0, 0, ErrSignature
}

// ServerMessageID returns the identifier under which upstream's storage service keeps a message: the
// hash of the normalised account name and the client's identifier, which is the messageHash. Errors
// are those of [Normalize].
func ServerMessageID(account, messageID string) (string, error) {
	normal, err := Normalize(account)
	if err != nil {
		return "", err
	}
	return string(container.Hash(normal + messageID)), nil
}
