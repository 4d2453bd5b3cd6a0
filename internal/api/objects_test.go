package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fakeObjects is an account with objects.
type fakeObjects struct {
	*fakeAccount
	objects map[string][]byte
}

func (f *fakeObjects) Inventory(context.Context) (engine.Inventory, error) {
	return engine.Inventory{Objects: []string{"a/1", "h/2"}, Containers: []string{"h", "a"}}, f.fail
}

func (f *fakeObjects) Object(_ context.Context, name string, cached bool) ([]byte, error) {
	f.note("object %s %v", name, cached)
	if data, ok := f.objects[name]; ok && f.fail == nil {
		return data, nil
	}
	return nil, errors.Join(f.fail, providers.ErrNotFound)
}

func (f *fakeObjects) Lacking(_ context.Context, heads map[string][]byte) ([]string, error) {
	f.note("lacking beside %q", heads["h/2"])
	return []string{"a/1"}, f.fail
}

func (f *fakeObjects) PutBack(_ context.Context, name string, sealed []byte) error {
	if f.fail == nil {
		f.objects[name] = sealed
	}
	return f.fail
}

// TestObjects: objects travel as they are, and what is wrong with them travels as well.
func TestObjects(t *testing.T) {
	every := make([]byte, 1<<16)
	for i := range every {
		every[i] = byte(i)
	}
	fake := &fakeObjects{&fakeAccount{}, map[string][]byte{"a/1": every}}
	client, _ := serve(t, fakeBackend{"alice.eth": fake, "plain.eth": fake.fakeAccount})
	account, ok := client.Account("alice.eth").(Objects)
	if !ok {
		t.Fatal("a remote account gives no objects")
	}
	ctx := t.Context()
	found, err := account.Inventory(ctx)
	if err != nil || !slices.Equal(found.Objects, []string{"a/1", "h/2"}) || !slices.Equal(found.Containers, []string{"h", "a"}) {
		t.Errorf("%+v, %v", found, err)
	}
	if sealed, err := account.Object(ctx, "a/1", true); err != nil || !bytes.Equal(sealed, every) {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	if list, err := account.Lacking(ctx, map[string][]byte{"h/2": {0, 255}}); err != nil || !slices.Equal(list, []string{"a/1"}) {
		t.Errorf("%v, %v", list, err)
	}
	if err := account.PutBack(ctx, "a/ 3", every[:300]); err != nil || !bytes.Equal(fake.objects["a/ 3"], every[:300]) {
		t.Error(err)
	}
	if want := []string{"object a/1 true", `lacking beside "\x00\xff"`}; !slices.Equal(fake.got, want) {
		t.Errorf("asked %q, want %q", fake.got, want)
	}
	for _, target := range []error{seal.ErrDamaged, seal.ErrOtherKey, providers.ErrTransient} {
		fake.fail = fmt.Errorf("x: %w", target)
		_, err := account.Object(ctx, "a/1", false)
		if !errors.Is(err, target) || !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%v arrived as %v", target, err)
		}
		if err := account.PutBack(ctx, "a/1", nil); !errors.Is(err, target) {
			t.Errorf("%v arrived as %v", target, err)
		}
	}
	if _, err := client.Account("plain.eth").(Objects).Inventory(ctx); err == nil {
		t.Error("an account without objects gave some")
	}
}
