// Package gdrive keeps each object as a file of Google Drive: in one folder that the user sees (My Drive or a shared
// drive), or in the app's own hidden space. A file has the container's key as its name, so the files of one name are the
// states of a container, and the whole name in its private properties. Names need not be unique at Drive and nothing is
// ever conditional: every create has an id that was generated before, so that a repeated one is refused with 409 and makes
// no twin. It imports only providers.
//
// The package does not repeat calls, and the client library repeats none of those used here (it does so only for uploads,
// which are made here); providers.Retry does the rest. Two things are begun again inside a call: a request that Drive
// refuses with 401 when the source has a newer token, and an upload in parts, from where Drive says that it is. What the
// user does by hand in the browser is looked at, told, and never taken for an order: see [ErrNoFolder] and the others.
package gdrive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
	"golang.org/x/oauth2"
	"google.golang.org/api/drive/v3"
	"google.golang.org/api/option"
)

// Kind is the store's word in configurations.
const Kind = "drive"

// Spaces for [Options].
const (
	SpaceFiles   = "files"   // a folder that the user sees; scope drive.file
	SpaceAppData = "appdata" // the app's own hidden space; scope drive.appdata
)

// Scopes that a token needs for the spaces.
const (
	ScopeFiles   = drive.DriveFileScope
	ScopeAppData = drive.DriveAppdataScope
)

// Defaults of [Options].
const (
	DefaultFolder   = "dm3sync"
	DefaultParallel = 8
	DefaultPoll     = 30 * time.Second
	defaultAgain    = time.Second
	defaultKnown    = 16384
	google          = "https://www.googleapis.com"
)

// Options says which part of Drive to use and how to reach it. Tokens is required.
type Options struct {
	// Tokens gives access tokens for the scope of Space. An error that is, or holds, an *oauth2.RetrieveError is told
	// without the login server's answer; one that matches a sentinel of providers keeps its meaning and text.
	Tokens oauth2.TokenSource
	Space  string // SpaceFiles (default) or SpaceAppData
	// Folder is the name that [Create] gives the folder, and what it is known by even after it was renamed by hand:
	// DefaultFolder. Unused in SpaceAppData.
	Folder string
	// SharedDrive is the id of the shared drive that holds the folder; empty for My Drive.
	SharedDrive string
	// Endpoint is the root of the interface ("http://127.0.0.1:1234"); empty for Google.
	Endpoint string
	// CAFile holds further certificate authorities, PEM.
	CAFile string
	// Proxy is the address of a proxy ("http://host:port"); empty: HTTPS_PROXY and so on.
	Proxy string

	Stall     time.Duration // a request that makes no progress for so long is given up as transient: 1 min
	MaxObject int64         // largest object in bytes: providers.DefaultMaxObject
	Parallel  int           // sensible concurrent requests: DefaultParallel
	Poll      time.Duration // between two looks at the feed of changes: DefaultPoll
	// Again is how long a name that no search shows is given before it is searched once more, and only then called absent,
	// as Drive's searches may lag behind: 1 s.
	Again time.Duration
	Known int // names whose ids are remembered: 16384, about 8 MB

	// Warn, if set, is given sentences about what a user has changed by hand and need not change back at once. It may be
	// called concurrently.
	Warn  func(sentence string)
	Sleep func(ctx context.Context, wait time.Duration) error // the clock: providers.Sleep
}

// Store is one folder of Drive, or the app's hidden space.
type Store struct {
	options    Options
	service    *drive.Service
	client     *http.Client
	transport  *http.Transport
	root       string // of the interface, without a slash at the end
	properties providers.Properties

	place   place
	known   *known
	ids     ids
	pending *recent[creation]
	locks   locks
	told    *recent[struct{}] // sentences given to Warn
}

