package seal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

var openErrors = []error{seal.ErrOtherKey, seal.ErrNewerVersion, seal.ErrDamaged, seal.ErrTooLarge, seal.ErrFormNotAllowed}

func isOneOf(err error, known []error) bool {
	for _, candidate := range known {
		if errors.Is(err, candidate) {
			return true
		}
	}
	return false
}

// FuzzOpen: no bytes but the sealer's own open, and each error is one of those that are promised.
func FuzzOpen(f *testing.F) {
	sealer := newSealer(f, 1, &seal.Options{Random: fixedBytes(7)})
	known := map[string]bool{}
	for kind := container.KindRoot; kind <= container.KindHead; kind++ {
		sealed := mustSeal(f, sealer, kind, strings.Repeat("chat ", 100))
		known[string(sealed)] = true
		f.Add(uint8(kind), sealed)
		f.Add(uint8(kind), sealed[:40])
	}
	f.Add(uint8(1), []byte(`{"ciphertext":"","nonce":"0x"}`))
	f.Fuzz(func(t *testing.T, kind uint8, sealed []byte) {
		_, err := sealer.Open(nil, container.Kind(kind), someKey, sealed)
		if err == nil && !known[string(sealed)] {
			t.Error("opened what was never sealed")
		}
		if err != nil && !isOneOf(err, openErrors) {
			t.Errorf("other error: %v", err)
		}
		if _, err := sealer.OpenRecord(nil, "name", sealed); err == nil {
			t.Error("opened a record that was never sealed")
		}
	})
}

// FuzzOpenDM3: the JSON around the ciphertext may change, the text inside may not.
func FuzzOpenDM3(f *testing.F) {
	sealer := newSealer(f, 1, &seal.Options{DM3: true, Random: fixedBytes(7)})
	const text = `{"conversations":["bob.eth"]}`
	sealed := string(mustSeal(f, sealer, container.KindRoot, text))
	f.Add([]byte(sealed))
	f.Add([]byte(" " + sealed))
	f.Add([]byte(strings.Replace(sealed, `{"c`, `{"a":1,"c`, 1)))
	f.Add([]byte(`{"ciphertext":1,"nonce":null}`))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		opened, err := sealer.Open(nil, container.KindRoot, someKey, sealed)
		if err == nil && string(opened) != text {
			t.Errorf("opened to %q", opened)
		}
		if err != nil && !isOneOf(err, openErrors) {
			t.Errorf("other error: %v", err)
		}
		_, _ = seal.DecryptAsymmetric([32]byte{1}, sealed)
		_, _ = seal.DecryptDeterministic([32]byte{1}, string(sealed))
	})
}

// TestDM3Members: members are told apart by their exact names, others are ignored.
func TestDM3Members(t *testing.T) {
	sealed, err := seal.EncryptDM3([32]byte{1}, []byte("text"), [12]byte{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for old, c := range map[string]struct {
		replacement string
		ok          bool
	}{
		`{"c`:          {` { "c`, true},
		`"nonce"`:      {`"other":[1],"nonce"`, true},
		`"ciphertext"`: {`"Ciphertext"`, false},
		`0x`:           {`0X`, false},
		`","`:          {`\\n","`, false},
		`"}`:           {`"}}`, false},
		`":"`:          {`":["`, false},
	} {
		changed := strings.Replace(string(sealed), old, c.replacement, 1)
		if changed == string(sealed) {
			t.Fatalf("%s does not occur in %s", old, sealed)
		}
		text, err := seal.DecryptDM3([32]byte{1}, []byte(changed), 1)
		if (err == nil) != c.ok || c.ok && string(text) != "text" {
			t.Errorf("%s: %q, %v", changed, text, err)
		}
	}
	for _, padding := range []int{0, -1, seal.MaxPlaintext + 1} {
		if _, err := seal.DecryptDM3([32]byte{1}, sealed, padding); !errors.Is(err, seal.ErrPadding) {
			t.Errorf("padding %d: %v", padding, err)
		}
		if _, err := seal.EncryptDM3([32]byte{1}, nil, [12]byte{}, padding); !errors.Is(err, seal.ErrPadding) {
			t.Errorf("padding %d: %v", padding, err)
		}
	}
}
