package cache

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

const (
	recordsVersion = 1
	// damageMark ends the name of a file that says: rebuild at the next Open.
	damageMark = ".rebuild"

	writerSettings = "_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)" +
		"&_pragma=journal_size_limit(4194304)&_pragma=cache_size(-2048)&_txlock=immediate"
	readerSettings = "_pragma=busy_timeout(10000)&_pragma=cache_size(-1024)&_pragma=query_only(1)"
	readerCount    = 2

	// A table with a row number and an index beside it, since values may be far
	// larger than what a page of a table without row numbers holds well.
	recordsSchema = `CREATE TABLE IF NOT EXISTS records (
		bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
		PRIMARY KEY (bucket, key))`
)

// openRecords opens the database, or sets it aside and makes a new one when it is
// damaged. used says that the cache had records before; thorough asks for a look
// at the whole structure, as after a crash.
func openRecords(path string, used, thorough bool) (*Records, error) {
	_, missing := os.Stat(path)
	_, unmarked := os.Stat(path + damageMark)
	if unmarked == nil {
		if err := setRecordsAside(path); err != nil {
			return nil, err
		}
	}
	r, err := tryRecords(path, thorough)
	rebuilt := used && (missing != nil || unmarked == nil)
	if errors.Is(err, ErrDamaged) || isDamage(err) {
		if err := setRecordsAside(path); err != nil {
			return nil, err
		}
		r, err = tryRecords(path, false)
		rebuilt = true
	}
	if err != nil {
		return nil, fmt.Errorf("cache: opening records: %w", err)
	}
	r.rebuilt = rebuilt
	return r, nil
}

// setRecordsAside keeps one damaged copy, the latest, for whoever wants to look.
func setRecordsAside(path string) error {
	err := os.Rename(path, path+".damaged")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cache: setting damaged records aside: %w", err)
	}
	// The write-ahead log belongs to the old file and would spoil a new one.
	for _, suffix := range []string{"-wal", "-shm", damageMark} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cache: setting damaged records aside: %w", err)
		}
	}
	return nil
}

func tryRecords(path string, thorough bool) (*Records, error) {
	r := &Records{path: path}
	err := r.connect()
	if err == nil {
		err = r.prepareSchema(thorough)
	}
	if err == nil {
		err = r.prepareStatements()
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *Records) connect() (err error) {
	absolute, err := filepath.Abs(r.path)
	if err != nil {
		return err
	}
	location := "file:" + (&url.URL{Path: filepath.ToSlash(absolute)}).EscapedPath()
	if r.writer, err = sql.Open("sqlite", location+"?"+writerSettings); err != nil {
		return err
	}
	r.writer.SetMaxOpenConns(1)
	if r.reader, err = sql.Open("sqlite", location+"?"+readerSettings); err != nil {
		return err
	}
	r.reader.SetMaxOpenConns(readerCount)
	r.reader.SetMaxIdleConns(readerCount)
	return nil
}

func (r *Records) prepareSchema(thorough bool) error {
	var version int
	if err := r.writer.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > recordsVersion {
		return ErrNewerVersion
	}
	if thorough {
		var result string
		if err := r.writer.QueryRow(`PRAGMA quick_check(1)`).Scan(&result); err != nil {
			return err
		}
		if result != "ok" {
			return ErrDamaged
		}
	}
	if _, err := r.writer.Exec(recordsSchema); err != nil {
		return err
	}
	_, err := r.writer.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, recordsVersion))
	return err
}

func (r *Records) prepareStatements() error {
	for _, want := range []struct {
		to   **sql.Stmt
		from *sql.DB
		text string
	}{
		{&r.one, r.reader, selectOne}, {&r.page, r.reader, selectPage},
		{&r.upsert, r.writer, upsertOne}, {&r.remove, r.writer, deleteOne},
	} {
		statement, err := want.from.Prepare(want.text)
		if err != nil {
			return err
		}
		*want.to = statement
	}
	return nil
}

// close closes the readers first, so that the writer folds the log back in.
func (r *Records) close() error {
	var errs []error
	for _, db := range []*sql.DB{r.reader, r.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cache: closing records: %w", err)
	}
	return nil
}
