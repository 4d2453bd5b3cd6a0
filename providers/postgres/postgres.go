// Package postgres keeps each object as one row of a table, in PostgreSQL or a database that speaks its protocol. Rows of
// many accounts lie in one table, kept apart by an opaque partition. Each call is one statement, a transaction of its own,
// without prepared statements, locks or anything else that a session would have to remember, so that a pooler such as
// PgBouncer may hand every statement to another connection. It imports only providers and what its siblings share.
//
// Accounts of one process share a [Pool], of which stores are cheap to make ([Pool.Store]); a single account takes [New].
// The tables are made by [Create] alone: a table that is missing is an error, and never an empty store.
package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind is the store's word in configurations.
const Kind = "postgres"

// largest is the largest MaxObject: a value of the database can't be larger than 1 GiB.
const largest = 512 << 20

// closeWait bounds how long the end of connections is waited for.
const closeWait = 2 * time.Second

// Options says where the database is and how to reach it.
type Options struct {
	// DSN is the database's address, "postgres://user@host:port/database?sslmode=verify-full", without a password. Without
	// sslmode it is verify-full, except on this machine, where it is disable. Further settings of the query are passed on
	// (application_name, search_path, target_session_attrs, …); nothing is taken from the environment but a default user.
	DSN string
	// Secret is the password; empty where the server asks for none, as with client certificates. It is in no error.
	Secret string
	// CAFile holds further certificate authorities, PEM.
	CAFile string
	// CertificateFile and KeyFile, PEM, prove to the server who asks; the key may be in the first one too.
	CertificateFile, KeyFile string
	// Partition keeps the account of [New] apart from others; a [Pool] takes it from each [Pool.Store].
	Partition string

	Stall     time.Duration // a statement that makes no progress for so long is given up as transient: 1 min
	MaxObject int64         // largest object in bytes: providers.DefaultMaxObject
	Parallel  int           // sensible concurrent calls, and connections that are kept at most: 8
	// Poll is how often a watch looks for changes where notices can't arrive: 30 s.
	Poll time.Duration
	// Warn gets sentences about what the database does not do as it should, each once for a pool; may be nil. It is called
	// from several goroutines.
	Warn func(sentence string)
}

// Pool is the connections to one database. All methods may be called concurrently.
type Pool struct {
	connections *pgxpool.Pool
	config      *pgxpool.Config
	options     Options
	statements  atomic.Int64 // that were sent
	warned      sync.Map     // sentences
	way         atomic.Int32 // the first of announcements that the database knows
}

// NewPool makes a pool, without any request. Errors speak of the options only.
func NewPool(options *Options) (*Pool, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	setDefault(&o.Stall, time.Minute)
	setDefault(&o.MaxObject, providers.DefaultMaxObject)
	setDefault(&o.Parallel, 8)
	setDefault(&o.Poll, 30*time.Second)
	o.MaxObject = min(o.MaxObject, largest)
	config, err := configure(&o)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	connections, err := pgxpool.NewWithConfig(context.Background(), config) // it connects only when asked to
	if err != nil {
		return nil, fmt.Errorf("postgres: making a pool of connections: %w", err)
	}
	p := &Pool{connections: connections, config: config, options: o}
	if host := open(&config.ConnConfig.Config); host != "" {
		p.warn("nobody checks that " + host + " is the database server: others on the way may be, and get the password; leave sslmode out of provider.dsn, or make it verify-full")
	}
	return p, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Close ends all connections. It waits for their end, but not for long: over a network that is gone they end in the
// background, within 15 s. It may be called more than once.
func (p *Pool) Close() {
	ended := make(chan struct{})
	go func() {
		p.connections.Close()
		close(ended)
	}()
	patience := time.NewTimer(closeWait)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
	}
}

// CloseIdleConnections ends the connections that nobody uses now; others end after their call.
func (p *Pool) CloseIdleConnections() { p.connections.Reset() }

// warn tells a sentence once.
func (p *Pool) warn(sentence string) {
	if _, told := p.warned.LoadOrStore(sentence, true); !told && p.options.Warn != nil {
		p.options.Warn(sentence)
	}
}

// Store returns the store of one account. Partition is 1 to providers.MaxName printable ASCII characters; who does not know
// it finds nothing of the account through this package. No request is made. Closing the store leaves the pool open, and
// must come before the pool's end.
func (p *Pool) Store(partition string) (*Store, error) {
	outside := func(r rune) bool { return r <= ' ' || r > '~' }
	if partition == "" || len(partition) > providers.MaxName || strings.ContainsFunc(partition, outside) {
		return nil, fmt.Errorf("postgres: the partition must be 1 to %d printable characters", providers.MaxName)
	}
	return &Store{pool: p, partition: []byte(partition), notices: newNotices(p, partition), properties: providers.Properties{
		Kind: Kind, Durable: true, CurrentListings: true, Deletes: true, MaxObject: p.options.MaxObject, Parallel: p.options.Parallel,
	}}, nil
}

// Store is one partition of the table.
type Store struct {
	pool       *Pool
	owned      bool // the pool has no other store
	partition  []byte
	notices    *notices
	properties providers.Properties
}

// New makes the store of one account with a pool of its own, without any request: whether the database can be reached is
// found out by use. Errors speak of the options only.
func New(options *Options) (*Store, error) {
	p, err := NewPool(options)
	if err != nil {
		return nil, err
	}
	store, err := p.Store(p.options.Partition)
	if err != nil {
		p.Close()
		return nil, err
	}
	store.owned = true
	return store, nil
}

// Create makes the tables, or brings them to what this program needs; see [Pool.Create].
func Create(ctx context.Context, options *Options) error {
	p, err := NewPool(options)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Create(ctx)
}

// Properties implements providers.Store. A put is acknowledged when its transaction is flushed to the server's disk, whatever
// the server's setting synchronous_commit says; with fsync switched off nothing is, which is told through Warn.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store. Other devices are told of the last puts first, if that takes no longer than moments.
func (s *Store) Close() error {
	s.notices.close()
	if s.owned {
		s.pool.Close()
	}
	return nil
}
