package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// vectors reads the groups of testdata/vectors.json that this package answers for.
type vectors struct {
	DefaultNonce string
	Identities   map[string]identityVector
	UserProfile  struct {
		Profile                                 identity.UserProfile
		Stringified, CreationMessage, Signature string
	}
	Signatures          []struct{ Payload, SigningPrivateKey, Signature string }
	ContainerKeys       []struct{ OwnEnsName, Signature, RootKey string }
	DeliveryServiceKeys struct{ EncryptionKeyPair, SigningKeyPair keyPair }
	MessageState        map[string]identity.MessageState
	ServerIds           []struct{ EnsName, ClientMessageId, StoredId string }
	NormalizeEnsName    []struct{ Input, InputEscaped, Output, Error string }
	Messages            []messageVector
}

type keyPair struct{ PublicKey, PrivateKey string }

type identityVector struct {
	WalletPrivateKey, Address, Nonce, Message, MessageSha256 string
	Eip191Digest, Signature, StorageKey, StorageKeyHex       string
	ProfileKeys                                              struct {
		EncryptionKeyPair, SigningKeyPair            keyPair
		StorageEncryptionKey, StorageEncryptionNonce string
	}
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

func profileOf(t testing.TB, storageKey string) identity.Profile {
	t.Helper()
	key, err := identity.ParseKey(storageKey)
	if err != nil {
		t.Fatal(err)
	}
	return identity.FromStorageKey(key)
}

// same reports a difference.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestVectorsIdentities(t *testing.T) {
	v := readVectors(t)
	same(t, "default nonce", identity.DefaultNonce, v.DefaultNonce)
	same(t, "hash behind the default nonce", string(container.Hash("dm3_default_nonce")), v.DefaultNonce)
	if len(v.Identities) != 4 {
		t.Fatalf("%d identities", len(v.Identities))
	}
	for name, c := range v.Identities {
		t.Run(name, func(t *testing.T) { checkIdentity(t, c) })
	}
}

func checkIdentity(t *testing.T, c identityVector) {
	wallet, err := identity.ParseWalletKey(c.WalletPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "address", wallet.Address(), c.Address)
	message := identity.CreationMessage(c.Nonce, strings.ToLower(c.Address))
	same(t, "message", message, c.Message)
	same(t, "hash of the message", string(container.Hash(message)), c.MessageSha256)
	same(t, "digest", container.MessageHash(identity.PersonalDigest(message)).String(), c.Eip191Digest)
	same(t, "signature", wallet.Sign(message), c.Signature)
	if err := identity.VerifyWallet(message, c.Signature, strings.ToLower(c.Address)); err != nil {
		t.Error(err)
	}
	key, err := identity.StorageKey(c.Signature)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "storage key", identity.EncodeKey(key[:]), c.StorageKey)
	same(t, "storage key, hex", container.MessageHash(key).String(), c.StorageKeyHex)
	profile := identity.FromStorageKey(key)
	checkKeys(t, profile, c.ProfileKeys.EncryptionKeyPair, c.ProfileKeys.SigningKeyPair)
	stored := profile.StorageKey()
	same(t, "key in the profile", identity.EncodeKey(stored[:]), c.ProfileKeys.StorageEncryptionKey)
	same(t, "nonce in the profile", c.Nonce, c.ProfileKeys.StorageEncryptionNonce)
}

func checkKeys(t *testing.T, profile identity.Profile, encryption, signing keyPair) {
	t.Helper()
	encryptionPublic, encryptionPrivate := profile.EncryptionPublic(), profile.EncryptionPrivate()
	signingPublic, signingPrivate := profile.SigningPublic(), profile.SigningPrivate()
	same(t, "encryption public", identity.EncodeKey(encryptionPublic[:]), encryption.PublicKey)
	same(t, "encryption private", identity.EncodeKey(encryptionPrivate[:]), encryption.PrivateKey)
	same(t, "signing public", identity.EncodeKey(signingPublic[:]), signing.PublicKey)
	same(t, "signing private", identity.EncodeKey(signingPrivate[:]), signing.PrivateKey)
}

func TestVectorsUserProfile(t *testing.T) {
	v := readVectors(t)
	alice := v.Identities["a0"]
	profile := profileOf(t, alice.StorageKey).UserProfile(v.UserProfile.Profile.DeliveryServices...)
	text, err := profile.Text()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "text", text, v.UserProfile.Stringified)
	message := identity.ProfileCreationMessage(text, alice.Address)
	same(t, "creation message", message, v.UserProfile.CreationMessage)
	wallet, err := identity.ParseWalletKey(alice.WalletPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "signature", wallet.Sign(message), v.UserProfile.Signature)
	if err := identity.VerifyWallet(message, v.UserProfile.Signature, alice.Address); err != nil {
		t.Error(err)
	}
}

func TestVectorsSignatures(t *testing.T) {
	v := readVectors(t)
	profile := profileOf(t, v.Identities["a0"].StorageKey)
	signing := profile.SigningPrivate()
	for _, c := range v.Signatures {
		same(t, "signing key", identity.EncodeKey(signing[:]), c.SigningPrivateKey)
		same(t, "signature of "+c.Payload, profile.Sign(c.Payload), c.Signature)
		if !profile.Verify(c.Payload, c.Signature) || profile.Verify(c.Payload+" ", c.Signature) {
			t.Errorf("verifying the signature of %q", c.Payload)
		}
	}
}

func TestVectorsContainerKeys(t *testing.T) {
	v := readVectors(t)
	profile := profileOf(t, v.Identities["a0"].StorageKey)
	for _, c := range v.ContainerKeys {
		signature, err := profile.RootSignature(strings.ToUpper(c.OwnEnsName))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "signature of "+c.OwnEnsName, signature, c.Signature)
		same(t, "root key of "+c.OwnEnsName, string(container.RootKey(signature)), c.RootKey)
	}
	same(t, "account name", identity.AccountName(v.Identities["a0"].Address), v.ContainerKeys[0].OwnEnsName)
	if _, err := profile.RootSignature("-x.eth"); err == nil {
		t.Error("a name that cannot be normalised was signed")
	}
}

func TestVectorsDeliveryServiceKeys(t *testing.T) {
	v := readVectors(t).DeliveryServiceKeys
	signing, err := base64.StdEncoding.DecodeString(v.SigningKeyPair.PrivateKey)
	if err != nil || len(signing) != 64 {
		t.Fatalf("%d bytes, %v", len(signing), err)
	}
	// The seed, which is the storage key, is the first half of the signing key.
	checkKeys(t, identity.FromStorageKey([32]byte(signing[:32])), v.EncryptionKeyPair, v.SigningKeyPair)
}

func TestVectorsMessageState(t *testing.T) {
	states := map[string]identity.MessageState{
		"Created": identity.StateCreated, "Signed": identity.StateSigned, "Send": identity.StateSend,
		"Read": identity.StateRead, "FailedToSend": identity.StateFailedToSend,
	}
	v := readVectors(t).MessageState
	if len(v) != len(states) {
		t.Errorf("%d states, want %d", len(states), len(v))
	}
	for name, want := range v {
		if got, ok := states[name]; !ok || got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestVectorsServerIds(t *testing.T) {
	for _, c := range readVectors(t).ServerIds {
		id, err := identity.ServerMessageID(strings.ToUpper(c.EnsName), c.ClientMessageId)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.EnsName, id, c.StoredId)
	}
	if _, err := identity.ServerMessageID("-x.eth", "0x"); err == nil {
		t.Error("a name that cannot be normalised has an identifier")
	}
}
