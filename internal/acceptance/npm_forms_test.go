package acceptance

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// pair is a key pair as the packages write it.
type pair struct {
	Public  string `json:"publicKey"`
	Private string `json:"privateKey"`
}

// pairs are an account's key pairs in that form.
func pairs(keys identity.Profile) (encryption, signing pair) {
	public, private := keys.EncryptionPublic(), keys.EncryptionPrivate()
	verify, sign := keys.SigningPublic(), keys.SigningPrivate()
	return pair{identity.EncodeKey(public[:]), identity.EncodeKey(private[:])}, pair{identity.EncodeKey(verify[:]), identity.EncodeKey(sign[:])}
}

// profileKeys are all keys in the form of the packages.
func profileKeys(keys identity.Profile) map[string]any {
	encryption, signing := pairs(keys)
	storage := keys.StorageKey()
	return map[string]any{
		"encryptionKeyPair": encryption, "signingKeyPair": signing,
		"storageEncryptionKey": identity.EncodeKey(storage[:]), "storageEncryptionNonce": identity.DefaultNonce,
	}
}

// TestPackagesKeys: from a wallet's key to all keys of the account, both come to the same.
func TestPackagesKeys(t *testing.T) {
	p := newPackages(t)
	for range 5 {
		raw := p.bytes(32)
		raw[0] &= 0x7f // below the curve's order
		text := "0x" + hex.EncodeToString(raw)
		wallet, err := identity.ParseWalletKey(text)
		if err != nil {
			t.Fatal(err)
		}
		nonce := p.words(20)
		message := p.text("crypto", "getStorageKeyCreationMessage", nonce, wallet.Address())
		if own := identity.CreationMessage(nonce, wallet.Address()); own != message {
			t.Errorf("creation message %q, want %q", own, message)
		}
		var signed struct{ Address, Signature string }
		p.call(&signed, "own", "wallet", text, message)
		if wallet.Address() != signed.Address || wallet.Sign(message) != signed.Signature {
			t.Error("the wallets differ")
		}
		storage := p.text("crypto", "createStorageKey", signed.Signature)
		key, err := identity.StorageKey(signed.Signature)
		if err != nil || identity.EncodeKey(key[:]) != storage {
			t.Fatalf("storage key: %v", err)
		}
		encryption, signing := pairs(identity.FromStorageKey(key))
		var other pair
		if p.call(&other, "crypto", "createKeyPair", storage); other != encryption {
			t.Error("encryption pair")
		}
		if p.call(&other, "crypto", "createSigningKeyPair", storage); other != signing {
			t.Error("signing pair")
		}
		profile, err := identity.FromStorageKey(key).UserProfile(p.words(5), "ds.eth").Text()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.text("own", "stringify", profile); got != profile {
			t.Errorf("profile %q, want %q", profile, got)
		}
		if got := p.text("profile", "getProfileCreationMessage", profile, wallet.Address()); got != identity.ProfileCreationMessage(profile, wallet.Address()) {
			t.Errorf("profile creation message %q", got)
		}
	}
}

// TestPackagesNames: names are normalised alike, or refused alike.
func TestPackagesNames(t *testing.T) {
	p := newPackages(t)
	names := []string{"Alice.ETH", "ﬀ.eth", "a--b.eth", "ab--c", "-a", "a_b.eth", " a", "İ.eth", "ß.eth", "\u00ad", "日本.eth"}
	for range 40 {
		names = append(names, p.words(1+p.random.IntN(8)))
	}
	for _, name := range names {
		var want string
		failed := p.try(&want, "profile", "normalizeEnsName", name)
		got, err := identity.Normalize(name)
		if (err == nil) != (failed == nil) || err == nil && got != want {
			t.Errorf("%q: %q %v, want %q %v", name, got, err, want, failed)
		}
	}
}

// TestPackagesCanonical: documents are written alike, and their hashes are the same.
func TestPackagesCanonical(t *testing.T) {
	p := newPackages(t)
	for range 300 {
		document := p.document(4)
		want := p.text("own", "stringify", document)
		got, err := container.Canonical(nil, []byte(document))
		if err != nil || string(got) != want {
			t.Fatalf("%s\n%s\n%s %v", document, want, got, err)
		}
	}
	for range 20 {
		text := p.words(30)
		if got := p.text("shared", "sha256", text); got != string(container.Hash(text)) {
			t.Errorf("hash of %q: %s", text, got)
		}
	}
}

