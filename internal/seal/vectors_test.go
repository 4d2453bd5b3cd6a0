package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// vectors reads the groups of testdata/vectors.json that this package answers for.
type vectors struct {
	KeyExchange struct {
		SenderKeyPair, ReceiverKeyPair keyPair
		SenderSession, ReceiverSession struct{ SharedRx, SharedTx string }
	}
	Encryption struct {
		Key      string
		Cases    []encryptionCase
		Negative []struct {
			Name, Key, Error string
			Payload          json.RawMessage
			PlaintextEscaped string
		}
	}
	DeterministicEncryption struct {
		AccountEnsName, AccountNonce, Key string
		Padding                           int
		Cases                             []struct{ Plaintext, Payload, Wire string }
	}
	AsymmetricEncryption struct {
		ReceiverKeyPair keyPair
		Cases           []struct {
			EphemeralKeyPair                            keyPair
			EphemeralSeed, SharedTx, Plaintext, Payload string
			Nonce, Wire                                 string
		}
	}
	SeedContainersEncryptedWithStorageKey struct {
		Root, Conversation seedContainer
	}
	Identities map[string]struct {
		StorageKey  string
		ProfileKeys struct{ EncryptionKeyPair keyPair }
	}
	DeliveryServiceKeys struct{ EncryptionKeyPair keyPair }
	Messages            []struct {
		Name                 string
		Stringified          string
		Published171Envelope struct {
			EncryptedMessageHash string
			EncryptedEnvelopSize int
			EncryptedEnvelop     *struct {
				Message  string
				Metadata struct{ DeliveryInformation string }
			}
			Envelop struct {
				Metadata struct{ DeliveryInformation json.RawMessage }
			}
			Decrypted struct{ Message json.RawMessage }
		}
	}
}

type keyPair struct{ PublicKey, PrivateKey string }

type seedContainer struct{ Key, Plaintext, Nonce, Stored string }