// Errors about the folder. They match no sentinel of providers: it takes a person to mend them, and what they say is never
// that an object is absent.
var (
	// ErrNoFolder says that Drive has no folder that dm3sync has made under this name.
	ErrNoFolder = errors.New("gdrive: Drive has no folder that dm3sync has made under this name")
	// ErrFolderTrashed says that the folder is in the trash.
	ErrFolderTrashed = errors.New("gdrive: the folder of dm3sync is in Drive's trash")
	// ErrTwoFolders says that Drive has several of them, and none is guessed to be the right one.
	ErrTwoFolders = errors.New("gdrive: Drive has several folders that dm3sync has made under this name")
)

// New makes a store, without any request: whether it can be reached is found out by use. Errors speak of the options only.
func New(options *Options) (*Store, error) {
	o, err := complete(options)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o, root: google, known: newKnown(o.Known), pending: newRecent[creation](4096), told: newRecent[struct{}](256),
		properties: providers.Properties{Kind: Kind, Durable: true, Deletes: true, MaxObject: o.MaxObject, Parallel: o.Parallel},
	}
	if o.Endpoint != "" {
		endpoint, err := url.Parse(o.Endpoint)
		if err != nil || endpoint.Host == "" || (endpoint.Scheme != "https" && endpoint.Scheme != "http") || endpoint.User != nil || endpoint.RawQuery != "" {
			return nil, errors.New("gdrive: endpoint is not an address like https://host:port") // it may hold a secret
		}
		s.root = strings.TrimRight(o.Endpoint, "/")
	}
	s.transport, err = transport.New(&transport.Options{CAFile: o.CAFile, Proxy: o.Proxy, PerHost: o.Parallel})
	if err != nil {
		return nil, fmt.Errorf("gdrive: %w", err)
	}
	s.client = &http.Client{Transport: &bearer{base: s.transport, source: o.Tokens, stall: o.Stall}, CheckRedirect: noRedirect}
	s.service, err = drive.NewService(context.Background(), option.WithHTTPClient(s.client), option.WithEndpoint(s.root+"/drive/v3/"),
		option.WithLogger(slog.New(slog.DiscardHandler))) // else an environment variable makes it write requests
	if err != nil {
		return nil, fmt.Errorf("gdrive: %w", err)
	}
	return s, nil
}

// noRedirect: the token is for one host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// complete checks options and fills in defaults.
func complete(options *Options) (Options, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	switch {
	case o.Tokens == nil:
		return o, errors.New("gdrive: no source of tokens given")
	case o.Space != "" && o.Space != SpaceFiles && o.Space != SpaceAppData:
		return o, fmt.Errorf("gdrive: space %q is neither %q nor %q", o.Space, SpaceFiles, SpaceAppData)
	case o.Space == SpaceAppData && o.SharedDrive != "":
		return o, errors.New("gdrive: a shared drive has no space for app data")
	case len(o.Folder) > 100:
		return o, errors.New("gdrive: the folder's name is longer than 100 bytes")
	}
	fill(&o.Space, SpaceFiles)
	fill(&o.Folder, DefaultFolder)
	fill(&o.Stall, time.Minute)
	fill(&o.MaxObject, providers.DefaultMaxObject)
	fill(&o.Parallel, DefaultParallel)
	fill(&o.Poll, DefaultPoll)
	fill(&o.Again, defaultAgain)
	fill(&o.Known, defaultKnown)
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Sleep == nil {
		o.Sleep = providers.Sleep
	}
	return o, nil
}

func fill[T string | time.Duration | int | int64](field *T, standard T) {
	var zero T
	if *field <= zero {
		*field = standard
	}
}

// Properties implements providers.Store. A put is acknowledged when Drive has told the right size and checksum. Searches
// are not promised to be current: Google promises nothing, and others have seen them lag.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// warn tells a sentence, once.
func (s *Store) warn(format string, arguments ...any) {
	sentence := fmt.Sprintf(format, arguments...)
	if s.told.add(sentence, struct{}{}) {
		s.options.Warn(sentence)
	}
}
