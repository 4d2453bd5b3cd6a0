package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/jackc/pgx/v5/pgtype"
)

// flushed makes the transaction wait for the server's disk where the operator has switched that off, and leaves every other
// setting as it is: some wait for replicas too. It is evaluated once, before the row is written.
const flushed = `WITH flushed AS (SELECT CASE WHEN current_setting('synchronous_commit', true) = 'off'
	THEN set_config('synchronous_commit', 'on', true) END AS setting) `

// putRow writes again what is damaged, and nothing where the same is there.
const putRow = flushed + `INSERT INTO dm3sync_objects (partition, name, size, body)
	SELECT $1::bytea, $2::bytea, $3::int8, $4::bytea FROM flushed
	ON CONFLICT (partition, name) DO UPDATE SET size = excluded.size, body = excluded.body WHERE dm3sync_objects.body <> excluded.body`

// getRow leaves bodies that are too large where they are.
const getRow = `SELECT size, CASE WHEN size <= $3::int8 THEN body END FROM dm3sync_objects WHERE partition = $1::bytea AND name = $2::bytea`

// getPart reads only the pages of the body that hold the range.
const getPart = `SELECT substring(body FROM $3::int8::int4 FOR $4::int8::int4) FROM dm3sync_objects WHERE partition = $1::bytea AND name = $2::bytea`

// listRows goes on after the last name of the page before, and reads no body.
const listRows = `SELECT name, size FROM dm3sync_objects WHERE partition = $1::bytea AND name >= $2::bytea AND name < $3::bytea
	ORDER BY name LIMIT $4::int8`

const deleteRows = flushed + `DELETE FROM dm3sync_objects USING flushed WHERE partition = $1::bytea AND name = ANY ($2::bytea[])`

const sumRows = `SELECT coalesce(sum(size), 0)::int8 FROM dm3sync_objects WHERE partition = $1::bytea`

// page is how many names are listed or deleted by one statement.
const page = providers.PageNames

// Put implements providers.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("postgres: put %s: %w", name, providers.ErrTooLarge)
	}
	_, err := s.pool.ask(ctx, none, putRow, bytea(s.partition), bytea([]byte(name)), number(int64(len(data))), bytea(data))
	if err != nil {
		return translate(ctx, "put", name, err)
	}
	s.notices.changed()
	return nil
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	row, err := s.row(ctx, name, getRow, 2, number(s.properties.MaxObject))
	if err != nil {
		return nil, err
	}
	size, err := readNumber(row[0])
	switch {
	case err != nil:
		return nil, translate(ctx, "get", name, err)
	case size > s.properties.MaxObject:
		return nil, fmt.Errorf("postgres: get %s: %w", name, providers.ErrTooLarge)
	case int64(len(row[1])) != size:
		return nil, translate(ctx, "get", name, errAnswer)
	}
	return row[1], nil
}

// GetRange implements providers.Store.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	// No body reaches the end of what SQL can count here.
	offset, length = min(offset, 1<<30), min(length, s.properties.MaxObject)
	row, err := s.row(ctx, name, getPart, 1, number(offset+1), number(length))
	if err != nil {
		return nil, err
	}
	if row[0] == nil || int64(len(row[0])) > length {
		return nil, translate(ctx, "get", name, errAnswer)
	}
	return row[0], nil
}

// row is the one row of a name, with so many columns, or an error that matches providers.ErrNotFound.
func (s *Store) row(ctx context.Context, name, sql string, columns int, further ...parameter) ([][]byte, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	rows, err := s.pool.ask(ctx, columns, sql, slices.Concat([]parameter{bytea(s.partition), bytea([]byte(name))}, further)...)
	switch {
	case err != nil:
		return nil, translate(ctx, "get", name, err)
	case len(rows) == 0:
		return nil, fmt.Errorf("postgres: get %s: %w", name, providers.ErrNotFound)
	case len(rows) > 1:
		return nil, translate(ctx, "get", name, errAnswer)
	}
	return rows[0], nil
}

// List implements providers.Store, a statement for each 1,000 names, in the order of bytes.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return providers.Fail(err)
	}
	return func(yield func(providers.Object, error) bool) {
		for from, end := []byte(prefix), after(prefix); ; {
			rows, err := s.pool.ask(ctx, 2, listRows, bytea(s.partition), bytea(from), bytea(end), number(page))
			if err != nil {
				yield(providers.Object{}, translate(ctx, "list", prefix, err))
				return
			}
			for _, row := range rows {
				size, err := readNumber(row[1])
				if err != nil {
					yield(providers.Object{}, translate(ctx, "list", prefix, err))
					return
				}
				name := string(row[0])
				if providers.ValidateName(name) != nil {
					continue // somebody else's
				}
				if !yield(providers.Object{Name: name, Size: size}, nil) {
					return
				}
			}
			if len(rows) < page {
				return
			}
			from = append(rows[len(rows)-1][0], 0)
		}
	}
}

// after is the least text above all that begin with the prefix, which is ASCII.
func after(prefix string) []byte {
	if prefix == "" {
		return []byte{0xff}
	}
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}

// Delete implements providers.Store, a statement for each 1,000 names.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return err
		}
	}
	names = slices.Compact(slices.Sorted(slices.Values(names))) // in one order everywhere: two that delete the same don't wait for each other
	for batch := range slices.Chunk(names, page) {
		list := make([][]byte, len(batch))
		for i, name := range batch {
			list[i] = []byte(name)
		}
		array, err := pgtype.NewMap().Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, list, nil)
		if err != nil {
			return fmt.Errorf("postgres: delete: writing names: %w", err)
		}
		if _, err := s.pool.ask(ctx, none, deleteRows, bytea(s.partition), parameter{pgtype.ByteaArrayOID, array}); err != nil {
			return translate(ctx, "delete", fmt.Sprintf("%s and %d more", batch[0], len(batch)-1), err)
		}
	}
	return nil
}

// Space implements providers.Spacer: what the account's objects take, in bytes. A database does not tell how much room
// there is.
func (s *Store) Space(ctx context.Context) (providers.Space, error) {
	rows, err := s.pool.ask(ctx, 1, sumRows, bytea(s.partition))
	if err == nil && len(rows) != 1 {
		err = errAnswer
	}
	if err != nil {
		return providers.Space{Used: -1, Total: -1}, translate(ctx, "space", "", err)
	}
	used, err := readNumber(rows[0][0])
	return providers.Space{Used: used, Total: -1}, translate(ctx, "space", "", err)
}
