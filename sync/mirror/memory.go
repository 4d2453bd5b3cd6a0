package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// fingerprint stands for an object's name in memory.
type fingerprint [16]byte

// What is known of an object at the mirror, in bits.
const (
	shown    = 1 // listed, or acknowledged
	verified = 2 // read back and compared
	ours     = 4 // this device put it there
)

// record is what is remembered of a mirror besides what it holds.
type record struct {
	Tried    time.Time                 `json:"tried,omitzero"`
	Success  time.Time                 `json:"success,omitzero"`
	Whole    time.Time                 `json:"whole,omitzero"` // when both places were listed last
	Error    string                    `json:"error,omitempty"`
	Obstacle obstacle.Kind             `json:"obstacle,omitempty"`
	Missing  int                       `json:"missing"`
	Waiting  map[string]bool           `json:"waiting,omitempty"` // at the mirror alone, in the last look
	Problems map[string]engine.Problem `json:"problems,omitempty"`
	Healed   []engine.Healed           `json:"healed,omitempty"` // oldest first
	Alarms   engine.Alarms             `json:"alarms"`
}

func fingerprintOf(name string) (f fingerprint) {
	sum := sha256.Sum256([]byte(name))
	return fingerprint(sum[:16])
}

// bucket is where the records hold what belongs to this place.
func (m *Mirror) bucket() string {
	sum := sha256.Sum256([]byte(m.o.Place))
	return "mirror " + hex.EncodeToString(sum[:8])
}

const recordKey = "record"

// load reads the record and what the mirror held. What can't be read was lost with a
// rebuilt cache, and is seen anew.
func (m *Mirror) load() error {
	m.held = make(map[fingerprint]byte)
	err := m.o.Records.Each(m.bucket(), func(key string, value []byte) error {
		raw, err := hex.DecodeString(key)
		if err == nil && len(raw) == len(fingerprint{}) && len(value) == 1 {
			m.held[fingerprint(raw)] = value[0]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what it holds: %w", err)
	}
	m.objects = len(m.held)
	sealed, ok, err := m.o.Records.Get(m.bucket(), recordKey)
	if err != nil {
		return fmt.Errorf("reading its record: %w", err)
	}
	if ok {
		if plain, err := m.o.Sealer.OpenRecord(nil, m.bucket(), sealed); err == nil {
			_ = json.Unmarshal(plain, &m.record) // damaged is as good as absent
		}
	}
	if m.record.Problems == nil {
		m.record.Problems = make(map[string]engine.Problem)
	}
	if m.record.Alarms.Raised == nil {
		m.record.Alarms = engine.Alarms{Raised: make(map[string]int64), Healed: make(map[string]int64)}
	}
	return nil
}

// save keeps the record.
func (m *Mirror) save() error {
	m.mu.Lock()
	plain, err := json.Marshal(&m.record)
	m.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keeping its record: %w", err)
	}
	sealed, err := m.o.Sealer.SealRecord(nil, m.bucket(), plain)
	if err != nil {
		return fmt.Errorf("keeping its record: %w", err)
	}
	return m.o.Records.Update(func(tx *cache.Tx) error { return tx.Put(m.bucket(), recordKey, sealed) })
}

// holds tells whether the mirror is known to hold an object.
func (m *Mirror) holds(name string) bool { return m.held[fingerprintOf(name)] != 0 }

// isOurs tells whether this device put an object there.
func (m *Mirror) isOurs(name string) bool { return m.held[fingerprintOf(name)]&ours != 0 }

// note keeps what is known now of objects, besides what was known; 0 is that they are
// not there.
func (m *Mirror) note(known map[string]byte) error {
	changed := make(map[fingerprint]byte)
	for name, value := range known {
		f := fingerprintOf(name)
		if value != 0 {
			value |= m.held[f]
		}
		if m.held[f] != value {
			changed[f] = value
		}
	}
	return m.change(changed)
}

// replace makes a listing what the mirror holds.
func (m *Mirror) replace(listing map[string]int64) error {
	changed := make(map[fingerprint]byte)
	for f := range m.held {
		changed[f] = 0
	}
	for name := range listing {
		f := fingerprintOf(name)
		if m.held[f] != 0 {
			delete(changed, f)
		} else {
			changed[f] = shown
		}
	}
	return m.change(changed)
}

// change writes what changed, at most changesMost objects in one transaction.
func (m *Mirror) change(changed map[fingerprint]byte) error {
	const changesMost = 5000
	for len(changed) > 0 {
		part := make(map[fingerprint]byte)
		for f, value := range changed {
			if part[f] = value; len(part) == changesMost {
				break
			}
		}
		maps.DeleteFunc(changed, func(f fingerprint, _ byte) bool { _, taken := part[f]; return taken })
		err := m.o.Records.Update(func(tx *cache.Tx) error {
			for f, value := range part {
				key := hex.EncodeToString(f[:])
				if value == 0 {
					if err := tx.Delete(m.bucket(), key); err != nil {
						return err
					}
				} else if err := tx.Put(m.bucket(), key, []byte{value}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("keeping what it holds: %w", err)
		}
		for f, value := range part {
			if value == 0 {
				delete(m.held, f)
			} else {
				m.held[f] = value
			}
		}
	}
	return nil
}
