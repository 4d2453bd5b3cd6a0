package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const (
	pushPage  = 64 // messages of the tree that are looked at together
	pushBatch = 50 // records in one batch
	pushBytes = 8 << 20
	// pushSingly is up to how many records are sent one by one, each with an answer
	// that means something. A batch is always answered 200.
	pushSingly = 8
	// latest is the last moment that a node's database and JavaScript write with four
	// digits of year.
	latest = 253402300799999
)

// push hands over what the node does not have.
func (b *Bridge) push(ctx context.Context, w Work, report *Report) error {
	conversations, err := b.options.Tree.Conversations(ctx)
	if err != nil {
		return err
	}
	var p patience
	for i := range conversations {
		if conversations[i].Contact == NotesContact {
			continue
		}
		if !p.note(ctx, b.pushOne(ctx, w, &conversations[i], report)) {
			break
		}
	}
	return p.err()
}

// pushOne hands over one conversation of the tree if it changed.
func (b *Bridge) pushOne(ctx context.Context, w Work, c *engine.Conversation, report *Report) error {
	wire, err := b.codec.EncryptName(c.Contact)
	if err != nil {
		return err
	}
	known, err := b.state.talk(wire)
	if err != nil {
		return err
	}
	now := b.state.fingerprint(c.Messages, " ", c.First, " ", c.Last, " ", c.Chunks)
	if known.Pushed == now && !w.Full {
		return nil
	}
	if _, err := usableContact(c.Contact); err != nil {
		b.tell(c.Contact, "a conversation is not handed to the node, which could not bear its name", "error", err)
		return nil
	}
	at := contactAtNode{wire: wire, contact: c.Contact}
	if !known.Whole && !(w.DryRun && b.options.Pull) { // a dry run has just looked, if the node lists it
		if err := b.learn(ctx, w, at, report); err != nil {
			return err
		}
	}
	h := &handover{bridge: b, work: w, report: report, at: at, marks: make(map[string]mark)}
	if known.Pushed != "" && !w.Full {
		h.enough, h.expected = pushPage, c.Messages-known.Count
	}
	whole, err := b.walk(ctx, c.Contact, h.add)
	if err == nil {
		err = h.finish(ctx)
	}
	if err != nil || w.DryRun || !whole {
		return err
	}
	if known, err = b.state.talk(wire); err != nil { // learn may have changed it
		return err
	}
	known.Pushed, known.Count = now, c.Messages
	return b.state.keepTalk(wire, known)
}

// learn reads what the node has of a conversation, so that nothing is sent twice.
func (b *Bridge) learn(ctx context.Context, w Work, at contactAtNode, report *Report) error {
	if _, err := b.read(ctx, w, at, true, report); err != nil || w.DryRun {
		return err
	}
	known, err := b.state.talk(at.wire)
	if err != nil {
		return err
	}
	known.Whole = true
	return b.state.keepTalk(at.wire, known)
}

// walk visits the messages of a conversation of the tree, the newest first, a bounded
// page at a time; some twice, until visit says that it has seen enough. whole says that
// none was out of reach.
func (b *Bridge) walk(ctx context.Context, contact string, visit func(context.Context, container.Envelope) (more bool, err error)) (whole bool, err error) {
	whole = true
	for to, size := int64(0), pushPage; ; {
		page, err := b.options.Tree.Page(ctx, contact, engine.Range{To: to, Last: size})
		if err != nil {
			return false, fmt.Errorf("bridge: reading a conversation of the tree: %w", err)
		}
		whole = whole && !page.Provisional
		for i := len(page.Messages) - 1; i >= 0; i-- {
			if more, err := visit(ctx, page.Messages[i]); err != nil || !more {
				return whole, err
			}
		}
		if len(page.Messages) < size {
			return whole, nil
		}
		// Others of the oldest moment may not have fitted: it is asked for again.
		next := page.Messages[0].Timestamp + 1
		if next == to {
			size *= 2
		}
		to = next
	}
}

// handover gathers what the node lacks of one conversation.
type handover struct {
	bridge *Bridge
	work   Work
	report *Report
	at     contactAtNode

	records []dm3api.Record
	marks   map[string]mark // of records, by stored identifier
	bytes   int
	sent    []dm3api.Record // in batches, not yet found at the node
	size    int             // of sent
	queued  map[string]bool // by stored identifier: in this walk

	// Where all was handed over before, only the newest messages are looked at: until
	// enough in a row are known, and as many new ones were found as are expected.
	enough, expected int
	known, lacking   int
}

// add queues a message of the tree unless the node has it. more is false when no older
// one needs to be looked at.
func (h *handover) add(ctx context.Context, e container.Envelope) (more bool, err error) {
	known, err := h.queue(ctx, e)
	if err != nil {
		return false, err
	}
	h.known++
	if !known {
		h.known = 0
		h.lacking++
	}
	return h.enough == 0 || h.known < h.enough || h.lacking < h.expected, nil
}

