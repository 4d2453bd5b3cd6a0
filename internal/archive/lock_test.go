//go:build unix

package archive

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestLockOfAnother: who closes, and holds a lock that the writer before it removed, leaves the lock alone that another one
// made since: two would write at once.
func TestLockOfAnother(t *testing.T) {
	path := create(t)
	late, writing, third := open(t, path, nil), open(t, path, nil), open(t, path, &Options{LockWait: 10 * time.Millisecond})
	if held, err := late.lock.TryLock(); err != nil || !held {
		t.Fatal(held, err)
	}
	if err := os.Remove(late.lock.Path()); err != nil { // as the writer before does between the opening and the locking
		t.Fatal(err)
	}
	if err := writing.acquire(); err != nil {
		t.Fatal(err)
	}
	late.removeLock()
	if err := third.acquire(); !errors.Is(err, ErrInUse) {
		t.Errorf("beside one that writes: %v", err)
	}
	if err := writing.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	put(t, third, "a/1", "one")
}

// TestLockIsFree: where nobody writes, a writer gets the lock, however little time it had.
func TestLockIsFree(t *testing.T) {
	store := open(t, create(t), &Options{LockWait: time.Nanosecond})
	put(t, store, "a/1", "one")
	want(t, store, map[string]string{"a/1": "one"})
}
