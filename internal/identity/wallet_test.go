package identity_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/identity"
	"golang.org/x/crypto/sha3"
)

func keccak(text string) string {
	hash := sha3.NewLegacyKeccak256()
	hash.Write([]byte(text))
	return "0x" + hex.EncodeToString(hash.Sum(nil))
}

func TestParseWalletKey(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	for text, ok := range map[string]bool{
		strings.Repeat("11", 32):        true,
		"0X" + strings.Repeat("aB", 32): true,
		strings.Repeat("00", 32):        false,
		order:                           false,
		order[:63] + "0":                true,
		strings.Repeat("11", 31):        false,
		strings.Repeat("11", 33):        false,
		strings.Repeat("zz", 32):        false,
		"":                              false,
	} {
		if _, err := identity.ParseWalletKey(text); (err == nil) != ok || err != nil && !errors.Is(err, identity.ErrWalletKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestChecksumAddress holds the examples of EIP-55.
func TestChecksumAddress(t *testing.T) {
	for _, address := range []string{
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
		"0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
	} {
		for _, given := range []string{address, strings.ToLower(address), "0x" + strings.ToUpper(address[2:])} {
			if got, err := identity.ChecksumAddress(given); err != nil || got != address {
				t.Errorf("%s: %s, %v", given, got, err)
			}
		}
	}
	for _, bad := range []string{"", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "0xzaAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"} {
		if _, err := identity.ChecksumAddress(bad); !errors.Is(err, identity.ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := identity.CreationMessage("n", "nobody"); !strings.Contains(got, "\nnobody\n") {
		t.Errorf("an address of another form must stand as it is: %s", got)
	}
}

func TestVerifyWallet(t *testing.T) {
	alice, err := identity.ParseWalletKey(strings.Repeat("11", 32))
	if err != nil {
		t.Fatal(err)
	}
	bob, err := identity.ParseWalletKey(strings.Repeat("22", 32))
	if err != nil {
		t.Fatal(err)
	}
	signature := alice.Sign("text")
	for name, c := range map[string]struct {
		message, signature, address string
		want                        error
	}{
		"good":          {"text", signature, alice.Address(), nil},
		"other text":    {"texts", signature, alice.Address(), identity.ErrSignature},
		"other signer":  {"text", signature, bob.Address(), identity.ErrSignature},
		"no address":    {"text", signature, "alice.eth", identity.ErrAddress},
		"no signature":  {"text", "0x", alice.Address(), identity.ErrSignature},
		"no point":      {"text", "0x" + strings.Repeat("ff", 64) + "1b", alice.Address(), identity.ErrSignature},
		"zero r and s":  {"text", "0x" + strings.Repeat("00", 64) + "1b", alice.Address(), identity.ErrSignature},
		"flipped s bit": {"text", signature[:100] + flip(signature[100]) + signature[101:], alice.Address(), identity.ErrSignature},
	} {
		if err := identity.VerifyWallet(c.message, c.signature, c.address); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// flip gives another hex digit.
func flip(digit byte) string {
	if digit == '0' {
		return "1"
	}
	return "0"
}

func TestStorageKeyForms(t *testing.T) {
	for name, c := range readVectors(t).Identities {
		v := "1b"
		if strings.HasSuffix(c.Signature, "1c") {
			v = "1c"
		}
		bare := strings.TrimSuffix(c.Signature, v)
		zero := map[string]string{"1b": "00", "1c": "01"}[v]
		for _, form := range []string{c.Signature, strings.ToUpper(c.Signature), bare + zero, strings.ToUpper(bare[2:]) + zero, c.Signature[2:]} {
			key, err := identity.StorageKey(form)
			if err != nil || identity.EncodeKey(key[:]) != c.StorageKey {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
		for _, bad := range []string{"", "0x", bare, bare + "1d", bare + "02", bare + v + "00", "0x" + bare + v, strings.Replace(c.Signature, "0x", "0xg", 1), " " + c.Signature} {
			if _, err := identity.StorageKey(bad); !errors.Is(err, identity.ErrSignature) {
				t.Errorf("%s, %s: %v", name, bad, err)
			}
		}
	}
}

func FuzzStorageKey(f *testing.F) {
	for _, c := range readVectors(f).Identities {
		f.Add(c.Signature)
		f.Add(strings.ToUpper(c.Signature))
	}
	f.Add("0x")
	f.Fuzz(func(t *testing.T, signature string) {
		key, err := identity.StorageKey(signature)
		if err != nil {
			if !errors.Is(err, identity.ErrSignature) {
				t.Errorf("other error: %v", err)
			}
			return
		}
		for _, form := range []string{strings.ToUpper(signature), strings.ToLower(signature)} {
			if same, err := identity.StorageKey(form); err != nil || same != key {
				t.Errorf("%s gives another key: %v", form, err)
			}
		}
		_, _ = identity.RecoverAddress("text", signature)
	})
}

// TestSecretsDoNotPrint puts secrets through the ways by which they could reach a log.
func TestSecretsDoNotPrint(t *testing.T) {
	wallet, err := identity.ParseWalletKey(strings.Repeat("4b", 32))
	if err != nil {
		t.Fatal(err)
	}
	profile := identity.FromStorageKey([32]byte(bytes.Repeat([]byte("K"), 32)))
	for _, secret := range []any{wallet, profile, &wallet, &profile, struct{ P identity.Profile }{profile}} {
		shown := fmt.Sprintf("%v %+v %#v %s %x", secret, secret, secret, secret, secret)
		encoded, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(encoded)
		for _, leak := range []string{"4b4b", "KK", "75 75", "0x4b"} {
			if strings.Contains(shown, leak) {
				t.Errorf("%T shows its secret: %s", secret, shown)
			}
		}
	}
	for _, bad := range []string{"secret", "c2VjcmV0"} {
		if _, err := identity.ParseKey(bad); !errors.Is(err, identity.ErrKey) || strings.Contains(err.Error(), bad) {
			t.Errorf("%v", err)
		}
	}
}