// TestPackagesSeals: what one side seals the other one opens, in the forms of containers, names and messages.
func TestPackagesSeals(t *testing.T) {
	p := newPackages(t)
	keys := identity.FromStorageKey(p.key())
	encryption, _ := pairs(keys)
	key := keys.StorageKey()
	for _, n := range p.lengths() {
		text := p.words(n)
		for _, padding := range []int{2048, 1} {
			sealed, err := seal.EncryptDM3(key, []byte(text), [12]byte(p.bytes(12)), padding)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.text("crypto", "decrypt", identity.EncodeKey(key[:]), json.RawMessage(sealed), padding); got != text {
				t.Errorf("%d characters, padding %d: node reads %d", n, padding, len(got))
			}
			var theirs json.RawMessage
			p.call(&theirs, "crypto", "encrypt", identity.EncodeKey(key[:]), text, nil, padding)
			if got, err := seal.DecryptDM3(key, theirs, padding); err != nil || string(got) != text {
				t.Errorf("%d characters, padding %d: %v", n, padding, err)
			}
		}
		sealed, err := seal.EncryptAsymmetric(keys.EncryptionPublic(), []byte(text), p.key(), [12]byte(p.bytes(12)))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.text("crypto", "decryptAsymmetric", encryption, json.RawMessage(sealed)); got != text {
			t.Errorf("%d characters to a public key: node reads %d", n, len(got))
		}
		var theirs json.RawMessage
		p.call(&theirs, "crypto", "encryptAsymmetric", encryption.Public, text)
		if got, err := seal.DecryptAsymmetric(keys.EncryptionPrivate(), theirs); err != nil || string(got) != text {
			t.Errorf("%d characters to a public key: %v", n, err)
		}
	}
}

// message makes a message of a kind by the packages, signed with the keys.
func (p *packages) message(kind string, keys identity.Profile) (message json.RawMessage) {
	_, signing := pairs(keys)
	reference := "0x" + hex.EncodeToString(p.bytes(32))
	switch kind {
	case "createMessage":
		attachments := []map[string]string{{"name": p.words(5), "data": "data:text/plain;base64,AAAA"}}
		p.call(&message, "messaging", kind, "bob.eth", "alice.eth", p.words(p.random.IntN(50)), signing.Private, attachments)
	case "createDeleteRequestMessage":
		p.call(&message, "messaging", kind, "bob.eth", "alice.eth", signing.Private, reference)
	default:
		p.call(&message, "messaging", kind, "bob.eth", "alice.eth", p.words(20), signing.Private, reference)
	}
	return message
}

// hashOf is the identity that dm3sync gives a message, and what it finds out about its signature.
func hashOf(t *testing.T, message json.RawMessage, public [32]byte) (hash string, signed bool) {
	t.Helper()
	envelope, _, err := container.ParseEnvelope(fmt.Appendf(nil, `{"message":%s}`, message))
	if err != nil {
		t.Fatal(err)
	}
	text, signature, err := identity.SignedText(message)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Hash.String(), identity.Verify(public, string(text), signature)
}

// TestPackagesMessages: messages of each kind, and of either side, have one hash and one signature.
func TestPackagesMessages(t *testing.T) {
	p := newPackages(t)
	keys := identity.FromStorageKey(p.key())
	_, signing := pairs(keys)
	for _, kind := range []string{
		"createMessage", "createDeleteRequestMessage", "createEditMessage", "createReplyMessage", "createReactionMessage",
		"createReadOpenMessage", "createReadReceiveMessage",
	} {
		message := p.message(kind, keys)
		hash, signed := hashOf(t, message, keys.SigningPublic())
		if want := p.text("shared", "sha256", p.text("own", "stringify", string(message))); hash != want || !signed {
			t.Errorf("%s: hash %s, want %s; signed %v", kind, hash, want, signed)
		}
	}
	for range 10 {
		unsigned := fmt.Sprintf(`{"message":%s,"metadata":{"type":"NEW","to":"bob.eth","from":"alice.eth","timestamp":%d}}`, p.quoted(40), p.random.Int64N(1<<53))
		text, err := container.Canonical(nil, []byte(unsigned))
		if err != nil {
			t.Fatal(err)
		}
		message := strings.TrimSuffix(string(text), "}") + `,"signature":"` + keys.Sign(string(text)) + `"}`
		var good bool
		if p.call(&good, "messaging", "checkMessageSignature", json.RawMessage(message), signing.Public, "alice.eth"); !good {
			t.Error("node does not know the signature of", message)
		}
		hash, signed := hashOf(t, json.RawMessage(message), keys.SigningPublic())
		if hash != p.text("shared", "sha256", message) || !signed {
			t.Error("hash", hash, signed)
		}
	}
	if signature := keys.Sign("text"); p.text("crypto", "sign", signing.Private, "text") != signature {
		t.Error("signatures of a text differ")
	}
}

