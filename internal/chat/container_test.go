package chat_test

import (
	"bytes"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
)

// What the generator writes must be what the store reads, byte for byte.
func TestContainerTakesEnvelopesAsTheyAre(t *testing.T) {
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	for _, line := range append(everyTenth(sampleLines(t)), oddLines...) {
		message := generator.Message(line)
		envelope, sides, err := container.ParseEnvelope(message.JSON)
		if err != nil {
			t.Fatalf("%+v: %v", line, err)
		}
		if !bytes.Equal(envelope.JSON, message.JSON) {
			t.Fatalf("canonical form differs:\n got %s\nwant %s", envelope.JSON, message.JSON)
		}
		if envelope.Hash.String() != message.Hash || envelope.Timestamp != message.Timestamp {
			t.Errorf("%+v: hash %s at %d, want %s at %d", line, envelope.Hash, envelope.Timestamp, message.Hash, message.Timestamp)
		}
		if sides.From != message.Contact && sides.To != message.Contact {
			t.Errorf("%+v: contact %s is on no side: %+v", line, message.Contact, sides)
		}
	}
}
