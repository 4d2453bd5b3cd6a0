package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/faulttest"
)

// killedFile names the file that the writing process works on; that process is this test binary once more.
const killedFile = "DM3SYNC_TEST_KILLED_FILE"

// TestKilledWriter kills a process in the midst of its puts, removals and rewritings of the whole file, while others look: what
// it had acknowledged is so, and the file is whole for the next writer.
func TestKilledWriter(t *testing.T) {
	if path := os.Getenv(killedFile); path != "" {
		writeForEver(path)
	}
	path := create(t)
	store := open(t, path, nil)
	for round := range 4 {
		acknowledged := faulttest.KillWriter(t, "TestKilledWriter", 60+20*round, func() {
			if _, err := store.Get(t.Context(), "nobody/wrote"); !errors.Is(err, providers.ErrNotFound) { // a reader in the midst of it
				t.Error(err)
			}
		}, killedFile+"="+path, fmt.Sprintf("ROUND=%d", round))
		wantAcknowledged(t, store, acknowledged)
		found, err := Verify(t.Context(), path, nil)
		if err != nil || len(found.Damaged) > 0 {
			t.Errorf("%+v, %v", found, err)
		}
		put(t, store, fmt.Sprintf("after/%d", round), "goes on")
		wantAcknowledged(t, store, acknowledged)
	}
}

func wantAcknowledged(t *testing.T, store *Store, acknowledged []string) {
	t.Helper()
	removed := make(map[string]bool)
	for _, line := range acknowledged {
		if name, ok := strings.CutPrefix(line, "-"); ok {
			removed[name] = true
		}
	}
	there := 0
	for _, name := range acknowledged {
		if strings.HasPrefix(name, "-") || !strings.HasSuffix(name, ".") { // the last line may be cut
			continue
		}
		name = strings.TrimSuffix(name, ".")
		data, err := store.Get(t.Context(), name)
		kept := !strings.HasSuffix(name, "r") // of others the removal may have happened without being acknowledged
		if kept && err != nil || removed[name] && err == nil || err == nil && string(data) != killedContent(name) {
			t.Errorf("%s, removed %v: %d bytes, %v", name, removed[name], len(data), err)
		}
		there++
	}
	if there < 20 {
		t.Errorf("only %d were acknowledged", there)
	}
}

// killedContent is large enough that a file full of removed objects is soon written anew.
func killedContent(name string) string { return strings.Repeat(name+" ", 1<<19/len(name)) }

// writeForEver puts objects side by side, and removes every other one, whose name ends with r.
func writeForEver(path string) {
	store, err := Open(path, nil)
	if err != nil {
		os.Exit(1)
	}
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("c%s-%d/s%d", os.Getenv("ROUND"), writer, i)
				if i%8 > 0 {
					name += "r"
				}
				err := store.Put(context.Background(), name, []byte(killedContent(name)))
				if err == nil {
					_, err = io.WriteString(os.Stdout, name+".\n")
				}
				if err == nil && i%8 > 0 {
					if err = store.Delete(context.Background(), name); err == nil {
						_, err = io.WriteString(os.Stdout, "-"+name+"\n")
					}
				}
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	os.Exit(1)
}
