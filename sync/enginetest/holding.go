package enginetest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
)

// Holding opens every object of a place and returns those that hold a text, be it in a state
// that travels inside a head: their sealed bytes, by name. One that can't be opened fails the test.
func Holding(t testing.TB, place providers.Store, sealer *seal.Sealer, text string) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	for object, err := range place.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := place.Get(t.Context(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		if holds(t, sealer, object.Name, sealed, text) {
			found[object.Name] = sealed
		}
	}
	return found
}

func holds(t testing.TB, sealer *seal.Sealer, name string, sealed []byte, text string) bool {
	t.Helper()
	key, _, _ := strings.Cut(name, "/")
	for _, kind := range []container.Kind{container.KindHead, container.KindRoot, container.KindConversation, container.KindChunk} {
		plain, err := sealer.Open(nil, kind, container.Key(key), sealed)
		if err != nil {
			continue
		}
		return bytes.Contains(plain, []byte(text)) || kind == container.KindHead && headHolds(t, sealer, plain, text)
	}
	t.Errorf("%s can't be opened", name)
	return false
}

func headHolds(t testing.TB, sealer *seal.Sealer, plain []byte, text string) bool {
	t.Helper()
	head, err := container.DecodeHead(plain)
	if err != nil {
		t.Fatal(err)
	}
	for ref := range head.States() {
		if ref.Length == 0 {
			continue
		}
		body, err := sealer.OpenBody(nil, head.Body(ref))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(text)) {
			return true
		}
	}
	return false
}
