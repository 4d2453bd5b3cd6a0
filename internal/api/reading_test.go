package api

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func TestReadingTravels(t *testing.T) {
	text := fmt.Sprintf(`{"message":{"message":"<&> é","metadata":{"from":"a","timestamp":5,"to":"b","type":"NEW"},"signature":%q}}`,
		base64.StdEncoding.EncodeToString(make([]byte, 64)))
	envelope, _, err := container.ParseEnvelope([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	gaps := []engine.Gap{{First: 1, Last: 2, Messages: 3, Fetch: 4}}
	fake := &fakeAccount{page: engine.Page{Messages: []container.Envelope{envelope}, Fetched: 2, Gaps: gaps}}
	client, _ := serve(t, fakeBackend{"alice & co.eth": fake})
	account := client.Account("alice & co.eth")
	ctx := t.Context()

	slice, err := account.Read(ctx, "bob & co", history.ReadOptions{Before: "b", After: "a", Around: 7, Limit: 8, Local: true})
	if diff := cmp.Diff(history.Slice{Page: fake.page, Older: "older", End: "end"}, slice); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if found, err := account.Message(ctx, "bob", envelope.Hash); err != nil || !cmp.Equal(found, envelope) {
		t.Error(found, err)
	}
	want, _ := fake.Stretches(ctx, "bob")
	if list, err := account.Stretches(ctx, "bob"); err != nil || !slices.Equal(list, want) {
		t.Error(list, err)
	}
	var steps []engine.Progress
	if err := account.Fetch(ctx, "bob", 3, 9, func(p engine.Progress) { steps = append(steps, p) }); err != nil || len(steps) > 1 {
		t.Error(steps, err)
	}
	got := []string{
		`read "bob & co" {Before:b After:a Around:7 Limit:8 Local:true}`, `message "bob" ` + envelope.Hash.String(),
		`stretches "bob"`, `stretches "bob"`, `fetch "bob" 3 9`,
	}
	if !slices.Equal(fake.got, got) {
		t.Errorf("%q", fake.got)
	}
}
