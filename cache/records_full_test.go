package cache

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRecordsFull: the database's word for a full disk is the system's, so that it can be told from other faults.
func TestRecordsFull(t *testing.T) {
	store, err := openSQLite(filepath.Join(t.TempDir(), "records"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.writer.Exec(`PRAGMA max_page_count = 8`); err != nil { // as if the disk ended there
		t.Fatal(err)
	}
	tx, err := store.Begin()
	if err != nil {
		t.Fatal(err)
	}
	err = tx.Put("b", "k", make([]byte, 100_000))
	if err == nil {
		err = tx.Commit()
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want ENOSPC", err)
	}
	_ = tx.Rollback() // the database did so by itself, and says that it can't twice
}
