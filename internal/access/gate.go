package access

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Bounds on credentials.
const (
	// LinkLife is how long a link may wait for its one use.
	LinkLife = 2 * time.Minute
	// SessionIdle is how long a session may rest before it ends.
	SessionIdle = 12 * time.Hour
	// MaxSessions is how many browsers may be in at once; one more ends the one
	// that rested longest.
	MaxSessions = 32
	// maxLinks bounds links that wait; one more drops the oldest.
	maxLinks = 32
)

// Wrong tokens may be shown so often, by all together.
const wrongPerSecond, wrongBurst = 1, 10

// Options says how a Gate decides. TokenFile, Now, Random and Log must be set.
type Options struct {
	// TokenFile is where the token lies; it is made when it is not there.
	TokenFile string
	// Origins are the web pages that may use the interface with the token, as
	// browsers write them ("https://app.example.org"); none: only its own page.
	Origins []string
	// PerSecond and Burst are the requests of one session, and of the token;
	// PerSecond 0 is no limit.
	PerSecond float64
	Burst     int
	// Page says that browsers may enter, with links.
	Page bool
	// Open are the paths that anybody on this machine may read with GET and HEAD,
	// as often as they like: answering them must cost next to nothing.
	Open []string
	// MaxBody is the largest body of a request, in bytes; negative: no bound.
	// nil: DefaultMaxBody for all. It sees the path as the client wrote it.
	MaxBody func(method, path string) int64
	// Patience bounds slow clients; zero fields take their default.
	Patience Patience
	// Log gets one record a request without names, paths or credentials.
	Log *slog.Logger
	// Now is the wall clock; it decides when links and sessions end.
	Now func() time.Time
	// Random is where secrets are drawn from.
	Random io.Reader
}

// DefaultMaxBody is the largest body of a request where nothing else is said.
const DefaultMaxBody = 1 << 20

// Gate knows the token, the links and the sessions. It is safe for concurrent
// use. One Gate serves all listeners of an agent.
type Gate struct {
	o    Options
	name string // under localhost, known to nobody else

	rules atomic.Pointer[Rules] // of now; those of Options are the first
	wrong *rate.Limiter

	mu       sync.Mutex
	token    *credential
	links    map[digest]link
	sessions map[digest]*session
	counts   map[string]uint64
}

// credential is what a request was let in by.
type credential struct {
	digest digest
	limit  *rate.Limiter
	ended  context.Context // ends with the credential
	end    context.CancelFunc
}

func (g *Gate) newCredential(secret string) *credential {
	rules := g.rules.Load()
	c := &credential{digest: digestOf(secret), limit: rate.NewLimiter(rate.Limit(rules.PerSecond), rules.Burst)}
	c.hold(rules)
	c.ended, c.end = context.WithCancel(context.Background())
	return c
}

// New reads the token, or makes it.
func New(o Options) (*Gate, error) {
	if o.MaxBody == nil {
		o.MaxBody = func(string, string) int64 { return DefaultMaxBody }
	}
	o.Patience = o.Patience.withDefaults()
	g := &Gate{
		o: o, links: map[digest]link{}, sessions: map[digest]*session{}, counts: map[string]uint64{},
		wrong: rate.NewLimiter(wrongPerSecond, wrongBurst),
	}
	g.rules.Store(&Rules{Origins: o.Origins, PerSecond: o.PerSecond, Burst: o.Burst, Page: o.Page})
	label := make([]byte, 8)
	if _, err := io.ReadFull(o.Random, label); err != nil {
		return nil, fmt.Errorf("access: drawing a name: %w", err)
	}
	g.name = "dm3sync-" + hex.EncodeToString(label) + ".localhost"
	token, err := ReadToken(o.TokenFile, o.Random)
	if err != nil {
		return nil, err
	}
	g.token = g.newCredential(token)
	return g, nil
}

// ReplaceToken makes a new token and returns it. The old one is refused from now
// on, what is under way with it is ended, and so are all sessions and links.
func (g *Gate) ReplaceToken() (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, err := NewToken(g.o.TokenFile, g.o.Random)
	if err != nil {
		return "", err
	}
	g.token.end()
	g.token = g.newCredential(token)
	clear(g.links)
	for key, s := range g.sessions {
		g.drop(key, s)
	}
	return token, nil
}

// Name is the host name under which the gate's own links lead to a listener. It
// lies under localhost, which browsers look up on this machine, and is drawn
// anew for each Gate: cookies know no ports, so those of 127.0.0.1 would be sent
// to whatever else listens there.
func (g *Gate) Name() string { return g.name }

// Counts tells how many requests there were since the start, by how they ended:
// "served", or the reason of the refusal.
func (g *Gate) Counts() map[string]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.counts)
}

func (g *Gate) count(what string) {
	g.mu.Lock()
	g.counts[what]++
	g.mu.Unlock()
}

// bearer finds the credential of a token; nil when it is wrong.
func (g *Gate) bearer(token string) *credential {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.token.digest.is(digestOf(token)) {
		return nil
	}
	return g.token
}

// isOpen tells whether a path needs no credential.
func (g *Gate) isOpen(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && slices.Contains(g.o.Open, r.URL.Path)
}
