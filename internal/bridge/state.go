package bridge

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// The buckets of the records. Keys and values are keyed hashes and counts: no name, no
// identifier that a node knows.
const (
	bucketTaken = "node-taken" // by stored identifier: what was read, see mark
	bucketThere = "node-there" // by stored identifier: the node has it
	bucketTalk  = "node-talk"  // by encrypted contact: see talk
)

const stateKeyInfo = "dm3sync bridge v1 state"

// state is what the bridge remembers between passes. All of it may be lost: then the
// node is read again, and what it has, or the tree has, is found to be there.
type state struct {
	records *cache.Records
	key     []byte
	place   string // the node and the account there: another node, another state
}

func newState(records *cache.Records, profile identity.Profile, place string) (*state, error) {
	secret := profile.StorageKey()
	key, err := hkdf.Key(sha256.New, secret[:], nil, stateKeyInfo, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("bridge: deriving a key: %w", err)
	}
	return &state{records: records, key: key, place: place}, nil
}

// name hides what a record is about.
func (s *state) name(parts ...string) string {
	return hex.EncodeToString(s.sum(append([]string{s.place}, parts...)...)[:16])
}

func (s *state) sum(parts ...string) []byte {
	sum := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		sum.Write(fmt.Appendf(nil, "%d:%s", len(part), part)) // never fails: hash.Hash
	}
	return sum.Sum(nil)
}

// A mark says in what form a record of the node was taken.
type mark struct {
	content [8]byte // keyed hash of the envelope without our notes; zero: refused
	notes   [8]byte // of the notes
}

const markSize = len(mark{}.content) + len(mark{}.notes)

func (s *state) digest(text []byte) [8]byte { return [8]byte(s.sum("digest", string(text))[:8]) }

// taken returns how the record of a stored identifier was taken.
func (s *state) taken(storedID string) (m mark, ok bool, err error) {
	value, ok, err := s.records.Get(bucketTaken, s.name("taken", storedID))
	if err != nil || !ok || len(value) != markSize {
		return mark{}, false, err
	}
	return mark{content: [8]byte(value), notes: [8]byte(value[8:])}, true, nil
}

// keep remembers marks, and that the node has the records; and of further stored
// identifiers that the node has the message, if under another one.
func (s *state) keep(marks map[string]mark, there []string) error {
	return s.records.Update(func(tx *cache.Tx) error {
		for storedID, m := range marks {
			if err := tx.Put(bucketTaken, s.name("taken", storedID), append(m.content[:], m.notes[:]...)); err != nil {
				return err
			}
		}
		for _, storedID := range there {
			if err := tx.Put(bucketThere, s.name("there", storedID), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// there tells whether the node is known to have the message of a stored identifier.
func (s *state) there(storedID string) (bool, error) {
	_, ok, err := s.records.Get(bucketThere, s.name("there", storedID))
	return ok, err
}

// talk is what is remembered of a conversation.
type talk struct {
	Whole  bool   `json:"whole,omitempty"`  // its records at the node were read to the end
	Seen   string `json:"seen,omitempty"`   // digest of how the node listed it when it was read last
	Pushed string `json:"pushed,omitempty"` // digest of how the tree listed it when all of it was handed over
	Count  int    `json:"count,omitempty"`  // messages that the tree listed then, and those that came from the node since
	Hidden bool   `json:"hidden,omitempty"` // that it is hidden at the node was taken over
}

func (s *state) talk(wire string) (t talk, err error) {
	value, ok, err := s.records.Get(bucketTalk, s.name("talk", wire))
	if err != nil || !ok {
		return talk{}, err
	}
	if err := json.Unmarshal(value, &t); err != nil {
		t = talk{} // of another version: as good as new
	}
	return t, nil
}

func (s *state) keepTalk(wire string, t talk) error {
	value, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("bridge: keeping a conversation's state: %w", err)
	}
	return s.records.Update(func(tx *cache.Tx) error { return tx.Put(bucketTalk, s.name("talk", wire), value) })
}

// full returns when everything was looked at last; zero is never.
func (s *state) full() time.Time {
	value, ok, err := s.records.Get(bucketTalk, s.name("full"))
	if err != nil || !ok || len(value) != 8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(value)), 0)
}

func (s *state) keepFull(now time.Time) error {
	value := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	return s.records.Update(func(tx *cache.Tx) error { return tx.Put(bucketTalk, s.name("full"), value) })
}

// fingerprint is a short digest of values, to notice change.
func (s *state) fingerprint(values ...any) string {
	digest := s.digest(fmt.Append(nil, values...))
	return hex.EncodeToString(digest[:])
}