// queue sends a message sooner or later, unless it is known to be at the node.
func (h *handover) queue(ctx context.Context, e container.Envelope) (known bool, err error) {
	b := h.bridge
	hash := e.Hash.String()
	id := dm3api.StoredID(b.codec.Account(), hash)
	there, err := b.there(id)
	if err != nil || there || h.queued[id] {
		return true, err
	}
	if h.queued == nil || len(h.queued) > maxSenders {
		h.queued = make(map[string]bool) // only moments that are asked for twice need it
	}
	h.queued[id] = true
	if h.work.DryRun {
		h.report.Handed++
		return false, nil
	}
	text, err := b.codec.Seal(e)
	if err != nil {
		h.report.Unfit++
		b.tell(id, "a message can't be handed to the node", "error", err)
		return false, nil
	}
	record := dm3api.Record{CreatedAt: min(e.Timestamp, latest), MessageID: hash, Container: text, IsHalted: IsHalted(e)}
	// What comes back is no news. Whether the node keeps it is another question.
	back, err := b.judge(ctx, h.at, storedRecord{id: id, container: text, halted: record.IsHalted})
	if err != nil {
		return false, fmt.Errorf("bridge: reading what was to be handed over: %w", err)
	}
	h.marks[id] = back.mark
	h.records = append(h.records, record)
	h.bytes += len(text)
	if len(h.records) < pushBatch && h.bytes < pushBytes {
		return false, nil
	}
	return false, h.sendBatch(ctx)
}

// sendBatch sends what is queued as a batch. What became of it, reading back tells.
func (h *handover) sendBatch(ctx context.Context) error {
	if err := h.remember(); err != nil {
		return err
	}
	records := h.records
	h.records = nil
	err := h.bridge.options.Node.AddMessageBatch(ctx, h.at.wire, records)
	if oneByOne(err) {
		h.bytes = 0
		return h.singly(ctx, records)
	}
	if err != nil {
		return serviceError("handing over messages", err)
	}
	h.sent = append(h.sent, records...)
	h.size += h.bytes
	h.bytes = 0
	if h.size < 4*pushBytes {
		return nil
	}
	return h.settle(ctx)
}

// remember keeps what the records will look like when they come back.
func (h *handover) remember() error {
	marks := h.marks
	h.marks = make(map[string]mark)
	return h.bridge.state.keep(marks, nil)
}

// oneByOne tells whether an answer may be about one of several records alone.
func oneByOne(err error) bool {
	var status *dm3api.StatusError
	return errors.As(err, &status) && !slices.Contains([]int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, status.Status)
}

// finish sends the rest and makes sure of all.
func (h *handover) finish(ctx context.Context) error {
	if len(h.records) > pushSingly {
		if err := h.sendBatch(ctx); err != nil {
			return err
		}
	}
	if err := errors.Join(h.remember(), h.settle(ctx)); err != nil {
		return err
	}
	return h.singly(ctx, h.records)
}

// settle reads the conversation back and sends one by one what is not there.
func (h *handover) settle(ctx context.Context) error {
	if len(h.sent) == 0 {
		return nil
	}
	if err := h.bridge.learn(ctx, h.work, h.at, h.report); err != nil {
		return err
	}
	sent := h.sent
	h.sent, h.size = nil, 0
	var missing []dm3api.Record
	for _, record := range sent {
		there, err := h.there(record)
		if err != nil {
			return err
		}
		if there {
			h.report.Handed++
			continue
		}
		missing = append(missing, record)
	}
	return h.singly(ctx, missing)
}

func (h *handover) there(record dm3api.Record) (bool, error) {
	return h.bridge.state.there(dm3api.StoredID(h.bridge.codec.Account(), record.MessageID))
}

// singly sends records one by one. What the node does not add it should have already:
// reading back tells.
func (h *handover) singly(ctx context.Context, records []dm3api.Record) error {
	var doubtful []dm3api.Record
	var p patience // one that the node fails at must not hold up the others
	for _, record := range records {
		err := h.bridge.options.Node.AddMessage(ctx, h.at.wire, record)
		switch {
		case errors.Is(err, dm3api.ErrNotAdded):
			doubtful = append(doubtful, record)
		case oneByOne(err):
			if !p.note(ctx, serviceError("handing over a message", err)) {
				return p.err()
			}
		case err != nil:
			return serviceError("handing over a message", err)
		default:
			p.note(ctx, nil)
			h.report.Handed++
			if err := h.bridge.state.keep(nil, []string{dm3api.StoredID(h.bridge.codec.Account(), record.MessageID)}); err != nil {
				return err
			}
		}
	}
	if len(doubtful) == 0 {
		return p.err()
	}
	if err := h.bridge.learn(ctx, h.work, h.at, h.report); err != nil {
		return errors.Join(p.err(), err)
	}
	for _, record := range doubtful {
		there, err := h.there(record)
		if err != nil {
			return err
		}
		if there {
			h.report.Present++
			continue
		}
		h.report.Unfit++
		h.bridge.tell(record.MessageID, "the node does not take a message")
	}
	return p.err()
}
