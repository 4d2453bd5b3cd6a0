package seal

import "github.com/dm3sync/dm3sync/internal/container"

// AppendBody appends to dst what a state's plaintext is before padding and
// encryption: one encoding byte, then the plaintext as it is or, for chunks,
// compressed. States that travel inside a head are stored so.
func (s *Sealer) AppendBody(dst []byte, kind container.Kind, plaintext []byte) []byte {
	encoding, body, release := s.encode(kind, plaintext)
	defer release()
	return append(append(dst, encoding), body...)
}

// OpenBody undoes AppendBody and appends the plaintext to dst. Errors:
// ErrDamaged, ErrTooLarge, ErrNewerVersion.
func (s *Sealer) OpenBody(dst, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, ErrDamaged
	}
	return s.decode(dst, body[0], body[1:])
}
