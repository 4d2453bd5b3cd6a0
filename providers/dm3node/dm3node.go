// Package dm3node keeps objects at a stock dm3 node, through its storage service, beside the conversations of the dm3 app
// and without touching them. The service knows conversations of records; it gives no record by its identifier, only pages
// of them, and removes nothing. So:
//
//   - Bytes lie in lanes: hidden conversations with random names, each written by one store alone, one record after the
//     other, their times descending from a far day. So a record keeps its place in the service's order for ever, and one
//     request for the page of size one at that place returns it. A deletion empties the record.
//   - Names lie in 32 indexes, hidden conversations whose names are derived, by the container's part of the name. An index
//     is a log of records that are only ever added: "put" with a random identifier, the object's name, size and place;
//     "delete" with the identifiers of the puts that it takes back. What is listed is the union of the puts without the
//     union of the deletes, so devices need not agree on anything, and the order of records says nothing.
//   - The number of an index's records tells whether anything came, in one small request. New ones are read from the end.
//   - An index that is mostly of the past is closed by a record, and goes on as the next generation, see turn.go.
//
// The names of conversations begin with "dm3sync.", which the app's, base64 of JSON, never do. It imports only providers and
// the wire format.
package dm3node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// Kind is the store's word in configurations.
const Kind = "dm3node"

// MaxObject is the largest object in bytes: in base64, with what goes around it, it fits what a stock node takes.
const MaxObject = 37 << 20

// Defaults of [Options].
const (
	DefaultParallel = 6
	defaultTurn     = 2000
	defaultStall    = time.Minute
)

// Options says which node, and whose account.
type Options struct {
	// URL is the address of the node's backend ("https://node.example.org/api").
	URL string
	// Account is the account's normalised name at the node. It must be known there.
	Account string
	// Sign signs a challenge with the profile's signing key: base64. It is only called with challenges of the strict form
	// that package dm3api accepts.
	Sign func(ctx context.Context, challenge string) (string, error)
	// Normalise is how names are normalised, for the check that none is sent that would end the node.
	Normalise func(string) (string, error)
	// Partition is a text that only this account's devices know. The names of indexes are derived from it.
	Partition string
	// CAFile holds further certificate authorities, PEM.
	CAFile string
	// Proxy is the address of a proxy ("http://host:port"); empty: HTTPS_PROXY and so on.
	Proxy string

	Stall     time.Duration // a request that makes no progress for so long is given up as transient: 1 min
	MaxObject int64         // largest object in bytes: MaxObject, and no more
	Parallel  int           // sensible concurrent requests: DefaultParallel
	// Turn is how many records an index has at least before a new generation is begun: 2000.
	Turn int
	// Warn, if set, is given sentences about what the user may see in the dm3 app. It may be called concurrently.
	Warn func(sentence string)
	// Now is the clock that challenges are judged by: time.Now.
	Now func() time.Time
}

// Store is the part of one account's records at a node that is dm3sync's.
type Store struct {
	client     *dm3api.Client
	transport  *http.Transport
	options    Options
	properties providers.Properties
	indexes    [buckets]*index

	mutex sync.Mutex
	free  []*lane // lanes that nobody writes to now
}

// New makes a store, without any request. Errors speak of the options only.
func New(options *Options) (*Store, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	if o.Partition == "" {
		return nil, errors.New("dm3node: no partition to derive names from")
	}
	setDefaults(&o)
	base, err := transport.New(&transport.Options{CAFile: o.CAFile, Proxy: o.Proxy, PerHost: o.Parallel})
	if err != nil {
		return nil, fmt.Errorf("dm3node: %w", err)
	}
	client, err := dm3api.NewClient(&dm3api.ClientOptions{
		URL: o.URL, Account: o.Account, Sign: o.Sign, Normalise: o.Normalise, Now: o.Now,
		HTTP: &http.Client{Transport: &transport.Patience{Base: transport.Watched(base, o.Stall)}},
	})
	if err != nil {
		return nil, fmt.Errorf("dm3node: %w", err)
	}
	s := &Store{client: client, transport: base, options: o, properties: providers.Properties{
		Kind: Kind, Durable: true, CurrentListings: true, Deletes: true, MaxObject: o.MaxObject, Parallel: o.Parallel,
	}}
	for number := range s.indexes {
		s.indexes[number] = newIndex(number)
	}
	return s, nil
}

func setDefaults(o *Options) {
	if o.MaxObject <= 0 || o.MaxObject > MaxObject {
		o.MaxObject = MaxObject
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Turn <= 0 {
		o.Turn = defaultTurn
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
}

// Properties implements providers.Store. A record that a node acknowledged is in its database; listings come from there.
// Deleted objects are emptied, and what names them is left: a row of a few hundred bytes.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