// TestPackagesEnvelopes: an envelope that a sender and a delivery service made with the packages is opened here, its parts'
// signatures are true, and one that is made here is opened by the packages.
func TestPackagesEnvelopes(t *testing.T) {
	p := newPackages(t)
	alice, bob, service := identity.FromStorageKey(p.key()), identity.FromStorageKey(p.key()), identity.FromStorageKey(p.key())
	serviceEncryption, serviceSigning := pairs(service)
	message := p.message("createMessage", alice)
	var dispatched struct {
		Envelope dm3api.EncryptionEnvelop `json:"encryptedEnvelop"`
	}
	p.call(&dispatched, "own", "envelop", message, map[string]any{
		"from": map[string]any{"ensName": "alice.eth", "profile": alice.UserProfile()},
		"to":   map[string]any{"ensName": "bob.eth", "profile": bob.UserProfile()},
		"deliverServiceProfile": map[string]any{
			"publicEncryptionKey": serviceEncryption.Public, "publicSigningKey": serviceSigning.Public, "url": "http://127.0.0.1",
		},
		"keys": profileKeys(alice),
	})
	metadata, err := json.Marshal(dispatched.Envelope.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	if text, signature, err := identity.SignedText(metadata); err != nil || !identity.Verify(alice.SigningPublic(), string(text), signature) {
		t.Error("the metadata's signature:", err)
	}
	var handled struct {
		Envelope    dm3api.EncryptionEnvelop   `json:"encryptedEnvelop"`
		Information dm3api.DeliveryInformation `json:"decryptedDeliveryInformation"`
	}
	p.call(&handled, "messaging", "handleMessageOnDeliveryService", dispatched.Envelope, profileKeys(service), bob.UserProfile())
	if handled.Information.From != "alice.eth" || handled.Information.To != "bob.eth" {
		t.Errorf("%+v", handled.Information)
	}
	opened, err := seal.DecryptAsymmetric(bob.EncryptionPrivate(), []byte(handled.Envelope.Message))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := hashOf(t, message, alice.SigningPublic())
	if hash, signed := hashOf(t, opened, alice.SigningPublic()); hash != want || !signed {
		t.Errorf("hash %s, want %s; signed %v", hash, want, signed)
	}
	postmark, err := seal.DecryptAsymmetric(bob.EncryptionPrivate(), []byte(handled.Envelope.Postmark))
	if err != nil {
		t.Fatal(err)
	}
	text, signature, err := identity.SignedText(postmark)
	if err != nil || !identity.Verify(service.SigningPublic(), string(container.Hash(string(text))), signature) {
		t.Errorf("the postmark's signature over %s: %v", text, err)
	}
	p.opensOurs(t, message, postmark, bob)
}

// opensOurs lets the packages open an envelope that was sealed here.
func (p *packages) opensOurs(t *testing.T, message, postmark []byte, to identity.Profile) {
	t.Helper()
	encryption, _ := pairs(to)
	envelope := dm3api.EncryptionEnvelop{Metadata: dm3api.EnvelopeMetadata{Version: "v1", DeliveryInformation: json.RawMessage(`{"from":"alice.eth","to":"bob.eth"}`)}}
	for _, part := range []struct {
		text []byte
		to   *string
	}{{message, &envelope.Message}, {postmark, &envelope.Postmark}} {
		sealed, err := seal.EncryptAsymmetric(to.EncryptionPublic(), part.text, p.key(), [12]byte(p.bytes(12)))
		if err != nil {
			t.Fatal(err)
		}
		*part.to = string(sealed)
	}
	var opened struct{ Message, Postmark json.RawMessage }
	p.call(&opened, "messaging", "decryptEnvelop", envelope, encryption)
	for name, pair := range map[string][2][]byte{"message": {opened.Message, message}, "postmark": {opened.Postmark, postmark}} {
		got, errGot := container.Canonical(nil, pair[0])
		want, errWant := container.Canonical(nil, pair[1])
		if errGot != nil || errWant != nil || string(got) != string(want) {
			t.Errorf("%s: node opens %s, want %s", name, got, want)
		}
	}
}
