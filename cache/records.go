package cache

import (
	"database/sql"
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	eachPageRows  = 256
	eachPageBytes = 1 << 20
)

const (
	selectOne  = `SELECT value FROM records WHERE bucket = ? AND key = ?`
	selectPage = `SELECT key, value FROM records WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?`
	upsertOne  = `INSERT INTO records (bucket, key, value) VALUES (?, ?, ?)
		ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`
	deleteOne = `DELETE FROM records WHERE bucket = ? AND key = ?`
)

// Records keeps small sealed values under a bucket and a key. Both are opaque
// names (hashes, random names) that may be seen by whoever reads the disk.
// Everything in it can be rebuilt from the provider: after a power loss the last
// transactions may be missing, though never a part of one. Methods are safe for
// concurrent use; a running Update does not block readers.
type Records struct {
	path    string
	rebuilt bool
	writer  *sql.DB // one connection
	reader  *sql.DB // few connections

	one, page, upsert, remove *sql.Stmt
}

// Get returns the value under key in bucket, and whether there is one.
func (r *Records) Get(bucket, key string) (sealed []byte, ok bool, err error) {
	err = r.one.QueryRow(bucket, key).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, r.fail("reading", err)
	}
	return sealed, true, nil
}

// Tx is one transaction of Update, valid until its function returns. It belongs
// to that function's goroutine.
type Tx struct {
	records        *Records
	upsert, remove *sql.Stmt
}

// Put keeps sealed under key in bucket, in place of what was there.
func (t *Tx) Put(bucket, key string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{} // nil would be NULL
	}
	if _, err := t.upsert.Exec(bucket, key, sealed); err != nil {
		return t.records.fail("putting", err)
	}
	return nil
}

// Delete removes key from bucket; an absent key is fine.
func (t *Tx) Delete(bucket, key string) error {
	if _, err := t.remove.Exec(bucket, key); err != nil {
		return t.records.fail("deleting", err)
	}
	return nil
}

// Update runs change in one transaction: all of it is kept, or, when change
// returns an error (which Update returns), nothing. Updates run one after the
// other; change must not call Update. Reads inside change don't see its writes.
func (r *Records) Update(change func(tx *Tx) error) error {
	tx, err := r.writer.Begin()
	if err != nil {
		return r.fail("beginning", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := change(&Tx{records: r, upsert: tx.Stmt(r.upsert), remove: tx.Stmt(r.remove)}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return r.fail("committing", err)
	}
	return nil
}

// Each calls visit for every record of bucket in the order of keys, and ends
// with visit's first error. It reads in pages and holds nothing while visit
// runs, so visit may use Records freely; what changes behind the page that is
// being visited is seen as it is then.
func (r *Records) Each(bucket string, visit func(key string, sealed []byte) error) error {
	after, more := "", true
	for more {
		page, full, err := r.readPage(bucket, after)
		if err != nil {
			return r.fail("listing", err)
		}
		for _, record := range page {
			if err := visit(record.key, record.value); err != nil {
				return err
			}
			after = record.key
		}
		more = full
	}
	return nil
}

type record struct {
	key   string
	value []byte
}

// readPage reads on after a key; full says that there may be more.
func (r *Records) readPage(bucket, after string) (page []record, full bool, err error) {
	rows, err := r.page.Query(bucket, after, eachPageRows)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	size := 0
	for rows.Next() {
		var next record
		if err := rows.Scan(&next.key, &next.value); err != nil {
			return nil, false, err
		}
		page = append(page, next)
		if size += len(next.value); size >= eachPageBytes {
			return page, true, nil
		}
	}
	return page, len(page) == eachPageRows, rows.Err()
}

// fail names the doing, and leaves a mark for the next Open when the database
// turned out to be damaged.
func (r *Records) fail(doing string, err error) error {
	if errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed" || err.Error() == "sql: statement is closed" {
		return fmt.Errorf("cache: %s records: %w", doing, ErrClosed)
	}
	if isDamage(err) {
		mark := os.WriteFile(r.path+damageMark, nil, fileMode)
		return errors.Join(fmt.Errorf("cache: %s records: %w: %w", doing, ErrDamaged, err), mark)
	}
	return fmt.Errorf("cache: %s records: %w", doing, err)
}

func isDamage(err error) bool {
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return false
	}
	code := failure.Code() & 0xff // without the extended part
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}
