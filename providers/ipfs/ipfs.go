// Package ipfs keeps objects as files of a directory that each device builds at a Kubo node of its own and publishes under
// an IPNS name of its own; what all devices published together is the place. It speaks Kubo's RPC over plain HTTP and
// imports only providers.
//
// The names derive from one seed and a device's number, so every device knows every name without being told. A name has one
// writer: nothing that two devices do can overwrite anything. A published root holds
//
//	own/objects/<container>/<state>   what this device put; "~1" behind it: put again after it was removed once
//	own/removed/<container>+<state>~0 what this device removed and another one still holds
//	own/at-<sequence>-<instance>-<nonce>
//	others/<number>-<sequence>        the own folder of each other device, as this one saw it last
//
// so that a root shows all that its writer can have built upon, and the others' last heads outlive their nodes: whoever
// follows fetches and pins them. An object is there when some device holds it and none lists it as removed. Records may be
// old, and blocks far away; so listings are not promised to be current, every wait is bounded, and what was known last
// stands in for what can't be had now. internal/docs/decisions/0016-names-of-ipfs.md says why it is built so.
//
// Bytes are not checked against their content identifiers here: Kubo does that for every block that it takes from
// strangers, and objects are sealed in any case.
package ipfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// Kind is the store's word in configurations.
const Kind = "ipfs"

// MaxDevices is the highest number that a device may have.
const MaxDevices = 64

// ErrTaken says that the device's number is not this device's own: another one publishes under it, or the node, or what it
// keeps, was restored from a copy. Nothing is written then.
var ErrTaken = errors.New("ipfs: another device publishes under this device's number, or this node was restored from a copy: " +
	"give this device a number that none has (provider.device); all that was written stays readable")

// ErrGone says that the node no longer has the folder that this device built there.
var ErrGone = errors.New("ipfs: the node no longer has what dm3sync built there: was its repository replaced? " +
	"Bring it back, or give this device a number that none has (provider.device)")

// Options says which node to use and which device this is. Seed, Device and Devices have no default.
type Options struct {
	Endpoint string   // Kubo's RPC: http://127.0.0.1:5001
	Seed     [32]byte // a secret of the account, for nothing else: all names and their signing keys derive from it
	Device   int      // this device's number, from 1 on
	Devices  int      // how many numbers are looked at, from 1 on: at least Device

	// Username and Secret log in at a proxy before the node; a secret without a name is a bearer token.
	Username, Secret string
	CAFile, Proxy    string // see [transport.Options]

	PinService string        // a remote pinning service, by the name that the node has for it; empty: none
	PinGateway string        // an HTTP gateway that serves what that service keeps, to make sure that it does; empty: it is believed
	UnpinAfter time.Duration // how long the node keeps what was removed: 24 h

	Patience  time.Duration // how long a block or a name is waited for: 20 s
	Slow      time.Duration // how long a look waits for names that did not answer the last time: 1 s
	AskAbsent time.Duration // how often a name is looked for that nobody was ever seen to publish: 1 min
	Publish   time.Duration // how long the first put waits for others, to be published with them: 1 s
	Keep      time.Duration // how often the others' objects are fetched and pinned, and old content let go: 1 min
	Still     bool          // nothing happens in the background, only what calls ask for: for tests

	MaxObject int64 // largest object in bytes: providers.DefaultMaxObject
	Parallel  int   // sensible concurrent requests: 8

	Now    func() time.Time // time.Now
	Random io.Reader        // crypto/rand.Reader
	Log    *slog.Logger     // what happens in the background; nil discards
}

// Store is one device's view of the place.
type Store struct {
	o          Options
	node       *node
	names      []string // IPNS names by number; 0 is unused
	properties providers.Properties
	paths      paths

	life context.Context // until Close
	end  context.CancelFunc
	work sync.WaitGroup // what goes on in the background

	opening sync.Mutex // one opening at a time

	looking  sync.Mutex // one look at a time
	changing sync.Mutex // one newer head at a time

	remote remote // of tend alone

	mu          sync.Mutex // guards what follows
	opened      bool
	self        own
	devices     []device // by number; 0 and the own one hold nothing
	looked      time.Time
	stopped     error         // ErrTaken, once found
	publication chan struct{} // what is being published now; nil when nothing
	scheduled   bool          // it will be, in a while
	closed      bool
}

// New makes a store, without any request. Errors don't repeat addresses, which may hold a password.
func New(options *Options) (*Store, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	o.defaults()
	if o.Device < 1 || o.Devices < o.Device || o.Devices > MaxDevices {
		return nil, fmt.Errorf("ipfs: device %d of %d: numbers go from 1 to %d", o.Device, o.Devices, MaxDevices)
	}
	base, err := url.Parse(o.Endpoint)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("ipfs: endpoint is not an address like http://127.0.0.1:5001") // it may hold a secret
	}
	if gateway, err := url.Parse(o.PinGateway); o.PinGateway != "" && (err != nil || gateway.Host == "") {
		return nil, errors.New("ipfs: the pinning service's gateway is not an address like https://gateway.example.org")
	}
	made, err := transport.New(&transport.Options{CAFile: o.CAFile, Proxy: o.Proxy, PerHost: o.Parallel + o.Devices})
	if err != nil {
		return nil, fmt.Errorf("ipfs: %w", err)
	}
	s := &Store{o: o, devices: make([]device, o.Devices+1), names: make([]string, o.Devices+1)}
	s.node = &node{
		base: base, transport: made, client: &http.Client{Transport: made}, username: o.Username, secret: o.Secret, patience: o.Patience,
		tree: make(chan struct{}, 1),
	}
	for number := 1; number <= o.Devices; number++ {
		if s.names[number], _, err = keyOf(o.Seed, number); err != nil {
			return nil, err
		}
	}
	s.paths = pathsOf(s.names[o.Device])
	s.properties = providers.Properties{
		// Kubo does not sync what it stores unless told so, hence not Durable. A deleted object is listed no more; what
		// strangers made of its blocks is another matter, as the documentation says.
		Kind: Kind, Durable: false, CurrentListings: false, Deletes: true, Lingers: true, MaxObject: o.MaxObject, Parallel: o.Parallel,
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func (o *Options) defaults() {
	fill := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	fill(&o.UnpinAfter, 24*time.Hour)
	fill(&o.Patience, 20*time.Second)
	fill(&o.Slow, time.Second)
	fill(&o.AskAbsent, time.Minute)
	fill(&o.Publish, time.Second)
	fill(&o.Keep, time.Minute)
	if o.Endpoint == "" {
		o.Endpoint = "http://127.0.0.1:5001"
	}
	if o.MaxObject <= 0 {
		o.MaxObject = providers.DefaultMaxObject
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Create makes this device's folder at the node, and finds out whether its number is free. It may be repeated.
func Create(ctx context.Context, options *Options) error {
	store, err := New(options)
	if err != nil {
		return err
	}
	return errors.Join(store.open(ctx), store.Close())
}

// Properties implements providers.Store.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store. It publishes what waits for that, for at most twice the patience; what could not be
// published is kept by the node, and published by the next run.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	if !s.publishAll(s.life, 2*s.o.Patience) {
		s.o.Log.Warn("not all is published yet; it is safe at the node, and the next run goes on")
	}
	s.end()
	s.work.Wait()
	s.node.transport.CloseIdleConnections()
	return nil
}
