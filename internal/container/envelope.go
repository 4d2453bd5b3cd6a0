package container

import (
	"bytes"
	"fmt"
)

// ParseEnvelope reads one stored message and makes it canonical, in one pass.
//
// An envelope is an object with an object "message" that holds an object
// "metadata" with an integer timestamp and strings to, from and type, and a
// string "signature", the base64 text of 64 bytes; its own "metadata" and
// "postmark" are objects, null or missing. All other members are kept as they
// are; a messageHash that the envelope gives is ignored, for the identity is
// always recomputed (internal/docs/format.md part 4).
//
// Errors wrap [ErrSyntax] (also for more than 500 levels), [ErrField],
// [ErrNoTimestamp], [ErrTimestampRange] or [ErrSignature]. Whether the
// signature is true is not looked at. The result shares no memory with text.
// ParseEnvelope is safe for concurrent use.
func ParseEnvelope(text []byte) (Envelope, Parties, error) {
	s := newScanner(text, maxEnvelopeDepth)
	defer s.release()
	envelope, _, err := s.envelope()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return Envelope{}, Parties{}, fmt.Errorf("container: reading envelope: %w", err)
	}
	envelope.JSON = bytes.Clone(envelope.JSON)
	from := len(s.found.from)
	s.found.from = append(s.found.from, s.found.to...)
	names := string(s.found.from) // one allocation for both
	return envelope, Parties{From: names[:from], To: names[from:]}, nil
}

// envelope reads the envelope at the current position. Its JSON shares memory
// with the source (shared), or with the scanner until the next begin.
func (s *scanner) envelope() (envelope Envelope, shared bool, err error) {
	s.begin()
	clear(s.found.fields[:])
	if c := s.peek(); c != '{' {
		if err := s.value(shapeAny); err != nil {
			return Envelope{}, false, err
		}
		return Envelope{}, false, fmt.Errorf("%w: envelope is no object", ErrField)
	}
	if err := s.object(shapeEnvelope); err != nil {
		return Envelope{}, false, err
	}
	if err := s.found.verdict(); err != nil {
		return Envelope{}, false, err
	}
	envelope = Envelope{Timestamp: s.found.timestamp, Hash: s.found.hash}
	envelope.JSON, shared = s.text()
	return envelope, shared, nil
}
