package dm3api

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is a message record as a client writes it.
type Record struct {
	// CreatedAt is the client's time in milliseconds since 1970. Editing leaves it; a record that editing creates gets the
	// server's.
	CreatedAt int64 `json:"createdAt"`
	// MessageID is the client's identifier: the messageHash in dm3 apps. The server keeps [StoredID] of it.
	MessageID string `json:"messageId"`
	// Container is the sealed text.
	Container string `json:"encryptedEnvelopContainer"`
	// IsHalted says that the message was not delivered yet.
	IsHalted bool `json:"isHalted"`
}

// Message is a record as the server gives it back.
type Message struct {
	ID             string `json:"id"` // [StoredID]
	CreatedAt      Time   `json:"createdAt"`
	Container      string `json:"encryptedEnvelopContainer"`
	Contact        string `json:"encryptedContactName"`
	ConversationID string `json:"conversationId"`
	OwnerID        string `json:"ownerId"`
	IsHalted       bool   `json:"isHalted"`
}

// Conversation is a visible conversation.
type Conversation struct {
	Contact         string  `json:"contact"`        // as the client encrypted it
	PreviewMessage  *string `json:"previewMessage"` // container of the newest message, nil without one
	UpdatedAt       Time    `json:"updatedAt"`
	ProfileLocation string  `json:"encryptedProfileLocation"`
}

// HaltedMessage is a message that was not delivered yet.
type HaltedMessage struct {
	MessageID string `json:"messageId"` // [StoredID], not the client's
	Container string `json:"encryptedEnvelopContainer"`
	CreatedAt Time   `json:"createdAt"`
	IsHalted  bool   `json:"isHalted"`
}

// Page asks for a part of a listing.
type Page struct {
	Size   int // entries a page
	Offset int // number of the page, from 0: not of an entry
}

// The page sizes that a server takes where none is named.
const (
	DefaultConversationPage = 10
	DefaultMessagePage      = 100
)

// SignedProfile is a published profile with the wallet's signature of it.
type SignedProfile struct {
	Profile   json.RawMessage `json:"profile"`
	Signature string          `json:"signature"`
}

// The bodies of the storage service's requests.
type (
	conversationRequest struct {
		Contact         string `json:"encryptedContactName"`
		ProfileLocation string `json:"encryptedProfileLocation"`
	}
	hideRequest struct {
		Contact string `json:"encryptedContactName"`
		Hide    bool   `json:"hide"`
	}
	addRequest struct {
		Contact string `json:"encryptedContactName"`
		Record
	}
	addBatchRequest struct {
		Contact string   `json:"encryptedContactName"`
		Records []Record `json:"messageBatch"`
	}
	editBatchRequest struct {
		Contact string   `json:"encryptedContactName"`
		Records []Record `json:"editMessageBatchPayload"`
	}
	clearRequest struct {
		MessageID string `json:"messageId"`
		Alias     string `json:"aliasName,omitempty"`
	}
	loginRequest struct {
		Signature string `json:"signature"`
		Challenge string `json:"challenge"`
	}
)

// okText is what the server says to a request that it has done.
const okText = "OK"

// Time is a moment as JavaScript writes it: ISO 8601 in UTC with milliseconds.
type Time struct{ time.Time }

const isoForm = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements [json.Marshaler].
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.UTC().Format(isoForm)) }

// UnmarshalJSON implements [json.Unmarshaler]; other precisions and zones are taken too.
func (t *Time) UnmarshalJSON(text []byte) error {
	var form string
	if err := json.Unmarshal(text, &form); err != nil {
		return fmt.Errorf("dm3api: reading a time: %w", err)
	}
	parsed, err := time.Parse(time.RFC3339Nano, form)
	if err != nil {
		return fmt.Errorf("dm3api: reading a time: %w", err)
	}
	t.Time = parsed
	return nil
}

// FromMilliseconds is a Time from JavaScript's number of milliseconds since 1970.
func FromMilliseconds(number int64) Time { return Time{time.UnixMilli(number).UTC()} }
