package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/dm3sync/dm3sync/internal/files"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
)

// Errors of this package, for errors.Is. Failures of the moment match providers.ErrTransient or
// providers.ErrRateLimited.
var (
	// ErrNeeded says that nobody is logged in, or that the login has ended. It matches providers.ErrUnauthorised, and its
	// text says what to run.
	ErrNeeded = providers.ErrLogin
	// ErrClient says that the server doesn't know the client: the configuration is wrong. It matches
	// providers.ErrUnauthorised.
	ErrClient = fmt.Errorf("the server refused client_id or its secret: %w", providers.ErrUnauthorised)
	// ErrNotCompleted says that the user, the browser or the time limit ended a login before there was a token.
	ErrNotCompleted = errors.New("not logged in")
	// ErrForeign says that what was pasted is not the answer to the login that runs, which goes on.
	ErrForeign = errors.New("that is not the address that this login ends at")
)

// Place is where to log in, and as which client. It prints without its secret.
type Place struct {
	Title        string // what people call it, such as "Google Drive"
	ClientID     string
	ClientSecret string // empty for a client that has none
	AuthURL      string
	TokenURL     string
	RevokeURL    string
	Scopes       []string
	// Parameters are added to the address that the browser opens.
	Parameters map[string]string
	// Command is what the user runs to log in.
	Command string
}

// Format implements fmt.Formatter: no verb shows the secret.
func (p Place) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "login to %s as %s", p.Title, p.ClientID)
}

// LogValue implements slog.LogValuer, for handlers that don't print but encode.
func (p Place) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// Format implements fmt.Formatter, as that of Place.
func (o Options) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, o.Place) }

// Options say what a login is for and what it needs from outside.
type Options struct {
	Place Place
	// Folder is the account's own; it is made when a token is kept.
	Folder string
	// Unlock returns the account's storage key. It is called where a token is sealed in a file.
	Unlock func() ([32]byte, error)
	// Vault is the system's keyring; nil: there is none.
	Vault keyring.Vault
	// HTTP makes the requests to the server; nil is a plain client. Redirects are refused whatever it says.
	HTTP *http.Client
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Random is where secrets come from; nil is crypto/rand.
	Random io.Reader
	// Log gets what happens in the background; nil discards.
	Log *slog.Logger
}

// requestLimit is how long one request to the server may take.
const requestLimit = 30 * time.Second

// Login is the login of one account's place. Its methods are safe for concurrent use; several logins, in several
// processes, may share a folder.
type Login struct {
	place  Place
	config oauth2.Config
	store  *store
	http   *http.Client
	now    func() time.Time
	random io.Reader
	log    *slog.Logger

	ctx    context.Context // of what runs for several callers; ends with Close
	end    context.CancelFunc
	flight singleflight.Group
	groups sync.WaitGroup

	mu       sync.Mutex
	known    *record   // as it is kept; nil: not read yet
	mark     mark      // of the file when known was read
	unkept   *unkept   // what the server gave and could not be kept
	rejected secret    // an access token that the place refused
	quiet    time.Time // no refresh ahead of time before this
}

// unkept is an answer of the server that is to be kept before it is used.
type unkept struct {
	instead secret // the refresh token that it replaces
	record  record
}

// Open prepares a login; nothing is read and nobody is asked before a method needs it. Close ends it.
func Open(o Options) (*Login, error) {
	if o.Place.ClientID == "" || o.Place.AuthURL == "" || o.Place.TokenURL == "" || o.Folder == "" || o.Unlock == nil {
		return nil, errors.New("login: client, addresses, folder and Unlock must be given")
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
	client := http.Client{Timeout: requestLimit}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	// A redirect would carry the token to an address that nobody configured.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	l := &Login{
		place: o.Place, http: &client, now: o.Now, random: o.Random, log: o.Log,
		config: oauth2.Config{
			ClientID: o.Place.ClientID, ClientSecret: o.Place.ClientSecret, Scopes: o.Place.Scopes,
			// Google takes nothing else, and to guess would cost a second request, with a used token.
			Endpoint: oauth2.Endpoint{AuthURL: o.Place.AuthURL, TokenURL: o.Place.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
		},
		store: &store{folder: o.Folder, path: filepath.Join(o.Folder, "login"), unlock: o.Unlock, vault: o.Vault, random: o.Random, replace: files.Replace},
	}
	l.ctx, l.end = context.WithCancel(context.WithValue(context.Background(), oauth2.HTTPClient, l.http))
	return l, nil
}

// Close ends requests that are under way and waits for them. Tokens can't be had any more.
func (l *Login) Close() error {
	l.mu.Lock()
	l.end()
	l.mu.Unlock()
	l.groups.Wait()
	return nil
}

// begin counts a goroutine that Close waits for; false after Close.
func (l *Login) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.groups.Add(1)
	return true
}

// needed is ErrNeeded with a reason.
func (l *Login) needed(reason string) error {
	return &neededError{fmt.Sprintf("%s: %s; run `%s`", l.place.Title, reason, l.place.Command)}
}

// neededError matches ErrNeeded, whose own words would tell nothing more.
type neededError struct{ sentence string }

// Error implements error.
func (e *neededError) Error() string { return "login: " + e.sentence }

// Unwrap gives errors.Is the sentinel.
func (e *neededError) Unwrap() error { return ErrNeeded }
