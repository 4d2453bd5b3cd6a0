package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// DefaultChunkLimit is the chunk size limit, in bytes of plaintext, of an
// account that names none: the lower end of what the specification recommends
// (spec page "Data Structure", 500 kB to 10 MB).
const DefaultChunkLimit = 500_000

// Options say what an engine works with. Account, Root, Sealer, Store and
// Cache are required.
type Options struct {
	Account    string          // the account's own name, normalised
	Root       container.Key   // key of the root container
	Sealer     *seal.Sealer    // seals states, heads and local records
	Store      providers.Store // the provider, retries and limits already around it
	Cache      *cache.Cache    // journal, records and blobs of this account
	ChunkLimit int             // bytes of plaintext; 0 is DefaultChunkLimit
	Grace      time.Duration   // how long a settling device first waits for one that does the maintenance; 0 is 200 ms
	LookEvery  int             // flushes before a pass looks at the heads again; 0 is 16
	Inline     int64           // bytes that travel inside heads before they move into their containers; 0 is 1 MiB
	Neighbours int             // chunks on each side of a range that are fetched ahead after a read that had to fetch
	Warm       int64           // bytes of recent chunks a full pass fetches ahead; 0 none
	Frugal     func() bool     // while it says so, nothing is fetched ahead; nil never does
	// DeleteGrace is how long the bytes of a deleted message stay at the provider
	// after this device first saw that they can go; 0 is not at all. It only
	// delays.
	DeleteGrace time.Duration
	Now         func() time.Time
	Random      io.Reader
	Log         *slog.Logger
	Progress    func(Progress) // may be nil; called from passes and from Verify, one at a time
}

// Progress tells how far a step of a pass has come. Total is 0 while unknown.
type Progress struct {
	Step  string `json:"step"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"`
}

// Item is one message for one conversation. Contact is a normalised name.
type Item struct {
	Contact  string
	Envelope container.Envelope
}

// Work says what a pass shall do beyond pushing.
type Work struct {
	Flush  bool // push only; look at the heads only when a look is due
	Scrub  bool // list everything too: writes without heads, leftovers, losses
	Settle bool // go on until nothing is unconfirmed or nothing moves any more
	// Restore lifts the block of an account whose objects are gone from the
	// provider: what this device still holds is written there again.
	Restore bool
}

// Report counts what a pass did.
type Report struct {
	Pulled    int `json:"pulled"`    // heads read
	Pushed    int `json:"pushed"`    // messages written
	Confirmed int `json:"confirmed"` // messages that left the journal
	Compacted int `json:"compacted"` // states written in place of others
	Removed   int `json:"removed"`   // objects removed in favour of others
	Pending   int `json:"pending"`   // messages still in the journal
}

// Conversation describes a conversation from what is known locally. Times are
// Unix milliseconds, zero where unknown. Messages counts each message once, and no
// deleted one. It is Estimated where that could not be told: what stands in two states
// that are not both here (or were not compared yet: a list does so bit by bit) counts
// twice, and what waits in the journal may stand in a state already.
type Conversation struct {
	Contact  string `json:"contact"`
	Chunks   int    `json:"chunks"`
	Messages int    `json:"messages"`
	First    int64  `json:"first"`
	Last     int64  `json:"last"`
	Pending  int    `json:"pending"`
	Hidden   bool   `json:"hidden"`

	Estimated bool `json:"estimated,omitempty"`
}

// Range picks messages: From up to, not including, To (Unix milliseconds, To 0
// is no end), and of those the newest Last (0 is all).
type Range struct {
	From, To int64
	Last     int
}

// Page is what a range holds, in the order of time. It is Provisional, with
// the Reasons, when something may be missing from it.
type Page struct {
	Messages    []container.Envelope
	Provisional bool
	Reasons     []string
	Fetched     int   // objects fetched from the provider
	Gaps        []Gap // of a Local window: what it left out, oldest first; they may overlap
}

// Verification is what a walk through the whole tree found.
type Verification struct {
	Deep          bool      `json:"deep"`              // every object was fetched and opened
	Resumed       bool      `json:"resumed,omitempty"` // an interrupted run was gone on with
	Objects       int       `json:"objects"`
	Heads         int       `json:"heads"`
	Conversations int       `json:"conversations"`
	Chunks        int       `json:"chunks"`
	States        int       `json:"states"`
	Messages      int       `json:"messages"`
	Tombstones    int       `json:"tombstones"`
	Bytes         int64     `json:"bytes"`
	Foreign       int       `json:"foreign"`   // objects sealed with another key, left alone
	Leftovers     int       `json:"leftovers"` // in a carried folder: replaced and not removed yet
	Problems      []Problem `json:"problems"`
}

// Status says how the account is. It carries no secret.
type Status struct {
	Account        string        `json:"account"`
	State          string        `json:"state"` // "idle", "working" or "blocked"
	Pending        int           `json:"pending"`
	PendingBytes   int64         `json:"pending_bytes"`
	Conversations  int           `json:"conversations"` // listed and not hidden
	Chunks         int           `json:"chunks"`
	Heads          int           `json:"heads"`
	Devices        int           `json:"devices"` // this one, and those it ever met by what they wrote; one that lost its cache counts anew
	LastPass       time.Time     `json:"last_pass,omitzero"`
	LastSuccess    time.Time     `json:"last_success,omitzero"`
	LastError      string        `json:"last_error,omitempty"`
	Obstacle       obstacle.Kind `json:"obstacle,omitempty" doc:"What kind of thing is in the way: of last_error, or of reason while the account is not open"`
	Problems       []Problem     `json:"problems"`         // present ones, oldest first
	Healed         []Healed      `json:"healed,omitempty"` // over, newest first
	Alarms         Alarms        `json:"alarms"`
	JournalDamaged int           `json:"journal_damaged"`
	CacheRebuilt   bool          `json:"cache_rebuilt"`

	HiddenConversations int `json:"hidden_conversations,omitempty"`
}

// Sentinels of this package, matched with errors.Is.
var (
	// ErrTooLarge is a message that is larger than the chunk limit. Nothing of
	// it was stored.
	ErrTooLarge = errors.New("message is larger than the chunk limit")
	// ErrLimit is a chunk limit that is smaller than a message already kept.
	ErrLimit = errors.New("chunk limit is smaller than the largest message")
	// ErrBlocked is an account that stopped to be safe; the text says why and
	// what to do.
	ErrBlocked = errors.New("the account has stopped to be safe")
	// ErrNoConversation is a contact of whom this device knows nothing.
	ErrNoConversation = errors.New("no such conversation is known here")
	// ErrClosed is a call on an engine that was closed.
	ErrClosed = errors.New("engine is closed")
)

// TooLargeError tells how large a refused message is. It matches ErrTooLarge.
type TooLargeError struct {
	Size, Limit int // bytes of plaintext
}

// Error says what the message measures and what would let it in.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message of %d bytes is larger than the chunk limit of %d bytes; raise chunk_size to keep it", e.Size, e.Limit)
}

// Is makes the error match ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
