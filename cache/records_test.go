package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func mustPut(t *testing.T, r *Records, bucket, key, value string) {
	t.Helper()
	if err := r.Update(func(tx *Tx) error { return tx.Put(bucket, key, []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func TestRecords(t *testing.T) {
	r := mustOpen(t, t.TempDir(), Options{}).Records()
	if _, ok, err := r.Get("b", "k"); ok || err != nil {
		t.Fatalf("empty: %v %v", ok, err)
	}
	mustPut(t, r, "b", "k", "old")
	mustPut(t, r, "b", "k", "new")
	mustPut(t, r, "c", "k", "")
	for bucket, want := range map[string]string{"b": "new", "c": ""} {
		if got, ok, err := r.Get(bucket, "k"); !ok || err != nil || string(got) != want {
			t.Errorf("%s: %q %v %v", bucket, got, ok, err)
		}
	}
	if err := r.Update(func(tx *Tx) error { return errors.Join(tx.Delete("b", "k"), tx.Delete("b", "absent")) }); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := r.Get("b", "k"); ok {
		t.Error("a deleted record is there")
	}
	if err := r.Update(func(tx *Tx) error { return tx.Put("null", "k", nil) }); err != nil {
		t.Error(err)
	}
	if got, ok, err := r.Get("null", "k"); !ok || err != nil || len(got) != 0 {
		t.Errorf("nil value: %q %v %v", got, ok, err)
	}
}

func TestRecordsUpdateIsAtomic(t *testing.T) {
	r := mustOpen(t, t.TempDir(), Options{}).Records()
	mustPut(t, r, "b", "1", "old")
	stop := errors.New("stop")
	err := r.Update(func(tx *Tx) error {
		return errors.Join(tx.Put("b", "1", []byte("new")), tx.Put("b", "2", []byte("new")), stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("Update returned %v", err)
	}
	if got, _, _ := r.Get("b", "1"); string(got) != "old" {
		t.Errorf("got %q", got)
	}
	if _, ok, _ := r.Get("b", "2"); ok {
		t.Error("a part of a failed update is there")
	}
}

// Each sees all keys in order, however many pages, and its visitor may do
// everything that others may.
func TestRecordsEach(t *testing.T) {
	r := mustOpen(t, t.TempDir(), Options{}).Records()
	var want []string
	err := r.Update(func(tx *Tx) error {
		for i := range 3*eachPageRows + 7 {
			key := fmt.Sprintf("%05d", i)
			want = append(want, key)
			size := 10
			if i%100 == 0 {
				size = eachPageBytes // ends a page by itself
			}
			if err := tx.Put("b", key, make([]byte, size)); err != nil {
				return err
			}
		}
		return tx.Put("other", "00000", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = r.Each("b", func(key string, _ []byte) error {
		got = append(got, key)
		if len(got)%200 == 1 {
			mustPut(t, r, "b", key, "visited")
			if value, ok, err := r.Get("b", key); !ok || err != nil || string(value) != "visited" {
				t.Errorf("Get inside Each: %q %v %v", value, ok, err)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d keys, want %d: %v", len(got), len(want), err)
	}
	stop := errors.New("stop")
	if err := r.Each("b", func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Each returned %v", err)
	}
}

func TestRecordsConcurrently(t *testing.T) {
	r := mustOpen(t, t.TempDir(), Options{}).Records()
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 30 {
				key := fmt.Sprintf("%d/%d", w, i)
				if err := r.Update(func(tx *Tx) error { return tx.Put("b", key, []byte(key)) }); err != nil {
					t.Error(err)
				}
				if got, ok, err := r.Get("b", key); !ok || err != nil || string(got) != key {
					t.Errorf("%s: %q %v %v", key, got, ok, err)
				}
				if err := r.Each("b", func(string, []byte) error { return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestRecordsAfterClose(t *testing.T) {
	c := mustOpen(t, t.TempDir(), Options{})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, getErr := c.Records().Get("b", "k")
	for doing, err := range map[string]error{
		"Get":    getErr,
		"Update": c.Records().Update(func(*Tx) error { return nil }),
		"Each":   c.Records().Each("b", func(string, []byte) error { return nil }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", doing, err)
		}
	}
}

// A database that is gone or can't be read is begun anew, and it is said.
func TestRecordsAreRebuilt(t *testing.T) {
	overwrite := func(at int64, data []byte) func(string) error {
		return func(path string) error {
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteAt(data, at)
			return errors.Join(err, file.Close())
		}
	}
	tests := []struct {
		name    string
		spoil   func(path string) error
		unclean bool
		aside   bool
	}{
		{name: "missing", spoil: os.Remove},
		{name: "no database", spoil: overwrite(0, []byte("this is no database at all")), aside: true},
		{name: "emptied header page", spoil: overwrite(0, make([]byte, 4096)), aside: true},
		{name: "cut short", spoil: func(path string) error { return os.Truncate(path, 5000) }, aside: true},
		{name: "inner page zeroed, after a crash", spoil: overwrite(8192, make([]byte, 4096)), unclean: true, aside: true},
		{name: "marked", spoil: func(path string) error { return os.WriteFile(path+damageMark, nil, fileMode) }, aside: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			c := mustOpen(t, folder, Options{})
			err := c.Records().Update(func(tx *Tx) error {
				for i := range 100 {
					if err := tx.Put("b", fmt.Sprint(i), make([]byte, 500)); err != nil {
						return err
					}
				}
				return nil
			})
			if err = errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "records.db")
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
			if test.unclean {
				if err := os.WriteFile(filepath.Join(folder, "lock.pid"), []byte("1\n"), fileMode); err != nil {
					t.Fatal(err)
				}
			}
			c = mustOpen(t, folder, Options{})
			if !c.Rebuilt() {
				t.Error("Rebuilt is false")
			}
			if _, ok, err := c.Records().Get("b", "1"); ok || err != nil {
				t.Errorf("a record of the damaged database: %v %v", ok, err)
			}
			mustPut(t, c.Records(), "b", "1", "again")
			if _, err := os.Stat(path + ".damaged"); (err == nil) != test.aside {
				t.Errorf("copy set aside: %v, want %v", err == nil, test.aside)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if mustOpen(t, folder, Options{}).Rebuilt() {
				t.Error("Rebuilt is still true one open later")
			}
		})
	}
}

// Damage that shows only when the record is read is reported as such, and the
// next open rebuilds.
func TestRecordsDamageFoundLater(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "records.db")
	c := mustOpen(t, folder, Options{})
	err := c.Records().Update(func(tx *Tx) error {
		for i := range 200 {
			if err := tx.Put("b", fmt.Sprintf("%03d", i), make([]byte, 500)); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 3 * 4096; at < len(data); at++ { // leaves the schema alone
		data[at] = 0xff
	}
	if err := os.WriteFile(path, data, fileMode); err != nil {
		t.Fatal(err)
	}
	c = mustOpen(t, folder, Options{})
	err = c.Records().Each("b", func(string, []byte) error { return nil })
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("Each: %v, want ErrDamaged", err)
	}
	_ = c.Close()
	if !mustOpen(t, folder, Options{}).Rebuilt() {
		t.Error("not rebuilt at the next open")
	}
}

// A newer database must not be thrown away.
func TestRecordsNewerVersion(t *testing.T) {
	folder := t.TempDir()
	c := mustOpen(t, folder, Options{})
	_, err := c.Records().store.(*sqliteStore).writer.Exec(`PRAGMA user_version = 99`)
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(folder, Options{}); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("%v, want ErrNewerVersion", err)
	}
}
