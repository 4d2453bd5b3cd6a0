package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// app is what the dm3 app does at a node, with the packages and the client that it uses.
type app struct {
	*packages
	base    string
	account nodetest.Account
	token   string
}

// request sends a request as the app does.
func (a *app) request(method, path string, body, query, answer any) {
	a.t.Helper()
	var got struct {
		Status int
		Data   json.RawMessage
	}
	a.call(&got, "own", "request", a.base, method, path, a.token, body, query)
	if got.Status != 200 {
		a.t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Data)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(got.Data, answer); err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// logIn answers a challenge.
func (a *app) logIn() {
	a.t.Helper()
	_, signing := pairs(a.account.Profile)
	var challenge string
	a.request("GET", "/auth/"+a.account.Name, nil, nil, &challenge)
	signature := a.text("crypto", "sign", signing.Private, challenge)
	a.request("POST", "/auth/"+a.account.Name, map[string]string{"challenge": challenge, "signature": signature}, nil, &a.token)
}

// name encrypts a contact's name as the app does.
func (a *app) name(contact string) string {
	a.t.Helper()
	encryption, _ := pairs(a.account.Profile)
	nonce := a.text("shared", "sha256", a.account.Name)[:26]
	var payload json.RawMessage
	a.call(&payload, "crypto", "encrypt", encryption.Private, contact, nonce, 1)
	return base64.StdEncoding.EncodeToString([]byte(a.text("own", "stringify", string(payload))))
}

// container encrypts a record as the app does.
func (a *app) container(text string) string {
	a.t.Helper()
	encryption, _ := pairs(a.account.Profile)
	var payload json.RawMessage
	a.call(&payload, "crypto", "encryptAsymmetric", encryption.Public, text)
	return base64.StdEncoding.EncodeToString([]byte(a.text("own", "stringify", string(payload))))
}

// TestPackagesNode: the app's requests are understood by the server's side here, what it stored is read by the client's side,
// and what that stored the app reads.
func TestPackagesNode(t *testing.T) {
	server := nodetest.New(t)
	a := &app{packages: newPackages(t), base: server.URL, account: server.Account(1)}
	a.logIn()
	keys, base := a.account.Profile, "/storage/new/"+a.account.Name+"/"
	client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: server.URL, Account: a.account.Name, Sign: a.account.Sign, Normalise: identity.Normalize})
	if err != nil {
		t.Fatal(err)
	}
	bob := a.name("bob.eth")
	if own, err := seal.EncryptDeterministic(keys.EncryptionPrivate(), a.account.Name, "bob.eth"); err != nil || own != bob {
		t.Fatalf("bob is %s there and %s here, %v", bob, own, err)
	}
	a.request("POST", base+"addConversation", map[string]string{"encryptedContactName": bob, "encryptedProfileLocation": a.name("bob")}, nil, nil)
	message := a.message("createMessage", keys)
	hash, _ := hashOf(t, message, keys.SigningPublic())
	record := fmt.Sprintf(`{"envelop":{"message":%s,"metadata":{}},"messageState":1,"reactions":[]}`, message)
	a.request("POST", base+"addMessage", map[string]any{
		"encryptedContactName": bob, "messageId": hash, "createdAt": 1.5, "encryptedEnvelopContainer": a.container(record), "isHalted": false,
	}, nil, nil)

	// Read here.
	stored, err := client.MessagesPage(t.Context(), bob, dm3api.Page{Size: 10})
	if err != nil || len(stored) != 1 || stored[0].ID != dm3api.StoredID(a.account.Name, hash) {
		t.Fatalf("%+v %v", stored, err)
	}
	if got := opened(t, keys, stored[0].Container); got != record {
		t.Errorf("read %s, want %s", got, record)
	}
	for conversation, err := range client.Conversations(t.Context(), 5) {
		if err != nil {
			t.Fatal(err)
		}
		if name, err := seal.DecryptDeterministic(keys.EncryptionPrivate(), conversation.Contact); err != nil || name != "bob.eth" {
			t.Errorf("conversation with %q, %v", name, err)
		}
		if name, err := seal.DecryptDeterministic(keys.EncryptionPrivate(), conversation.ProfileLocation); err != nil || name != "bob" {
			t.Errorf("profile at %q, %v", name, err)
		}
	}

	// Written here, and read there.
	ours := `{"envelop":{},"messageState":3}`
	sealed, err := seal.EncryptAsymmetric(keys.EncryptionPublic(), []byte(ours), a.key(), [12]byte(a.bytes(12)))
	if err != nil {
		t.Fatal(err)
	}
	id := string(container.Hash(ours))
	if err := client.EditMessageBatch(t.Context(), bob, []dm3api.Record{{MessageID: id, CreatedAt: 1, Container: seal.EncodeWire(sealed)}}); err != nil {
		t.Fatal(err)
	}
	a.readsBoth(base+"getMessages/"+bob, map[string]string{
		dm3api.StoredID(a.account.Name, hash): record, a.text("shared", "sha256", a.account.Name+id): ours,
	})
	var conversations []dm3api.Conversation
	a.request("GET", base+"getConversations", nil, url.Values{}, &conversations)
	var number int
	a.request("GET", base+"getNumberOfMessages/"+bob, nil, nil, &number)
	if len(conversations) != 1 || conversations[0].Contact != bob || number != 2 {
		t.Errorf("%d conversations, %d messages", len(conversations), number)
	}
}

// opened opens a record as the bridge does.
func opened(t *testing.T, keys identity.Profile, wire string) string {
	t.Helper()
	stored, err := seal.DecodeWire(wire)
	if err != nil {
		t.Fatal(err)
	}
	text, err := seal.DecryptAsymmetric(keys.EncryptionPrivate(), stored)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readsBoth reads a conversation as the app does, and wants the given records by their identifiers.
func (a *app) readsBoth(path string, want map[string]string) {
	a.t.Helper()
	encryption, _ := pairs(a.account.Profile)
	var texts []string
	a.request("GET", path, nil, map[string]int{"pageSize": 10, "offset": 0}, &texts)
	if len(texts) != len(want) {
		a.t.Errorf("%d records, want %d", len(texts), len(want))
	}
	for _, text := range texts {
		var record struct {
			ID        string `json:"id"`
			Container string `json:"encryptedEnvelopContainer"`
		}
		if err := json.Unmarshal([]byte(text), &record); err != nil {
			a.t.Fatal(err)
		}
		payload, err := base64.StdEncoding.DecodeString(record.Container)
		if err != nil {
			a.t.Fatal(err)
		}
		if got := a.text("crypto", "decryptAsymmetric", encryption, json.RawMessage(payload)); got != want[record.ID] || got == "" {
			a.t.Errorf("the app reads %s, want %s", got, want[record.ID])
		}
	}
}
