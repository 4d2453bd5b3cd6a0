package webui_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// errPlace is what a place that can't be reached answers.
var errPlace = fmt.Errorf("test: %w", providers.ErrTransient)

// about makes an envelope about another message than the one it was made for.
func about(t *testing.T, e container.Envelope, hash container.MessageHash) container.Envelope {
	t.Helper()
	const before = `"referenceMessageHash":"`
	at := bytes.Index(e.JSON, []byte(before)) + len(before)
	text := append(bytes.Clone(e.JSON[:at]), hash.String()...)
	text = append(text, e.JSON[at+len(hash.String()):]...)
	made, _, err := container.ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// contactNamed is a conversation with somebody of a hostile name, where that can be a name.
func contactNamed(name string, number int) []engine.Conversation {
	normal, err := identity.Normalize(name)
	if err != nil || normal == "" {
		return nil
	}
	return []engine.Conversation{{Contact: normal, Messages: number, Last: int64(number) * 1e10}}
}
