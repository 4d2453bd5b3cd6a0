package container

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// A shape says which of its members a value is looked at for.
type shape uint8

const (
	shapeAny      shape = iota // nothing
	shapeEnvelope              // an envelope
	shapeMessage               // its message
	shapeDetails               // the message's metadata
)

// A field is a member of an envelope that is looked at while it goes by.
type field uint8

const (
	fieldNone      field = iota
	fieldMessage         // message
	fieldMetadata        // metadata
	fieldPostmark        // postmark
	fieldDetails         // message.metadata
	fieldSignature       // message.signature
	fieldTimestamp       // message.metadata.timestamp
	fieldTo              // message.metadata.to
	fieldFrom            // message.metadata.from
	fieldType            // message.metadata.type
	fieldCount
)

// path is how errors name a field.
func (f field) path() string {
	return [fieldCount]string{"", "message", "metadata", "postmark", "message.metadata", "message.signature",
		"message.metadata.timestamp", "message.metadata.to", "message.metadata.from", "message.metadata.type"}[f]
}

// shape is what the field's value is looked at for.
func (f field) shape() shape {
	switch f {
	case fieldMessage:
		return shapeMessage
	case fieldDetails:
		return shapeDetails
	}
	return shapeAny
}

// A finding says what is known of a field.
type finding uint8

const (
	findingAbsent finding = iota
	findingGood
	findingWrong // another type, or not well-formed
	findingRange // a number, but not one that is allowed
)

// findings is what was seen of one envelope.
type findings struct {
	fields    [fieldCount]finding
	timestamp int64
	hash      MessageHash
	to, from  []byte // the characters of the names
}

// field tells which field a member named key (quoted) of a value looked at as
// shape is. When a member comes again, what the former one held is forgotten.
func (f *findings) field(as shape, key []byte) field {
	switch as {
	case shapeEnvelope:
		switch string(key) {
		case `"message"`:
			clear(f.fields[fieldDetails:])
			return fieldMessage
		case `"metadata"`:
			return fieldMetadata
		case `"postmark"`:
			return fieldPostmark
		}
	case shapeMessage:
		switch string(key) {
		case `"metadata"`:
			clear(f.fields[fieldTimestamp:])
			return fieldDetails
		case `"signature"`:
			return fieldSignature
		}
	case shapeDetails:
		switch string(key) {
		case `"timestamp"`:
			return fieldTimestamp
		case `"to"`:
			return fieldTo
		case `"from"`:
			return fieldFrom
		case `"type"`:
			return fieldType
		}
	}
	return fieldNone
}

// note judges the canonical value of a field and keeps what is needed of it.
func (f *findings) note(which field, value []byte) {
	good := false
	switch which {
	case fieldMessage:
		if good = value[0] == '{'; good {
			f.hash = sha256.Sum256(value)
		}
	case fieldDetails:
		good = value[0] == '{'
	case fieldMetadata, fieldPostmark:
		good = value[0] == '{' || string(value) == "null"
	case fieldSignature:
		good = isSignature(value)
	case fieldTimestamp:
		if f.timestamp, good = parseInteger(value); !good && (value[0] == '-' || value[0]-'0' <= 9) {
			f.fields[which] = findingRange
			return
		}
	case fieldTo:
		if value[0] == '"' {
			f.to, good = appendUnquoted(f.to[:0], value)
		}
	case fieldFrom:
		if value[0] == '"' {
			f.from, good = appendUnquoted(f.from[:0], value)
		}
	case fieldType:
		good = value[0] == '"'
	}
	f.fields[which] = findingWrong
	if good {
		f.fields[which] = findingGood
	}
}

// isSignature says whether a canonical value is the base64 text of 64 bytes.
func isSignature(value []byte) bool {
	var signature [66]byte
	if len(value) != 1+88+1 || value[0] != '"' {
		return false
	}
	n, err := base64.StdEncoding.Decode(signature[:], value[1:len(value)-1])
	return err == nil && n == 64
}

// verdict returns the first reason why what was seen is no envelope.
func (f *findings) verdict() error {
	for which := fieldMessage; which < fieldCount; which++ {
		got := f.fields[which]
		if got == findingGood {
			continue
		}
		switch {
		case got == findingAbsent && (which == fieldMetadata || which == fieldPostmark):
			continue
		case which == fieldSignature:
			return ErrSignature
		case which == fieldTimestamp && got == findingRange:
			return ErrTimestampRange
		case which == fieldTimestamp:
			return ErrNoTimestamp
		case got == findingAbsent:
			return fmt.Errorf("%w: %s is missing", ErrField, which.path())
		}
		return fmt.Errorf("%w: %s is of a wrong type", ErrField, which.path())
	}
	return nil
}
