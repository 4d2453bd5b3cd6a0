package thread

import (
	"bytes"
	"encoding/json"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Kind says what a record is for.
type Kind uint8

// The kinds of records, and the types of dm3 that they stand for.
const (
	KindOther    Kind = iota // any type that is not known here
	KindNew                  // NEW
	KindReply                // REPLY
	KindEdit                 // EDIT
	KindDelete               // DELETE_REQUEST
	KindReaction             // REACTION
	KindReceived             // READ_RECEIVED: it arrived
	KindOpened               // READ_OPENED, and the specification's READ_RECEIPT: somebody saw it
	KindResend               // RESEND_REQUEST
)

// kindOf is the kind of a type.
func kindOf(given string) Kind {
	switch given {
	case "NEW":
		return KindNew
	case "REPLY":
		return KindReply
	case "EDIT":
		return KindEdit
	case "DELETE_REQUEST":
		return KindDelete
	case "REACTION":
		return KindReaction
	case "READ_RECEIVED":
		return KindReceived
	case "READ_OPENED", "READ_RECEIPT":
		return KindOpened
	case "RESEND_REQUEST":
		return KindResend
	}
	return KindOther
}

// isMessage tells whether a record is something said, that others can act upon.
func (k Kind) isMessage() bool {
	return k == KindNew || k == KindReply || k == KindEdit || k == KindOther
}

// acts tells whether a record is there only for what it does to another.
func (k Kind) acts() bool {
	return k == KindEdit || k == KindDelete || k == KindReaction || k == KindReceived || k == KindOpened
}

// Attachment is what a message carries, or refers to, as the message gives it: hostile text.
type Attachment struct {
	Name string // may be empty
	URI  string // data:, https:, ipfs: or anything else
}

// Record is one stored message, read for display. All texts are as the message gives them.
type Record struct {
	// Envelope has the identity, the time, and the whole text; nobody writes to it.
	container.Envelope
	Kind        Kind
	Type        string // as given
	From, To    string
	Text        string
	Attachments []Attachment
	// Reference is the message that this one acts upon or answers, as given; nil where none is named.
	Reference *container.MessageHash
	// other is another name that references may use: npm 1.7.1 names messages by the hash of the encrypted one.
	other *container.MessageHash
}

// carried is the part with the attachments, which can be large.
type carried struct {
	Message struct {
		Attachments []json.RawMessage `json:"attachments"`
	} `json:"message"`
}

// stored is the part of an envelope that is always read. Members of other types than these stay empty.
type stored struct {
	Message struct {
		Message  string `json:"message"`
		Metadata struct {
			From      string `json:"from"`
			To        string `json:"to"`
			Type      string `json:"type"`
			Reference string `json:"referenceMessageHash"`
		} `json:"metadata"`
	} `json:"message"`
	Metadata struct {
		MessageHash string `json:"messageHash"`
		Encrypted   string `json:"encryptedMessageHash"`
	} `json:"metadata"`
}

// Read reads an envelope. It never fails: what is not as it should be is left empty, and the envelope has the whole of it.
// The record shares the envelope's text. Safe for concurrent use.
func Read(envelope container.Envelope) Record {
	record := readHead(envelope)
	if !bytes.Contains(envelope.JSON, []byte(`"attachments":`)) {
		return record
	}
	var fields carried
	_ = json.Unmarshal(envelope.JSON, &fields) // as in readHead
	for _, text := range fields.Message.Attachments {
		record.Attachments = append(record.Attachments, attachment(text))
	}
	return record
}

// readHead reads an envelope without its attachments.
func readHead(envelope container.Envelope) Record {
	var fields stored
	_ = json.Unmarshal(envelope.JSON, &fields) // it goes on after members of other types, which stay empty
	m := &fields.Message
	record := Record{
		Envelope: envelope, Kind: kindOf(m.Metadata.Type), Type: m.Metadata.Type,
		From: m.Metadata.From, To: m.Metadata.To, Text: m.Message, Reference: hashOf(m.Metadata.Reference),
	}
	record.other = hashOf(fields.Metadata.Encrypted)
	if record.other == nil {
		record.other = hashOf(fields.Metadata.MessageHash)
	}
	if record.other != nil && *record.other == envelope.Hash {
		record.other = nil
	}
	return record
}

// attachment reads an object with a name and data, or data alone.
func attachment(text []byte) (a Attachment) {
	if json.Unmarshal(text, &a.URI) == nil {
		return a
	}
	var fields struct {
		Name string `json:"name"`
		Data string `json:"data"`
	}
	_ = json.Unmarshal(text, &fields) // as in Read
	return Attachment{Name: fields.Name, URI: fields.Data}
}

// hashOf is nil for what is no hash.
func hashOf(text string) *container.MessageHash {
	hash, err := container.ParseMessageHash(text)
	if err != nil {
		return nil
	}
	return &hash
}
