package search

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
)

// history is a source in memory: conversations as pieces, and what no piece holds yet.
type history struct {
	mu       sync.Mutex
	revision uint64
	changed  map[string]uint64
	pieces   map[string][]Piece // Handle is a *container.Chunk
	written  []written
	gone     map[container.MessageHash]bool
	evicted  map[[16]byte]bool // pieces that are not here any more, for Show
	offline  bool
	reads    int
	fetches  int
}

type written struct {
	contact string
	items   *container.Chunk
}

func newHistory() *history {
	return &history{changed: map[string]uint64{}, pieces: map[string][]Piece{}, gone: map[container.MessageHash]bool{}, evicted: map[[16]byte]bool{}}
}

func (h *history) note(contact string) {
	h.revision++
	h.changed[contact] = h.revision
}

// put adds a piece with messages.
func (h *history) put(contact string, here bool, messages ...container.Envelope) *Piece {
	return h.putChunk(contact, here, &container.Chunk{Messages: messages})
}

func (h *history) putChunk(contact string, here bool, chunk *container.Chunk) *Piece {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := Piece{Contact: contact, Items: len(chunk.Messages) + len(chunk.Tombstones), Messages: len(chunk.Messages), Here: here, Handle: chunk}
	for i, m := range chunk.Messages {
		if i == 0 || m.Timestamp < p.First {
			p.First = m.Timestamp
		}
		p.Last = max(p.Last, m.Timestamp)
	}
	for _, t := range chunk.Tombstones {
		h.gone[t.Hash] = true
		p.Last = max(p.Last, t.Timestamp)
	}
	p.ID = [16]byte(fmt.Appendf(nil, "%016d", h.revision))
	h.note(contact)
	h.pieces[contact] = append(h.pieces[contact], p)
	return &h.pieces[contact][len(h.pieces[contact])-1]
}

func (h *history) write(contact string, messages ...container.Envelope) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(contact)
	h.written = append(h.written, written{contact, &container.Chunk{Messages: messages}})
}

func (h *history) Changed(mark uint64) (contacts []string, next uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for contact, revision := range h.changed {
		if revision > mark {
			contacts = append(contacts, contact)
		}
	}
	slices.Sort(contacts)
	return contacts, h.revision
}

func (h *history) Pieces(contact string) []Piece {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.pieces[contact])
}

func (h *history) Read(_ context.Context, p Piece, fetch bool) (*container.Chunk, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !p.Here && (!fetch || h.offline) {
		return nil, ErrFar
	}
	if !p.Here {
		h.fetches++
	}
	h.reads++
	return p.Handle.(*container.Chunk), nil
}

func (h *history) Unconfirmed(_ context.Context, after uint64, visit func(uint64, string, *container.Chunk) error) error {
	h.mu.Lock()
	list := slices.Clone(h.written)
	h.mu.Unlock()
	for i, w := range list {
		if uint64(i+1) > after {
			if err := visit(uint64(i+1), w.contact, w.items); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *history) CountUnconfirmed(contact string, after uint64) (n int) {
	_ = h.Unconfirmed(context.Background(), after, func(_ uint64, of string, _ *container.Chunk) error {
		if contact == "" || contact == of {
			n++
		}
		return nil
	})
	return n
}

func (h *history) Show(_ context.Context, contact string, from, to int64, local bool) (messages []container.Envelope, far bool, missing string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add := func(items *container.Chunk) {
		for _, m := range items.Messages {
			if m.Timestamp >= from && m.Timestamp < to && !h.gone[m.Hash] {
				messages = append(messages, m)
			}
		}
	}
	for _, p := range h.pieces[contact] {
		if p.Last < from || p.First >= to {
			continue
		}
		if h.evicted[p.ID] && local {
			far = true
			continue
		}
		if h.evicted[p.ID] && h.offline {
			return messages, false, "", fmt.Errorf("no way: %w", context.DeadlineExceeded)
		}
		add(p.Handle.(*container.Chunk))
	}
	for _, w := range h.written {
		if w.contact == contact {
			add(w.items)
		}
	}
	return messages, far, missing, nil
}

// said makes a message.
func said(from, kind string, at int64, text string, reference ...container.MessageHash) container.Envelope {
	metadata := map[string]any{"from": from, "to": "bob.eth", "type": kind, "timestamp": at}
	if len(reference) > 0 {
		metadata["referenceMessageHash"] = reference[0].String()
	}
	raw, err := json.Marshal(map[string]any{"message": map[string]any{"message": text, "metadata": metadata,
		"signature": base64.StdEncoding.EncodeToString(make([]byte, 64))}, "metadata": map[string]any{}})
	if err != nil {
		panic(err)
	}
	envelope, _, err := container.ParseEnvelope(raw)
	if err != nil {
		panic(err)
	}
	return envelope
}

// rig is an index over a history on a disk.
type rig struct {
	t       testing.TB
	disk    *cachetest.Disk
	history *history
	options Options
	index   *Index
	now     time.Time
}

func newRig(t testing.TB, change func(*Options)) *rig {
	r := &rig{t: t, disk: cachetest.New(rand.New(rand.NewPCG(1, 2))), history: newHistory(), now: time.UnixMilli(1_700_000_000_000)}
	aead, err := Cipher([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	r.options = Options{Folder: "/search", Cipher: aead, Own: []string{"alice.eth"}, Source: r.history, Now: func() time.Time { return r.now }}
	if change != nil {
		change(&r.options)
	}
	r.open()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	r.options.Disk = r.disk.Start()
	index, err := Open(r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.index = index
}

func (r *rig) reopen() {
	r.t.Helper()
	if err := r.index.Close(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

func (r *rig) update() {
	r.t.Helper()
	if err := r.index.Update(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// flush has what was indexed written.
func (r *rig) flush() {
	r.t.Helper()
	r.now = r.now.Add(2 * flushEvery)
	r.update()
}

func (r *rig) search(q Query) Result {
	r.t.Helper()
	result, err := r.index.Search(r.t.Context(), q)
	if err != nil {
		r.t.Fatal(q, err)
	}
	return result
}

// texts are what a search shows, with matches in brackets, newest first.
func (r *rig) texts(text string) (list []string) {
	r.t.Helper()
	for _, hit := range r.search(Query{Text: text}).Hits {
		list = append(list, marked(hit))
	}
	return list
}

func marked(hit Hit) (text string) {
	for _, p := range hit.Snippet {
		if p.Match {
			text += "[" + p.Text + "]"
		} else {
			text += p.Text
		}
	}
	if hit.Former {
		text += " (edited)"
	}
	return text + hit.Unread
}

func (r *rig) expect(query string, want ...string) {
	r.t.Helper()
	if got := r.texts(query); !slices.Equal(got, want) {
		r.t.Errorf("%s: %q, not %q", query, got, want)
	}
}
