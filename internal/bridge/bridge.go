package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Node is the storage service of a dm3 node, as [dm3api.Client] speaks to it. Contacts
// are encrypted names.
type Node interface {
	// Conversations yields the visible conversations.
	Conversations(ctx context.Context, pageSize int) iter.Seq2[dm3api.Conversation, error]
	// NumberOfConversations counts them, hidden ones too.
	NumberOfConversations(ctx context.Context) (int, error)
	// Messages yields the records of a conversation, the newest first.
	Messages(ctx context.Context, contact string, pageSize int) iter.Seq2[dm3api.Message, error]
	// HaltedMessages returns the records that were not delivered.
	HaltedMessages(ctx context.Context) ([]dm3api.HaltedMessage, error)
	// AddMessage adds a record; [dm3api.ErrNotAdded] says that the node refuses it, most
	// likely because it has it.
	AddMessage(ctx context.Context, contact string, record dm3api.Record) error
	// AddMessageBatch adds records. No error says nothing.
	AddMessageBatch(ctx context.Context, contact string, records []dm3api.Record) error
}

// Delivery is a delivery service, as [dm3api.Client] speaks to it.
type Delivery interface {
	// Incoming returns what waits, and removes nothing.
	Incoming(ctx context.Context) ([]dm3api.EncryptionEnvelop, error)
	// Acknowledge removes one copy of each message.
	Acknowledge(ctx context.Context, acknowledgements []dm3api.Acknowledgement) error
}

// Tree is the account's history, as [history.History] is one.
type Tree interface {
	// Append returns when what the summary calls accepted is durable.
	Append(ctx context.Context, r io.Reader, o history.AppendOptions) (history.Summary, error)
	// Conversations lists what is known locally.
	Conversations(ctx context.Context) ([]engine.Conversation, error)
	// Page returns a range of a conversation.
	Page(ctx context.Context, contact string, r engine.Range) (engine.Page, error)
	// Hide hides a conversation.
	Hide(ctx context.Context, contact string, hidden bool) error
}

// ErrService is matched by errors of the node and the delivery service, and of the way
// to them: what was not done will be.
var ErrService = errors.New("the dm3 node or delivery service could not be used")

// serviceError says what was asked of a service when it failed.
func serviceError(doing string, err error) error {
	if errors.Is(err, context.Canceled) && !errors.Is(err, transport.ErrStalled) { // by whoever asked
		return fmt.Errorf("bridge: %s: %w", doing, err)
	}
	return fmt.Errorf("bridge: %s: %w: %w", doing, ErrService, err)
}

