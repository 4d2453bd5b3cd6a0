package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// migrations bring the tables from one version to the next; version n is what the first n of them make. What stands here is
// never changed, only added to. Each may be repeated, as not every database takes changes of tables back.
//
// Names are bytes, not text: so they are compared byte by byte in every database, and no new version of a collation ever
// makes an index wrong.
var migrations = [][]string{{
	`CREATE TABLE IF NOT EXISTS dm3sync_objects (
		partition bytea NOT NULL,
		name bytea NOT NULL,
		size bigint NOT NULL,
		body bytea NOT NULL,
		PRIMARY KEY (partition, name),
		CHECK (size = octet_length(body)))`,
	`CREATE TABLE IF NOT EXISTS dm3sync_changes (partition bytea PRIMARY KEY, changes bigint NOT NULL)`,
}}

// storage keeps bodies out of the rows and uncompressed, so that listings read no bodies and ranges read only what they
// give back. Only PostgreSQL itself knows it.
const storage = `ALTER TABLE dm3sync_objects ALTER COLUMN body SET STORAGE EXTERNAL`

// schemaTable has one row, whose lock decides who changes the tables.
var schemaTable = []string{
	`CREATE TABLE IF NOT EXISTS dm3sync_schema (one boolean PRIMARY KEY CHECK (one), version integer NOT NULL)`,
	`INSERT INTO dm3sync_schema (one, version) VALUES (true, 0) ON CONFLICT (one) DO NOTHING`,
}

// tablesThere fails where one of the tables is missing.
const tablesThere = `SELECT (SELECT count(*) FROM dm3sync_objects WHERE false) + (SELECT count(*) FROM dm3sync_changes WHERE false)`

// attempts bounds how often the making is begun again where another one makes the tables at the same time.
const attempts = 10

// checkVersion tells what is wrong with the tables' version, if anything.
func checkVersion(version int64) error {
	switch known := int64(len(migrations)); {
	case version > known:
		return fmt.Errorf("%w (version %d, known is %d)", errNewer, version, known)
	case version == 0:
		return errTables // somebody has begun to make them
	case version < known:
		return errOlder
	}
	return nil
}

// Create makes the tables in the schema where search_path leads, or brings them to the version that this program needs. It
// may be repeated, and several may do it at the same time. A newer version is refused. No right beyond using the tables is
// needed where there is nothing to do.
func (p *Pool) Create(ctx context.Context) error {
	err := p.with(ctx, func(ctx context.Context, conn *pgconn.PgConn) (err error) {
		for range attempts {
			if err = p.migrate(ctx, conn); !collided(err) || ctx.Err() != nil {
				return err
			}
		}
		return err
	})
	return translate(ctx, "making the tables", "", err)
}

// collided tells whether another one made or changed the same table in the same moment.
func collided(err error) bool {
	answer := answered(err)
	return answer != nil && slices.Contains([]string{
		"23505", "42P07", "42710", // made meanwhile, in PostgreSQL's own tables
		"XX000", // tuple concurrently updated
		codeSerialisation, "40P01",
	}, answer.Code)
}

// migrate makes what is missing. Tables that somebody dropped are made again: who calls Create was told that they are gone.
func (p *Pool) migrate(ctx context.Context, conn *pgconn.PgConn) error {
	version, err := p.version(ctx, conn, "")
	if err == nil && version > 0 {
		if unfit := checkVersion(version); unfit != nil && !errors.Is(unfit, errOlder) {
			return unfit
		}
		_, err = p.run(ctx, conn, none, tablesThere)
		if err == nil && checkVersion(version) == nil {
			return nil
		}
	}
	missing := false
	if answer := answered(err); answer != nil && (answer.Code == codeNoTable || answer.Code == codeNoSchema) {
		missing, err = true, nil
	}
	for _, sql := range schemaTable {
		if err == nil && (missing || version == 0) {
			_, err = p.run(ctx, conn, none, sql)
		}
	}
	if err != nil {
		return err
	}
	kind, err := p.run(ctx, conn, 1, `SELECT version()`)
	if err != nil {
		return err
	}
	itself := len(kind) == 1 && strings.HasPrefix(string(kind[0][0]), "PostgreSQL ") && !strings.Contains(string(kind[0][0]), "-YB-")
	return p.transaction(ctx, conn, func() error { return p.advance(ctx, conn, missing, itself) })
}

// advance runs the migrations that are still to be done, all of them where a table is missing, under the lock of the
// version. Itself tells that the database is PostgreSQL, and no other one that speaks its protocol.
func (p *Pool) advance(ctx context.Context, conn *pgconn.PgConn, missing, itself bool) error {
	version, err := p.version(ctx, conn, " FOR UPDATE")
	if err != nil {
		return err
	}
	if unfit := checkVersion(version); errors.Is(unfit, errNewer) || unfit == nil && !missing { // another one was quicker
		return unfit
	}
	statements := slices.Concat(migrations[version:]...)
	if missing {
		statements = slices.Concat(migrations...)
	}
	if itself {
		statements = append(statements, storage)
	}
	for _, sql := range statements {
		if _, err := p.run(ctx, conn, none, sql); err != nil {
			return err
		}
	}
	_, err = p.run(ctx, conn, none, `UPDATE dm3sync_schema SET version = $1::int8`, number(int64(len(migrations))))
	return err
}

// version reads the tables' version; 0 where they were begun.
func (p *Pool) version(ctx context.Context, conn *pgconn.PgConn, lock string) (int64, error) {
	rows, err := p.run(ctx, conn, 1, `SELECT version::int8 FROM dm3sync_schema WHERE one`+lock)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	version, err := readNumber(rows[0][0])
	if err == nil && version < 0 {
		err = errAnswer
	}
	return version, err
}

// transaction commits what do did, or takes it back.
func (p *Pool) transaction(ctx context.Context, conn *pgconn.PgConn, do func() error) error {
	if _, err := p.run(ctx, conn, none, `BEGIN`); err != nil {
		return err
	}
	if err := do(); err != nil {
		_, back := p.run(context.WithoutCancel(ctx), conn, none, `ROLLBACK`) // on a connection that broke it fails, and is needless
		if answered(err) == nil {
			return errors.Join(err, back)
		}
		return err
	}
	_, err := p.run(ctx, conn, none, `COMMIT`)
	return err
}
