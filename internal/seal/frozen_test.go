package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

const frozenFile = "testdata/compact.json"

var freeze = flag.Bool("freeze", false, "write "+frozenFile+", which must not exist: it is never changed, only begun anew with a new version byte")

// frozen is one sealed object. The vectors hold what must open for ever; what an encoder makes today
// may differ from them.
type frozen struct {
	Name         string `json:"name"`
	StorageKey   []byte `json:"storageKey"`
	Kind         uint8  `json:"kind,omitempty"`         // an object's
	ContainerKey string `json:"containerKey,omitempty"` // an object's
	RecordName   string `json:"recordName,omitempty"`   // a record's
	Plaintext    string `json:"plaintext"`
	Repeat       int    `json:"repeat,omitempty"` // how often the plaintext stands there; 0 is once
	Error        string `json:"error,omitempty"`
	Sealed       []byte `json:"sealed"`
}

func (f frozen) text() string { return strings.Repeat(f.Plaintext, max(f.Repeat, 1)) }

var frozenErrors = map[string]error{
	"other key": seal.ErrOtherKey, "newer version": seal.ErrNewerVersion, "damaged": seal.ErrDamaged,
	"form not allowed": seal.ErrFormNotAllowed,
}

// TestFrozenObjects opens what earlier versions sealed.
func TestFrozenObjects(t *testing.T) {
	if *freeze {
		writeFrozen(t)
	}
	content, err := os.ReadFile(frozenFile)
	if err != nil {
		t.Fatal(err)
	}
	var objects []frozen
	if err := json.Unmarshal(content, &objects); err != nil || len(objects) < 12 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	for _, object := range objects {
		sealer, err := seal.New([32]byte(object.StorageKey), nil)
		if err != nil {
			t.Fatal(err)
		}
		var opened []byte
		if object.RecordName != "" {
			opened, err = sealer.OpenRecord(nil, object.RecordName, object.Sealed)
		} else {
			opened, err = sealer.Open(nil, container.Kind(object.Kind), container.Key(object.ContainerKey), object.Sealed)
		}
		switch {
		case object.Error != "":
			if want := frozenErrors[object.Error]; want == nil || !errors.Is(err, want) {
				t.Errorf("%s: %v, want %s", object.Name, err, object.Error)
			}
		case err != nil || string(opened) != object.text():
			t.Errorf("%s: opened to %d bytes, %v", object.Name, len(opened), err)
		}
	}
}

// writeFrozen makes the vectors with fixed randomness. It never overwrites them.
func writeFrozen(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(frozenFile); err == nil {
		t.Fatalf("%s exists and is frozen", frozenFile)
	}
	objects := []frozen{
		{Name: "root", Kind: 1, Plaintext: `{"conversations":["bob.eth"]}`},
		{Name: "root, empty", Kind: 1},
		{Name: "conversation, one byte less than a block", Kind: 2, Plaintext: "x", Repeat: 2046},
		{Name: "conversation, a block", Kind: 2, Plaintext: "x", Repeat: 2047},
		{Name: "conversation, content that looks like padding", Kind: 2, Plaintext: "x\u0080\x00\x00"},
		{Name: "chunk, compressed", Kind: 3, Plaintext: `{"message":"hello","metadata":{}},`, Repeat: 1000},
		{Name: "chunk, compressed, of 800,000 bytes", Kind: 3, Plaintext: "0123456789abcdef", Repeat: 50_000},
		{Name: "chunk, too short to shrink", Kind: 3, Plaintext: `{"messages":[]}`},
		{Name: "head, zeros at the end", Kind: 4, Plaintext: "{\u0000}\x00\x00"},
	}
	for i := range objects {
		sealFrozen(t, &objects[i], byte(i))
	}
	objects = append(objects, derivedObjects(objects[0])...)
	objects = append(objects, frozenRecord(t))
	content, err := json.MarshalIndent(objects, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(frozenFile, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sealFrozen(t *testing.T, object *frozen, fill byte) {
	t.Helper()
	object.StorageKey = bytes.Repeat([]byte{0xa0}, 32)
	object.ContainerKey = string(someKey)
	sealer := newSealer(t, 0xa0, &seal.Options{Random: fixedBytes(fill)})
	sealed, err := sealer.Seal(nil, container.Kind(object.Kind), someKey, []byte(object.text()))
	if err != nil {
		t.Fatal(err)
	}
	object.Sealed = sealed
}

// derivedObjects changes one good object so that it must not open.
func derivedObjects(good frozen) []frozen {
	change := func(name, expected string, edit func(*frozen)) frozen {
		changed := good
		changed.Name, changed.Error, changed.Sealed = name, expected, bytes.Clone(good.Sealed)
		edit(&changed)
		return changed
	}
	return []frozen{
		change("another key", "other key", func(f *frozen) { f.StorageKey = bytes.Repeat([]byte{0xb0}, 32) }),
		change("a newer version", "newer version", func(f *frozen) { f.Sealed[0] = 2 }),
		change("another kind", "damaged", func(f *frozen) { f.Kind = 2 }),
		change("another place", "damaged", func(f *frozen) { f.ContainerKey = strings.ToUpper(f.ContainerKey) }),
		change("a flipped bit", "damaged", func(f *frozen) { f.Sealed[100] ^= 1 }),
		change("cut off", "damaged", func(f *frozen) { f.Sealed = f.Sealed[:2000] }),
		change("dm3 form", "form not allowed", func(f *frozen) { f.Sealed = []byte(`{"ciphertext":"","nonce":"0x"}`) }),
	}
}

func frozenRecord(t *testing.T) frozen {
	t.Helper()
	record := frozen{Name: "record", StorageKey: bytes.Repeat([]byte{0xa0}, 32), RecordName: "base/0x01", Plaintext: `{"seen":1}`}
	sealed, err := newSealer(t, 0xa0, &seal.Options{Random: fixedBytes(99)}).SealRecord(nil, record.RecordName, []byte(record.Plaintext))
	if err != nil {
		t.Fatal(err)
	}
	record.Sealed = sealed
	return record
}
