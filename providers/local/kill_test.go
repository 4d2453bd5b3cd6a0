package local_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/providers/faulttest"
	"github.com/dm3sync/dm3sync/providers/local"
)

// killedFolder names the folder that the writing process works in; that process is this test binary once more.
const killedFolder = "DM3SYNC_TEST_KILLED_FOLDER"

// TestKilledWriter kills a process in the midst of its puts: what it had acknowledged is there and whole, what it had not
// is whole or absent, and no temporary file is listed.
func TestKilledWriter(t *testing.T) {
	if folder := os.Getenv(killedFolder); folder != "" {
		writeForEver(folder)
	}
	store, folder := open(t, nil)
	want := 0
	for round := range 3 {
		acknowledged := faulttest.KillWriter(t, "TestKilledWriter", 100, func() {}, killedFolder+"="+folder, fmt.Sprintf("ROUND=%d", round))
		want += len(acknowledged)
		for _, name := range acknowledged {
			if strings.Count(name, "/") != 1 {
				continue // the last line may be cut
			}
			if data, err := store.Get(t.Context(), name); err != nil || string(data) != content(name) {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
		}
	}
	found := names(t, store, "")
	for _, name := range found {
		if data, err := store.Get(t.Context(), name); err != nil || string(data) != content(name) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	if len(found) < want {
		t.Errorf("%d listed, %d acknowledged", len(found), want)
	}
}

func content(name string) string { return strings.Repeat(name, 100) }

func writeForEver(folder string) {
	store, err := local.New(folder, nil)
	for i := 0; err == nil; i++ {
		name := fmt.Sprintf("c%s-%d/s%d", os.Getenv("ROUND"), i%50, i)
		if err = store.Put(context.Background(), name, []byte(content(name))); err == nil {
			_, err = io.WriteString(os.Stdout, name+"\n")
		}
	}
	os.Exit(1)
}
