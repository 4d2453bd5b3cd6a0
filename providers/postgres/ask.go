package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// parameter is one value of a statement, in the protocol's binary form: text would double the size of bodies.
type parameter struct {
	oid   uint32
	value []byte
}

func bytea(value []byte) parameter {
	if value == nil {
		value = []byte{} // nil is SQL's NULL
	}
	return parameter{pgtype.ByteaOID, value}
}

func text(value string) parameter { return parameter{pgtype.TextOID, append([]byte{}, value...)} }

func number(value int64) parameter {
	return parameter{pgtype.Int8OID, binary.BigEndian.AppendUint64(nil, uint64(value))}
}

// readNumber reads a column of type int8.
func readNumber(value []byte) (int64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("the database answers with %d bytes where a number should be", len(value))
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// binaryForm is asked for every column and used for every parameter.
var binaryForm = []int16{1}

// none is the number of columns of statements whose rows, if there are any, nobody looks at.
const none = 0

// run sends one statement without a name, in one round trip, and returns so many columns of its rows. A
// database that answers otherwise, or with more than an object's bytes, is errAnswer.
func (p *Pool) run(ctx context.Context, conn *pgconn.PgConn, columns int, sql string, parameters ...parameter) ([][][]byte, error) {
	values, oids := make([][]byte, len(parameters)), make([]uint32, len(parameters))
	for i, given := range parameters {
		values[i], oids[i] = given.value, given.oid
	}
	p.statements.Add(1)
	reader := conn.ExecParams(ctx, sql, values, oids, binaryForm, binaryForm)
	rows, err := p.gather(reader, columns)
	if err == nil {
		_, err = reader.Close()
	}
	var giant *pgproto3.ExceededMaxBodyLenErr
	if errors.Is(err, errAnswer) || errors.As(err, &giant) {
		_ = conn.Conn().Close() // what else comes may have no end, and the driver would read it
	}
	return rows, err
}

// gather copies the rows of an answer. It stops at what is not what was asked for, or is too much.
func (p *Pool) gather(reader *pgconn.ResultReader, columns int) (rows [][][]byte, err error) {
	left := p.options.MaxObject + extraBytes
	for reader.NextRow() {
		values := reader.Values()
		if len(values) < columns {
			return nil, errAnswer
		}
		row := make([][]byte, columns)
		for i := range row {
			row[i] = bytes.Clone(values[i])
		}
		for _, value := range values {
			left -= int64(len(value))
		}
		if left -= rowOverhead; left < 0 {
			return nil, fmt.Errorf("%w: it does not end", errAnswer)
		}
		if columns != none {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

const (
	// extraBytes is what an answer may have beside an object: a page of names is far below it.
	extraBytes = 1 << 20
	// rowOverhead is what a row takes in memory beside its bytes, about.
	rowOverhead = 128
)

// ask takes a connection whose database was asked what it is, and runs one statement on it.
func (p *Pool) ask(ctx context.Context, columns int, sql string, parameters ...parameter) (rows [][][]byte, err error) {
	err = p.with(ctx, func(ctx context.Context, conn *pgconn.PgConn) error {
		if connection := plain(conn.Conn()); !connection.admitted.Load() {
			if err := p.admit(ctx, conn); err != nil {
				return err
			}
			connection.admitted.Store(true)
		}
		rows, err = p.run(ctx, conn, columns, sql, parameters...)
		return err
	})
	return rows, err
}

// with calls do with a connection, under the watchdog. After a failure that was not the database's own answer to the
// statement, connections that wait for use are given up: they died with this one, or lead to another server by now.
func (p *Pool) with(ctx context.Context, do func(context.Context, *pgconn.PgConn) error) error {
	conn, err := p.connections.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	request, watchdog := transport.Watch(ctx, p, p.options.Stall)
	connection := plain(conn.Conn().PgConn().Conn())
	connection.watchdog.Store(watchdog)
	defer func() {
		connection.watchdog.Store(nil)
		watchdog.Stop()
	}()
	err = do(request, conn.Conn().PgConn())
	if err == nil || ctx.Err() != nil {
		return err
	}
	if answer := answered(err); answer == nil || answer.Code == codeReadOnly || conn.Conn().IsClosed() {
		connection.admitted.Store(false)
		p.CloseIdleConnections()
	}
	return watchdog.Explain(err)
}

// admit asks a database, once for each connection, whether it is one that this program can use.
func (p *Pool) admit(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := p.run(ctx, conn, 4, `SELECT (SELECT version::int8 FROM dm3sync_schema), current_setting('transaction_read_only')::text,
		current_setting('synchronous_commit', true)::text, current_setting('fsync', true)::text`)
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0][0] == nil {
		return errTables
	}
	version, err := readNumber(rows[0][0])
	if err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if string(rows[0][1]) == "on" {
		return errReadOnly
	}
	if string(rows[0][2]) == "off" {
		p.warn("the database has synchronous_commit = off, so that it forgets the last moments when it loses power; dm3sync switches it on for each of its own writes")
	}
	if string(rows[0][3]) == "off" {
		p.warn("the database has fsync = off: when it loses power, what it acknowledged may be lost or damaged; switch it on")
	}
	return nil
}

// errAnswer says that rows are not what the statement asks for.
var errAnswer = errors.New("the database's answer is not what was asked for")
