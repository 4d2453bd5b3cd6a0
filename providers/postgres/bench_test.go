package postgres_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/postgres/postgrestest"
	"github.com/jackc/pgx/v5"
)

// BenchmarkPut is one small state after another, of 16 writers.
func BenchmarkPut(b *testing.B) {
	address := servertest.Named(b, postgrestest.Server)
	conn, err := pgx.Connect(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	schema := fmt.Sprintf("bench_%d", os.Getpid())
	if _, err := conn.Exec(b.Context(), "CREATE SCHEMA "+schema); err != nil {
		b.Fatal(err)
	}
	defer conn.Exec(b.Context(), "DROP SCHEMA "+schema+" CASCADE")
	config := conn.Config()
	o := &postgres.Options{
		DSN:    fmt.Sprintf("postgres://%s@%s:%d/%s?search_path=%s", config.User, config.Host, config.Port, config.Database, schema),
		Secret: config.Password, Partition: "bench", Parallel: writers,
	}
	if err := postgres.Create(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	store, err := postgres.New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var count atomic.Int64
	body := make([]byte, 2048)
	b.SetParallelism(writers)
	b.SetBytes(int64(len(body)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := store.Put(b.Context(), fmt.Sprintf("a/%d", count.Add(1)), body); err != nil {
				b.Error(err)
			}
		}
	})
}
