package search

import (
	"fmt"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

// TestRestsSmall: what an update leaves in memory is little, also right after much was indexed; a few messages wait for more.
func TestRestsSmall(t *testing.T) {
	r := newRig(t, nil)
	r.history.put("bob.eth", true, said("bob.eth", "NEW", 1, "a single word"))
	r.update()
	if stats := r.index.Stats(); stats.Segments != 0 || stats.Memory == 0 {
		t.Errorf("one message: %+v", stats)
	}
	var many []container.Envelope
	for i := range 3000 {
		many = append(many, said("bob.eth", "NEW", int64(10+i), fmt.Sprintf("word%d and word%d", i, i+1)))
	}
	r.history.put("bob.eth", true, many...)
	r.update()
	if stats := r.index.Stats(); stats.Segments == 0 || stats.Messages != 3001 || stats.Memory > 16<<20/flushPart {
		t.Errorf("an import: %+v", stats)
	}
	r.expect("single", "a [single] word")
}
