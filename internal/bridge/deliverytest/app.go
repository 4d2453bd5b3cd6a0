package deliverytest

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// App is a dm3 app of a person's at a node. A failure ends the test.
type App struct {
	*dm3api.Client
	Codec *bridge.Codec
	// Now is when messages are stored; a moment of the year 2023, unless it is set.
	Now func() time.Time
	t   testing.TB
}

// NewApp makes an app at the node with this address.
func NewApp(t testing.TB, node string, owner Person) *App {
	t.Helper()
	codec, err := bridge.NewCodec(owner.Profile, owner.Name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dm3api.NewClient(&dm3api.ClientOptions{URL: node, Account: owner.Name, Sign: Signer(owner.Profile), Normalise: identity.Normalize})
	if err != nil {
		t.Fatal(err)
	}
	return &App{Client: client, Codec: codec, Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }, t: t}
}

// Wire is a contact's name as the node sees it.
func (a *App) Wire(contact string) string {
	a.t.Helper()
	wire, err := a.Codec.EncryptName(contact)
	if err != nil {
		a.t.Fatal(err)
	}
	return wire
}

// Record is a message as the app stores it, with the app's number of its state.
func (a *App) Record(message []byte, state int, halted bool) dm3api.Record {
	a.t.Helper()
	hash := Hash(message)
	text := fmt.Sprintf(`{"envelop":{"message":%s,"metadata":{"deliveryInformation":"","encryptionScheme":"x25519-chacha20-poly1305","messageHash":%q,"signature":"","version":"v1"}},"messageState":%d,"reactions":[],"source":0}`, message, hash, state)
	wire, err := a.Codec.EncryptRecord([]byte(text))
	if err != nil {
		a.t.Fatal(err)
	}
	return dm3api.Record{CreatedAt: a.Now().UnixMilli(), MessageID: hash, Container: wire, IsHalted: halted}
}

// Store puts messages into a conversation, in their order.
func (a *App) Store(contact string, messages ...[]byte) {
	a.t.Helper()
	for i, message := range messages {
		record := a.Record(message, 2, false)
		record.CreatedAt += int64(i)
		if err := a.AddMessage(a.t.Context(), a.Wire(contact), record); err != nil {
			a.t.Fatal(err)
		}
	}
}

// Read returns the hashes of what the node holds of a conversation, in the node's order.
func (a *App) Read(contact string) (hashes []string) {
	a.t.Helper()
	for message, err := range a.Messages(a.t.Context(), a.Wire(contact), 100) {
		if err != nil {
			a.t.Fatal(err)
		}
		envelope, _, err := a.Codec.Open(message.Container)
		if err != nil {
			a.t.Fatal(err)
		}
		hashes = append(hashes, envelope.Hash.String())
	}
	return hashes
}
