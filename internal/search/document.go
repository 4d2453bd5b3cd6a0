package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// document is what the index knows of a message, or of a tombstone.
type document struct {
	contact string
	hash    container.MessageHash
	at      int64 // Unix milliseconds
	kind    byte
}

// Kinds of documents.
const (
	kindSaid      byte = 1    // a message with a text
	kindEdit      byte = 2    // a text that takes the place of another's
	kindRemoval   byte = 3    // a message that deletes another for the eyes; without terms of its own
	kindTombstone byte = 4    // says that the message of this hash is deleted for ever
	kindMask      byte = 0x0F //
	flagCut       byte = 0x80 // only the beginning of the text is indexed
)

// place is a document's place in the order of time.
type place struct {
	at   int64
	hash container.MessageHash
}

func (d *document) place() place { return place{d.at, d.hash} }

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.at, other.at), bytes.Compare(p.hash[:], other.hash[:]))
}

// compare is the order of documents within a segment.
func (d *document) compare(other *document) int {
	return cmp.Or(d.place().compare(other.place()), cmp.Compare(d.contact, other.contact), cmp.Compare(d.kind, other.kind))
}

// same tells whether two documents are about one message.
func (d *document) same(other *document) bool {
	return d.at == other.at && d.hash == other.hash && d.contact == other.contact
}

// tombstone tells whether a document says that a message is deleted.
func (d *document) tombstone() bool { return d.kind&kindMask == kindTombstone }

// Terms that no word is: those of contacts, and of messages that others act upon.
const (
	contactPrefix   = "\x00c"
	referencePrefix = "\x00r"
)

// contactTerm stands in all messages of a contact.
func contactTerm(contact string) string { return contactPrefix + contact }

// referenceTerm stands in what edits or deletes a message. Half of the hash is enough: what it finds is looked at.
func referenceTerm(hash container.MessageHash) string { return referencePrefix + string(hash[:16]) }

// text is what of a record is searched: what it says, and the names of what is attached.
func text(r *thread.Record) string {
	all := r.Text
	for _, attached := range r.Attachments {
		if attached.Name != "" && len(all) < maxText {
			all += "\n" + cut(attached.Name, maxRun)
		}
	}
	return all
}

// kindOf is the kind of document that stands for a record; false: none, as for a receipt.
func kindOf(r *thread.Record) (kind byte, indexed bool) {
	switch r.Kind {
	case thread.KindNew, thread.KindReply, thread.KindOther:
		return kindSaid, strings.TrimSpace(text(r)) != ""
	case thread.KindEdit:
		return kindEdit, true
	case thread.KindDelete:
		return kindRemoval, r.Reference != nil
	}
	return 0, false
}

// documentBytes is the length of a document on disk: time, hash, number of the contact within the segment, kind.
const documentBytes = 8 + 32 + 4 + 1

func (d *document) append(to []byte, contact uint32) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(d.at))
	to = append(to, d.hash[:]...)
	to = binary.BigEndian.AppendUint32(to, contact)
	return append(to, d.kind)
}

// readDocument is the reverse of append.
func readDocument(from []byte) (d document, contact uint32) {
	d.at = int64(binary.BigEndian.Uint64(from))
	copy(d.hash[:], from[8:40])
	return d, binary.BigEndian.Uint32(from[40:])
}