// Options say what a bridge connects. Profile, Name, Random, Tree and Records are
// required, and Node or Delivery.
type Options struct {
	Profile identity.Profile
	Name    string   // under which the app uses the node, normalised
	Names   []string // all names of the account, normalised
	Random  io.Reader
	Tree    Tree
	Records *cache.Records // of the account's cache

	Place    string // the node's address: its state is kept apart from that of others
	Node     Node   // nil: none
	Pull     bool   // the node's messages come into the tree
	Push     bool   // the tree's messages go to the node
	Delivery Delivery
	// DeliveryKey is the delivery service's public signing key, as its owner told it;
	// zero: postmarks are kept, and their signatures not checked.
	DeliveryKey [32]byte
	Profiles    Profiles // who knows senders' keys; nil: nobody

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Bridge moves messages between an account's tree and the services of its dm3 app. It
// is safe for concurrent use; passes run one after the other.
type Bridge struct {
	options Options
	codec   *Codec
	state   *state
	senders *senders
	own     map[string]bool
	gate    chan struct{} // holds one value while no pass runs

	supposed map[string]bool // of a dry run: what the node has, by stored identifier

	mu   sync.Mutex
	told map[string]bool // what was said once about messages that wait and can't be read
}

// New prepares a bridge; nothing is asked yet.
func New(o Options) (*Bridge, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	codec, err := NewCodec(o.Profile, o.Name, o.Random)
	if err != nil {
		return nil, err
	}
	kept, err := newState(o.Records, o.Profile, o.Place+"\n"+codec.Account())
	if err != nil {
		return nil, err
	}
	b := &Bridge{options: o, codec: codec, state: kept, own: map[string]bool{codec.Account(): true}, gate: make(chan struct{}, 1), told: make(map[string]bool)}
	for _, name := range o.Names {
		b.own[name] = true
	}
	b.senders = &senders{
		profiles: o.Profiles, own: b.own, ownKey: o.Profile.SigningPublic(), now: o.Now, log: o.Log, known: make(map[string]sender),
	}
	b.gate <- struct{}{}
	return b, nil
}

// Work says what a pass shall do.
type Work struct {
	Full   bool `json:"full,omitempty"`    // look at everything, not only at what seems new
	DryRun bool `json:"dry_run,omitempty"` // count only: nothing is written anywhere
	Push   bool `json:"push,omitempty"`    // only hand over what is new in the tree
}

// Report counts what a pass did, or, of a dry run, what it would have done.
type Report struct {
	Conversations int `json:"conversations"` // read at the node
	Unlisted      int `json:"unlisted"`      // that the node counts and doesn't show: hidden ones, and places of dm3sync's own
	Read          int `json:"read"`          // records read at the node
	Taken         int `json:"taken"`         // of them came into the tree, or said something new
	Refused       int `json:"refused"`       // can't be read with the account's keys, or are no messages
	Hidden        int `json:"hidden"`        // conversations hidden in the tree because they are at the node

	Waiting      int `json:"waiting"`      // copies that waited at the delivery service
	Fetched      int `json:"fetched"`      // of them are durable in the tree
	Acknowledged int `json:"acknowledged"` // of them were acknowledged
	Left         int `json:"left"`         // of them can't be read and stay there

	Genuine  int `json:"genuine"`  // came with a signature that is the sender's
	Forged   int `json:"forged"`   // came with one that is not; they are kept, and flagged
	Unknown  int `json:"unknown"`  // came from senders whose key nobody told
	Doubtful int `json:"doubtful"` // came with contradictions; see the constants Doubt…

	Handed  int `json:"handed"`  // messages of the tree that the node has now
	Present int `json:"present"` // that it turned out to have
	Unfit   int `json:"unfit"`   // that it does not take
}

// Moved tells whether anything was moved or is left in the way.
func (r Report) Moved() bool {
	return r.Taken+r.Hidden+r.Fetched+r.Acknowledged+r.Handed > 0
}

func (r *Report) judge(notes Notes) {
	switch notes.Verdict() {
	case Genuine:
		r.Genuine++
	case Forged:
		r.Forged++
	default:
		r.Unknown++
	}
	if len(notes.Doubts) > 0 {
		r.Doubtful++
	}
}

// Pass picks up what waits, reads what is new at the node, and hands over what is new
// in the tree. What fails does not stop the rest: the report counts what was done, the
// error says what was not, and the next pass takes it up. A pass that is cut off
// anywhere leaves nothing undone that the next one doesn't do.
func (b *Bridge) Pass(ctx context.Context, w Work) (report Report, err error) {
	select {
	case <-b.gate:
	case <-ctx.Done():
		return report, fmt.Errorf("bridge: waiting for another pass: %w", ctx.Err())
	}
	defer func() { b.gate <- struct{}{} }()
	b.supposed = make(map[string]bool)
	var errs []error
	if b.options.Delivery != nil && !w.Push {
		errs = append(errs, b.pickUp(ctx, w, &report))
	}
	if b.options.Node != nil && !w.Push && ctx.Err() == nil {
		errs = append(errs, b.pull(ctx, w, &report))
	}
	if b.options.Node != nil && b.options.Push && ctx.Err() == nil {
		errs = append(errs, b.push(ctx, w, &report))
	}
	if err = errors.Join(errs...); err == nil && w.Full && !w.DryRun {
		err = b.state.keepFull(b.options.Now())
	}
	return report, err
}

// FullDue tells whether everything should be looked at, because that was longer ago
// than every, or never.
func (b *Bridge) FullDue(every time.Duration) bool {
	last := b.state.full()
	now := b.options.Now()
	return now.Sub(last) >= every || now.Before(last) // a clock that was set back
}

// there tells whether the node is known to have the message of a stored identifier.
func (b *Bridge) there(storedID string) (bool, error) {
	if b.supposed[storedID] {
		return true, nil
	}
	return b.state.there(storedID)
}

// tell says something once.
func (b *Bridge) tell(about, sentence string, args ...any) {
	b.mu.Lock()
	if len(b.told) >= maxSenders {
		clear(b.told)
	}
	before := b.told[about]
	b.told[about] = true
	b.mu.Unlock()
	if !before {
		b.options.Log.Warn(sentence, args...)
	}
}

// patience counts failures in a row: one bad conversation must not hold up the others,
// and a node that is down is not asked for each of them.
type patience struct {
	errs  []error
	inRow int
}

const mostInRow = 3

// note takes the outcome of one step and tells whether to go on.
func (p *patience) note(ctx context.Context, err error) bool {
	if err == nil {
		p.inRow = 0
		return ctx.Err() == nil
	}
	p.inRow++
	if len(p.errs) < mostInRow {
		p.errs = append(p.errs, err)
	}
	return p.inRow < mostInRow && ctx.Err() == nil
}

func (p *patience) err() error { return errors.Join(p.errs...) }
