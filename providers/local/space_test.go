package local_test

import (
	"errors"
	"os"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
)

func TestSpace(t *testing.T) {
	path := t.TempDir()
	if err := local.Create(path); err != nil {
		t.Fatal(err)
	}
	store, err := local.New(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	space, err := providers.SpaceOf(t.Context(), providers.Retry(store, nil))
	if err != nil || space.Total <= 0 || space.Used < 0 || space.Used > space.Total || space.Left() < 0 {
		t.Errorf("space %+v, %v", space, err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if space, err = store.Space(t.Context()); !errors.Is(err, local.ErrNoFolder) || space.Left() != -1 {
		t.Errorf("of a folder that is away: %+v, %v", space, err)
	}
}