type encryptionCase struct {
	Name, NonceIn, Plaintext, PlaintextRepeat, NonceOut, Ciphertext, Payload string
	Padding, Utf8Length, CiphertextLength                                    int
	CiphertextBase64Sha256                                                   string
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func key(t testing.TB, text string) [32]byte {
	t.Helper()
	key, err := identity.ParseKey(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return key
}

func nonce(t testing.TB, text string) (n [12]byte) {
	t.Helper()
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(raw) != len(n) {
		t.Fatalf("nonce %q", text)
	}
	return [12]byte(raw)
}

func TestVectorsKeyExchange(t *testing.T) {
	v := readVectors(t).KeyExchange
	client, err := seal.ClientSession(key(t, v.SenderKeyPair.PrivateKey), key(t, v.ReceiverKeyPair.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	server, err := seal.ServerSession(key(t, v.ReceiverKeyPair.PrivateKey), key(t, v.SenderKeyPair.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"sender receive":    {identity.EncodeKey(client.Receive[:]), v.SenderSession.SharedRx},
		"sender transmit":   {identity.EncodeKey(client.Transmit[:]), v.SenderSession.SharedTx},
		"receiver receive":  {identity.EncodeKey(server.Receive[:]), v.ReceiverSession.SharedRx},
		"receiver transmit": {identity.EncodeKey(server.Transmit[:]), v.ReceiverSession.SharedTx},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
		}
	}
	if _, err := seal.ClientSession(key(t, v.SenderKeyPair.PrivateKey), [32]byte{}); err == nil {
		t.Error("a public key of zeros must be refused")
	}
}

func TestVectorsEncryption(t *testing.T) {
	v := readVectors(t).Encryption
	if len(v.Cases) != 14 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	storageKey := key(t, v.Key)
	for _, c := range v.Cases {
		text := c.Plaintext
		if c.PlaintextRepeat != "" {
			text = strings.Repeat(c.PlaintextRepeat, c.Utf8Length/len(c.PlaintextRepeat)+1)[:c.Utf8Length]
		}
		stored, err := seal.EncryptDM3(storageKey, []byte(text), nonce(t, c.NonceIn), c.Padding)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if c.Payload != "" && string(stored) != c.Payload {
			t.Errorf("%s: stored form differs", c.Name)
		}
		checkCiphertext(t, c, stored)
		plain, err := seal.DecryptDM3(storageKey, stored, c.Padding)
		if err != nil || string(plain) != text {
			t.Errorf("%s: decrypting: %v", c.Name, err)
		}
	}
}

func checkCiphertext(t *testing.T, c encryptionCase, stored []byte) {
	t.Helper()
	var payload struct{ Ciphertext, Nonce string }
	if err := json.Unmarshal(stored, &payload); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(payload.Ciphertext)
	if err != nil || len(raw) != c.CiphertextLength || payload.Nonce != c.NonceOut {
		t.Errorf("%s: %d bytes, nonce %s, %v", c.Name, len(raw), payload.Nonce, err)
	}
	if c.Ciphertext != "" && c.Ciphertext != payload.Ciphertext {
		t.Errorf("%s: ciphertext differs", c.Name)
	}
	if c.CiphertextBase64Sha256 != "" && string(container.Hash(payload.Ciphertext)) != c.CiphertextBase64Sha256 {
		t.Errorf("%s: hash of the ciphertext differs", c.Name)
	}
}

func TestVectorsEncryptionNegative(t *testing.T) {
	v := readVectors(t).Encryption
	if len(v.Negative) != 7 {
		t.Fatalf("%d cases", len(v.Negative))
	}
	for _, c := range v.Negative {
		if c.Name == "loneSurrogatePlaintext" {
			// What JavaScript holds as a lone surrogate is not UTF-8 in Go.
			if _, err := seal.EncryptDM3([32]byte{}, []byte("\xed\xa0\x80"), [12]byte{}, 1); err == nil {
				t.Error("a lone surrogate must be refused")
			}
			continue
		}
		storageKey, padding := key(t, v.Key), 2048
		if c.Key != "" {
			storageKey = key(t, c.Key)
		}
		if c.Name == "padding2048DecryptedAs1" {
			padding = 1
		}
		if plain, err := seal.DecryptDM3(storageKey, c.Payload, padding); err == nil {
			t.Errorf("%s: decrypted to %q, want an error (%s)", c.Name, plain, c.Error)
		}
	}
}

func TestVectorsDeterministicEncryption(t *testing.T) {
	v := readVectors(t).DeterministicEncryption
	private := key(t, v.Key)
	for _, c := range v.Cases {
		stored, err := seal.EncryptDM3(private, []byte(c.Plaintext), nonce(t, v.AccountNonce), v.Padding)
		if err != nil || string(stored) != c.Payload {
			t.Errorf("%q: stored form %s, %v", c.Plaintext, stored, err)
		}
		wire, err := seal.EncryptDeterministic(private, v.AccountEnsName, c.Plaintext)
		if err != nil || wire != c.Wire {
			t.Errorf("%q: wire form %s, %v", c.Plaintext, wire, err)
		}
		if plain, err := seal.DecryptDeterministic(private, c.Wire); err != nil || plain != c.Plaintext {
			t.Errorf("%q: decrypted to %q, %v", c.Plaintext, plain, err)
		}
	}
}

func TestVectorsAsymmetricEncryption(t *testing.T) {
	v := readVectors(t).AsymmetricEncryption
	for i, c := range v.Cases {
		ephemeral := identity.FromStorageKey(key(t, c.EphemeralSeed))
		public := ephemeral.EncryptionPublic()
		if identity.EncodeKey(public[:]) != c.EphemeralKeyPair.PublicKey {
			t.Errorf("%d: ephemeral key", i)
		}
		session, err := seal.ClientSession(ephemeral.EncryptionPrivate(), key(t, v.ReceiverKeyPair.PublicKey))
		if err != nil || identity.EncodeKey(session.Transmit[:]) != c.SharedTx {
			t.Errorf("%d: transmit key, %v", i, err)
		}
		stored, err := seal.EncryptAsymmetric(key(t, v.ReceiverKeyPair.PublicKey), []byte(c.Plaintext), ephemeral.EncryptionPrivate(), nonce(t, c.Nonce))
		if err != nil || string(stored) != c.Payload || seal.EncodeWire(stored) != c.Wire {
			t.Errorf("%d: stored or wire form differs, %v", i, err)
		}
		unwired, err := seal.DecodeWire(c.Wire)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := seal.DecryptAsymmetric(key(t, v.ReceiverKeyPair.PrivateKey), unwired)
		if err != nil || string(plain) != c.Plaintext {
			t.Errorf("%d: decrypted to %q, %v", i, plain, err)
		}
	}
}

func TestVectorsSeedContainersEncryptedWithStorageKey(t *testing.T) {
	v := readVectors(t)
	seeds := v.SeedContainersEncryptedWithStorageKey
	storageKey := key(t, v.Encryption.Key)
	sealer, err := seal.New(storageKey, &seal.Options{DM3: true})
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range map[container.Kind]seedContainer{container.KindRoot: seeds.Root, container.KindConversation: seeds.Conversation} {
		stored, err := seal.EncryptDM3(storageKey, []byte(c.Plaintext), nonce(t, c.Nonce), 2048)
		if err != nil || string(stored) != c.Stored {
			t.Errorf("%v: stored form differs, %v", kind, err)
		}
		plain, err := sealer.Open(nil, kind, container.Key(c.Key), []byte(c.Stored))
		if err != nil || string(plain) != c.Plaintext {
			t.Errorf("%v: opened to %q, %v", kind, plain, err)
		}
	}
}
