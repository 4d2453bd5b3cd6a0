package cache

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Format is the version of the folders that this package writes, and the newest that it opens; see ErrNewerVersion.
const Format = recordsVersion

const (
	recordsVersion = 1

	writerSettings = "_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)" +
		"&_pragma=journal_size_limit(4194304)&_pragma=cache_size(-2048)&_txlock=immediate"
	readerSettings = "_pragma=busy_timeout(10000)&_pragma=cache_size(-1024)&_pragma=query_only(1)"
	readerCount    = 2

	// A table with a row number and an index beside it, since values may be far
	// larger than what a page of a table without row numbers holds well.
	recordsSchema = `CREATE TABLE IF NOT EXISTS records (
		bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
		PRIMARY KEY (bucket, key))`

	selectOne  = `SELECT value FROM records WHERE bucket = ? AND key = ?`
	selectPage = `SELECT key, value FROM records WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?`
	upsertOne  = `INSERT INTO records (bucket, key, value) VALUES (?, ?, ?)
		ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`
	deleteOne = `DELETE FROM records WHERE bucket = ? AND key = ?`
)

// sqliteStore is the RecordStore of the system's disk.
type sqliteStore struct {
	writer *sql.DB // one connection
	reader *sql.DB // few connections

	one, page, upsert, remove *sql.Stmt

	log string // path of the write-ahead log
}

func openSQLite(path string, thorough bool) (*sqliteStore, error) {
	s := &sqliteStore{log: path + "-wal"}
	err := s.connect(path)
	if err == nil {
		err = s.prepareSchema(thorough)
	}
	if err == nil {
		err = s.prepareStatements()
	}
	if err != nil {
		return nil, errors.Join(translate(err), s.Close())
	}
	return s, nil
}

func (s *sqliteStore) connect(path string) (err error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	location := "file:" + (&url.URL{Path: filepath.ToSlash(absolute)}).EscapedPath()
	if s.writer, err = sql.Open("sqlite", location+"?"+writerSettings); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite", location+"?"+readerSettings); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(readerCount)
	s.reader.SetMaxIdleConns(readerCount)
	return nil
}

func (s *sqliteStore) prepareSchema(thorough bool) error {
	var version int
	if err := s.writer.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > recordsVersion {
		return ErrNewerVersion
	}
	if thorough {
		var result string
		if err := s.writer.QueryRow(`PRAGMA quick_check(1)`).Scan(&result); err != nil {
			return err
		}
		if result != "ok" {
			return ErrDamaged
		}
	}
	if _, err := s.writer.Exec(recordsSchema); err != nil {
		return err
	}
	_, err := s.writer.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, recordsVersion))
	return err
}

func (s *sqliteStore) prepareStatements() error {
	for _, want := range []struct {
		to   **sql.Stmt
		from *sql.DB
		text string
	}{
		{&s.one, s.reader, selectOne}, {&s.page, s.reader, selectPage},
		{&s.upsert, s.writer, upsertOne}, {&s.remove, s.writer, deleteOne},
	} {
		statement, err := want.from.Prepare(want.text)
		if err != nil {
			return err
		}
		*want.to = statement
	}
	return nil
}

// Get is the RecordStore's.
func (s *sqliteStore) Get(bucket, key string) (value []byte, ok bool, err error) {
	err = s.one.QueryRow(bucket, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return value, err == nil, translate(err)
}

// Page is the RecordStore's.
func (s *sqliteStore) Page(bucket, after string, rows, bytes int) (page []Record, more bool, err error) {
	result, err := s.page.Query(bucket, after, rows)
	if err != nil {
		return nil, false, translate(err)
	}
	defer func() { err = translate(errors.Join(err, result.Close())) }()
	size := 0
	for result.Next() {
		var next Record
		if err := result.Scan(&next.Key, &next.Value); err != nil {
			return nil, false, err
		}
		page = append(page, next)
		if size += len(next.Value); size >= bytes {
			return page, true, nil
		}
	}
	return page, len(page) == rows, result.Err()
}

// Begin is the RecordStore's.
func (s *sqliteStore) Begin() (RecordTransaction, error) {
	tx, err := s.writer.Begin()
	if err != nil {
		return nil, translate(err)
	}
	return &sqliteTransaction{tx: tx, upsert: tx.Stmt(s.upsert), remove: tx.Stmt(s.remove)}, nil
}

// Sync syncs the write-ahead log: what is not in it any more, the database made
// durable elsewhere before it used the log anew.
func (s *sqliteStore) Sync() error {
	file, err := os.OpenFile(s.log, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was written since the log was folded in
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// Close closes the readers first, so that the writer folds the log back in.
func (s *sqliteStore) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// sqliteTransaction hands each change on at once, and so keeps no copy.
type sqliteTransaction struct {
	tx             *sql.Tx
	upsert, remove *sql.Stmt
}

// Put is the RecordTransaction's.
func (t *sqliteTransaction) Put(bucket, key string, value []byte) error {
	_, err := t.upsert.Exec(bucket, key, value)
	return translate(err)
}

// Delete is the RecordTransaction's.
func (t *sqliteTransaction) Delete(bucket, key string) error {
	_, err := t.remove.Exec(bucket, key)
	return translate(err)
}

// Commit is the RecordTransaction's.
func (t *sqliteTransaction) Commit() error { return translate(t.tx.Commit()) }

// Rollback is the RecordTransaction's.
func (t *sqliteTransaction) Rollback() error {
	if err := t.tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
		return translate(err)
	}
	return nil
}

// translate says in this package's words what an error of the database means.
func translate(err error) error {
	switch {
	case err == nil || errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed", err.Error() == "sql: statement is closed":
		return ErrClosed
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.SQLITE_FULL: // the database does not hand on the system's own error
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", syscall.EROFS, err)
	}
	return err
}

// primaryCode is the database's code without its extended part; 0 for errors of others.
func primaryCode(err error) int {
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return 0
	}
	return failure.Code() & 0xff
}
