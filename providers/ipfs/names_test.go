package ipfs

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// TestNameOf: the name that a real Kubo gave a key, made from the seed 00 01 … 1f.
func TestNameOf(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	public := ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]
	if name := nameOf(public); name != "k51qzi5uqu5dg9ufswxt229ntzdy7p4125xzv5rtyjso89ajdujg6csfxcj260" {
		t.Error(name)
	}
}

// TestKeysAreFrozen: an account's names never change, else its devices would not find each other.
func TestKeysAreFrozen(t *testing.T) {
	seen := make(map[string]bool)
	for number, want := range map[int]string{
		1:  "k51qzi5uqu5dgltw4j7d5zi9buxnkcut2bdjukabk737dscjcnf58qrgz4yhs5",
		2:  "k51qzi5uqu5didje1c9eot7v8ij2vg209nrq421fuwpwb21bfqautcaga2lrfv",
		64: "k51qzi5uqu5di3ysejs9pums6x8ixsrmiwd71vu9i6g7buessf3d056rewjktj",
	} {
		name, file, err := keyOf([32]byte{1, 2, 3}, number)
		if err != nil || name != want || seen[name] {
			t.Errorf("device %d: %s %v", number, name, err)
		}
		seen[name] = true
		if len(file) != 68 || hex.EncodeToString(file[:4]) != "08011240" || !bytes.Equal(ed25519.NewKeyFromSeed(file[4:36])[32:], file[36:]) {
			t.Errorf("device %d: %d bytes that are no key", number, len(file))
		}
	}
	if other, _, _ := keyOf([32]byte{1, 2, 4}, 1); seen[other] {
		t.Error("another account has the same name")
	}
}

func TestReadingNames(t *testing.T) {
	for _, name := range []string{"a", "a/b", "a/b/c", "0xabc/heads.x/-_", strings.Repeat("n", 100) + "/" + strings.Repeat("m", 99)} {
		for _, generation := range []int{0, 1, 12} {
			folder, file := split(name)
			read, again, ok := cutGeneration(withGeneration(file, generation))
			if got, valid := join(folder, read); !ok || !valid || got != name || again != generation {
				t.Errorf("%s~%d: %s~%d", name, generation, got, again)
			}
			if len(markOf(name, generation)) > 255 || len(withGeneration(file, generation)) > 255 {
				t.Errorf("%s: too long for a directory", name)
			}
			if got, again, ok := readMark(markOf(name, generation)); !ok || got != name || again != generation {
				t.Errorf("mark of %s~%d: %s~%d", name, generation, got, again)
			}
		}
	}
	at := stamp{17, "instance", "nonce"}
	if got, ok := readStamp(at.String()); !ok || got != at {
		t.Errorf("%+v", got)
	}
	if number, sequence, ok := readRelay(relayOf(3, 17)); !ok || number != 3 || sequence != 17 {
		t.Errorf("%d %d", number, sequence)
	}
	now := time.Unix(1_800_000_000, 0)
	if got, ok := readKept(keptOf(now, "bafy")); !ok || !got.Equal(now) {
		t.Error(got)
	}
}

// FuzzNames: what others publish under any name does no harm.
func FuzzNames(f *testing.F) {
	for _, text := range []string{"", "a", "a~1", "a~-1", "+", "a+b~99999999999999999999", "at-1-i-n", "at--1-i-n", "3-17", "65-1", "0-1", "1-", "../x", "~", "a~~1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, one := range entriesOf("folder", []child{{Name: text, Type: isFile}}) {
			if providers.ValidateName(one.name) != nil || one.generation < 0 {
				t.Errorf("%q became %+v", text, one)
			}
		}
		for name, generation := range marksOf([]child{{Name: text}}) {
			if providers.ValidateName(name) != nil || generation < 0 {
				t.Errorf("%q became a mark of %q~%d", text, name, generation)
			}
		}
		if number, sequence, ok := readRelay(text); ok && (number < 1 || number > MaxDevices || sequence < 0) {
			t.Errorf("%q became device %d at %d", text, number, sequence)
		}
		if at, ok := readStamp(text); ok && at.sequence < 0 {
			t.Errorf("%q became %+v", text, at)
		}
	})
}
