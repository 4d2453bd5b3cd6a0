package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// MaxPage is the largest page that is answered, in entries; larger ones are refused,
// so that one request can't take all memory.
const MaxPage = 2000

// MaxPageBytes is the most that an answer may hold, in bytes of containers: larger pages of
// messages are refused, and clients ask for smaller ones; conversations come without a
// preview then, and halted messages a part at a time. One record is always given.
const MaxPageBytes = 128 << 20

// Reasons why the tree can't do what an app asks for.
var (
	errRejected    = errors.New("the message was not taken")
	errProvisional = errors.New("a part of the conversation can't be read at the moment")
)

// TreeAccount is one account that apps may use as their storage.
type TreeAccount struct {
	Account api.Account
	// Names are the normalised names under which an app may use it, the account's
	// own first.
	Names   []string
	Profile identity.Profile
}

// TreeOptions is what a [Tree] needs. All fields must be set.
type TreeOptions struct {
	Accounts []TreeAccount
	// Positions bounds how many messages' places in an app's order are remembered,
	// over all conversations; each takes about 60 bytes.
	Positions int
	PageBytes int // instead of MaxPageBytes; 0 is that
	Now       func() time.Time
	Random    io.Reader // for the seals of records, as crypto/rand
	Log       *slog.Logger
}

// Tree answers dm3 apps from and into the accounts' trees: what an app stores is
// opened with the profile's keys, appended durably and synced like everything else,
// and what comes from other devices or the delivery service is shown to the app. It
// implements [dm3api.Backend] and [dm3api.Profiles], and is safe for concurrent use.
type Tree struct {
	accounts map[string]*treeName // by each of their names
}

// treeName is an account under one of its names: the name decides how contacts are
// encrypted, and under which identifiers records stand.
type treeName struct {
	*treeAccount
	name  string
	codec *bridge.Codec
}

// treeAccount is one account, with what is remembered of it. Nothing of that is
// needed again after a restart.
type treeAccount struct {
	account   api.Account
	name      string
	profile   identity.Profile
	now       func() time.Time
	log       *slog.Logger
	positions int
	pageBytes int

	writing sync.Mutex // of notes

	mu            sync.Mutex
	conversations map[string]engine.Conversation // as listed last; nil when it must be asked
	listed        time.Time
	folded        *notes
	foldedOf      engine.Conversation
	orders        map[string]*order     // by contact
	own           map[string][]ownWrite // since the order was made, by contact
	pinned        map[pin]*pinnedOrder  // by who pages through what
}

// NewTree prepares the service of some accounts. It reads nothing yet.
func NewTree(o TreeOptions) (*Tree, error) {
	t := &Tree{accounts: make(map[string]*treeName)}
	for _, a := range o.Accounts {
		account := &treeAccount{
			account: a.Account, name: a.Names[0], profile: a.Profile, now: o.Now, log: o.Log, positions: o.Positions, pageBytes: cmp.Or(o.PageBytes, MaxPageBytes),
			orders: make(map[string]*order), own: make(map[string][]ownWrite), pinned: make(map[pin]*pinnedOrder),
		}
		for _, name := range a.Names {
			codec, err := bridge.NewCodec(a.Profile, name, o.Random)
			if err != nil {
				return nil, fmt.Errorf("storage: preparing an account: %w", err)
			}
			t.accounts[name] = &treeName{account, name, codec}
		}
	}
	return t, nil
}

// SigningKey returns the signing key of an account that is served; else the error
// matches [dm3api.ErrUnknownAccount]. It is for [LoginOptions].
func (t *Tree) SigningKey(_ context.Context, account string) ([32]byte, error) {
	a, err := t.named(account)
	if err != nil {
		return [32]byte{}, err
	}
	return a.profile.SigningPublic(), nil
}

func (t *Tree) named(account string) (*treeName, error) {
	a, ok := t.accounts[account]
	if !ok {
		return nil, dm3api.ErrUnknownAccount
	}
	return a, nil
}

// contact opens the name of a contact, as the app wrote it and normalised. Others
// than the app's own texts are [dm3api.ErrInvalid], and so is the notes' name.
func (a *treeName) contact(wire string) (spelling, normal string, err error) {
	if spelling, err = a.codec.DecryptName(wire); err == nil {
		normal, err = identity.Normalize(spelling)
	}
	if err != nil || normal == "" || normal == bridge.NotesContact {
		return "", "", fmt.Errorf("storage: %w: the contact's name can't be read", dm3api.ErrInvalid)
	}
	return spelling, normal, nil
}

// listLife is how long a list of conversations is believed when nothing was written
// here: what other devices wrote shows that much later.
const listLife = time.Second

// list returns the conversations of the tree by contact, without the notes.
func (a *treeAccount) list(ctx context.Context) (map[string]engine.Conversation, error) {
	a.mu.Lock()
	list, listed := a.conversations, a.listed
	a.mu.Unlock()
	now := a.now()
	if list != nil && now.Sub(listed) < listLife && !now.Before(listed) {
		return list, nil
	}
	conversations, err := a.account.Conversations(ctx)
	if err != nil {
		return nil, fmt.Errorf("storage: listing conversations: %w", err)
	}
	list = make(map[string]engine.Conversation, len(conversations))
	for _, c := range conversations {
		list[c.Contact] = c
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listed.Equal(listed) { // nothing was written meanwhile
		a.conversations, a.listed = list, now
	}
	return list, nil
}

// forget makes the next look ask anew.
func (a *treeAccount) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conversations, a.listed = nil, a.listed.Add(1)
}

// notes returns the fold of the notes, which must not be changed.
func (a *treeAccount) notes(ctx context.Context) (*notes, error) {
	list, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	of := list[bridge.NotesContact]
	a.mu.Lock()
	folded, foldedOf := a.folded, a.foldedOf
	a.mu.Unlock()
	if folded != nil && foldedOf == of {
		return folded, nil
	}
	if folded, err = a.readNotes(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.folded, a.foldedOf = folded, of
	return folded, nil
}

func joinLines(lines [][]byte) io.Reader { return bytes.NewReader(bytes.Join(lines, []byte("\n"))) }
