package container

import "errors"

// The reasons for which a text is refused. They are wrapped with the place of
// the trouble, never with the content: test with [errors.Is].
var (
	// ErrSyntax says that a text is not one JSON value in UTF-8 (RFC 8259),
	// or nests deeper than 512 levels.
	ErrSyntax = errors.New("not valid JSON")
	// ErrField says that a required member is missing, or that a member has a
	// wrong type; the wrapping error names it.
	ErrField = errors.New("missing or wrong member")
	// ErrNoTimestamp says that message.metadata.timestamp is missing or not a
	// number.
	ErrNoTimestamp = errors.New("message has no timestamp")
	// ErrTimestampRange says that message.metadata.timestamp is not an integer
	// of 0 to 2^53-1.
	ErrTimestampRange = errors.New("message timestamp is out of range")
	// ErrSignature says that message.signature is missing or not the base64
	// text of 64 bytes. The signature itself is not verified here.
	ErrSignature = errors.New("message has no well-formed signature, which is the base64 text of 64 bytes")
	// ErrKind says that a state calls itself another kind of container than
	// the one that was asked for.
	ErrKind = errors.New("state is of another kind")
	// ErrHash says that a text is not a message hash.
	ErrHash = errors.New("not a message hash")
)
