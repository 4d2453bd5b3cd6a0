package postgres_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/jackc/pgx/v5/pgproto3"
)

// hostile speaks the protocol as far as a client needs it, and answers every statement by what answer writes.
func hostile(t *testing.T, answer func(conn net.Conn, sent *atomic.Int64)) (dsn string, sent *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	sent = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, sent, answer)
		}
	}()
	return fmt.Sprintf("postgres://somebody@%s/history", listener.Addr()), sent
}

func serve(conn net.Conn, sent *atomic.Int64, answer func(net.Conn, *atomic.Int64)) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for backend.Flush() == nil {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		if _, last := message.(*pgproto3.Sync); !last {
			continue
		}
		backend.Send(&pgproto3.ParseComplete{})
		backend.Send(&pgproto3.BindComplete{})
		backend.Send(&pgproto3.RowDescription{})
		if backend.Flush() != nil {
			return
		}
		answer(conn, sent)
		backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func row(values ...[]byte) []byte {
	text, err := (&pgproto3.DataRow{Values: values}).Encode(nil)
	if err != nil {
		panic(err) // constants
	}
	return text
}

// TestHostileDatabase: whatever a server answers is an error, takes bounded memory, and never ends the program.
func TestHostileDatabase(t *testing.T) {
	const most = 1 << 20
	version := binary.BigEndian.AppendUint64(nil, uint64(postgres.Version))
	for name, answer := range map[string]func(net.Conn, *atomic.Int64){
		"rows without columns": func(conn net.Conn, _ *atomic.Int64) { _, _ = conn.Write(row()) },
		"one column":           func(conn net.Conn, _ *atomic.Int64) { _, _ = conn.Write(row(version)) },
		"no rows":              func(net.Conn, *atomic.Int64) {},
		"a negative version": func(conn net.Conn, _ *atomic.Int64) {
			_, _ = conn.Write(row(binary.BigEndian.AppendUint64(nil, 1<<63), nil, nil, nil))
		},
		"rows without end": func(conn net.Conn, sent *atomic.Int64) {
			text, err := row(version, make([]byte, 1<<16), nil, nil), error(nil)
			for err == nil && sent.Load() < 1<<30 {
				_, err = conn.Write(text)
				sent.Add(int64(len(text)))
			}
		},
		"a giant": func(conn net.Conn, sent *atomic.Int64) {
			_, err := conn.Write([]byte{'D', 0x7f, 0xff, 0xff, 0xff})
			for err == nil && sent.Load() < 1<<30 {
				_, err = conn.Write(make([]byte, 1<<16))
				sent.Add(1 << 16)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dsn, sent := hostile(t, answer)
			o := &postgres.Options{DSN: dsn, Partition: "p", MaxObject: most}
			store := newStore(t, o)
			for call, do := range map[string]func() error{
				"get": func() error { _, err := store.Get(t.Context(), "a/1"); return err },
				"put": func() error { return store.Put(t.Context(), "a/1", []byte("x")) },
				"list": func() error {
					for _, err := range store.List(t.Context(), "a/") {
						if err != nil {
							return err
						}
					}
					return nil
				},
				"space":  func() error { _, err := store.Space(t.Context()); return err },
				"create": func() error { return postgres.Create(t.Context(), o) },
			} {
				sent.Store(0)
				// A server that says yes to everything can't be told from one that has done it.
				if err := do(); err == nil && call != "create" || sent.Load() > 64<<20 {
					t.Errorf("%s: %v after %d bytes", call, err, sent.Load())
				}
			}
		})
	}
}
