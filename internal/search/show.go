package search

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

const (
	// near is how far apart messages may be that are read at once, in milliseconds.
	near = 3_600_000
	// readers is how many stretches are read side by side.
	readers = 4
	// maxActs bounds how many records of one line are looked at: its edits and deletions.
	maxActs = 64
)

// shower reads what was found and makes hits of it. It belongs to one search.
type shower struct {
	index   *Index
	ctx     context.Context // of the one search that it lives for
	split   *splitter
	clauses []clause
	window  window

	mu      sync.Mutex      // guards what follows while stretches are read
	far     context.Context // of fetching, begun when it is first needed
	cancel  context.CancelFunc
	records map[recordKey]*thread.Record // nil: read, and not there
	unread  map[recordKey]string
}

type recordKey struct {
	contact string
	hash    container.MessageHash
}

func (x *Index) newShower(ctx context.Context, split *splitter, clauses []clause, w window) *shower {
	return &shower{index: x, ctx: ctx, split: split, clauses: clauses, window: w, records: map[recordKey]*thread.Record{}, unread: map[recordKey]string{}}
}

func (s *shower) done() {
	if s.cancel != nil {
		s.cancel()
	}
}

// show adds hits to a result until it has most of them, and returns the place of the last document that it looked at.
func (s *shower) show(found []document, most int, result *Result) (last *place, err error) {
	if err := s.readAll(found); err != nil {
		return nil, err
	}
	for i := range found {
		if len(result.Hits) == most {
			return last, nil
		}
		hit, err := s.hit(&found[i])
		if err != nil {
			return nil, err
		}
		if hit != nil {
			result.Hits = append(result.Hits, *hit)
		}
		p := found[i].place()
		last = &p
	}
	clear(s.records)
	clear(s.unread)
	return last, nil
}

// readAll reads documents, those near each other at once.
func (s *shower) readAll(list []document) error {
	byContact := map[string][]document{}
	for i := range list {
		d := &list[i]
		if _, read := s.records[recordKey{d.contact, d.hash}]; !read {
			byContact[d.contact] = append(byContact[d.contact], *d)
		}
	}
	group, ctx := errgroup.WithContext(s.ctx)
	group.SetLimit(readers)
	for _, wanted := range byContact {
		slices.SortFunc(wanted, func(a, b document) int { return a.compare(&b) })
		for len(wanted) > 0 {
			n := 1
			for n < len(wanted) && wanted[n].at-wanted[n-1].at <= near {
				n++
			}
			some := wanted[:n]
			group.Go(func() error { return s.readSome(ctx, some) })
			wanted = wanted[n:]
		}
	}
	return group.Wait()
}

// patience is the context in which messages are fetched.
func (s *shower) patience() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.far == nil {
		s.far, s.cancel = context.WithTimeout(s.ctx, fetchWait)
	}
	return s.far
}

// readSome reads documents of one conversation, in order: what is here first, what is not after that.
func (s *shower) readSome(ctx context.Context, wanted []document) error {
	contact, from, to := wanted[0].contact, wanted[0].at, wanted[len(wanted)-1].at+1
	messages, far, missing, err := s.index.o.Source.Show(ctx, contact, from, to, true)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	lacks := s.keep(wanted, messages)
	if far && err == nil && len(lacks) > 0 {
		messages, _, missing, err = s.index.o.Source.Show(s.patience(), contact, lacks[0].at, lacks[len(lacks)-1].at+1, false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lacks = s.keep(lacks, messages)
		s.index.Arrived()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range lacks {
		key := recordKey{contact, d.hash}
		s.records[key] = nil
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			s.unread[key] = "It is not on this device, and fetching it takes long; search again in a moment."
		case err != nil:
			s.unread[key] = "It is not on this device and can't be fetched now; the status says why."
		case missing != "":
			s.unread[key] = "It can't be read now: " + missing
		}
	}
	return nil
}

// keep takes messages in that were read, and returns what is wanted and not among them.
func (s *shower) keep(wanted []document, messages []container.Envelope) (lacks []document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		record := thread.Read(m)
		asked := slices.ContainsFunc(wanted, func(d document) bool { return d.hash == m.Hash })
		if asked || record.Kind == thread.KindEdit || record.Kind == thread.KindDelete { // many others may lie between
			s.records[recordKey{wanted[0].contact, m.Hash}] = &record
		}
	}
	for _, d := range wanted {
		if s.records[recordKey{d.contact, d.hash}] == nil {
			lacks = append(lacks, d)
		}
	}
	return lacks
}

// hit makes a hit of a document, nil when it is not to be shown: it was deleted, or is shown with a newer edit.
func (s *shower) hit(d *document) (*Hit, error) {
	key := recordKey{d.contact, d.hash}
	record := s.records[key]
	if record == nil {
		why, unread := s.unread[key]
		if buried, err := s.index.isBuried(d); err != nil || buried || !unread {
			return nil, err
		}
		return &Hit{Contact: d.contact, Hash: d.hash, Timestamp: d.at, Unread: why}, nil
	}
	group, err := s.group(d, record)
	if err != nil {
		return nil, err
	}
	builder := thread.NewBuilder(s.index.o.Own...)
	byHash := make(map[container.MessageHash]*thread.Record, len(group))
	for _, r := range group {
		builder.Add(*r)
		byHash[r.Hash] = r
	}
	folded := builder.Index()
	position, _ := folded.Find(d.hash)
	number, shown := folded.Number(position)
	if !shown {
		return nil, nil
	}
	entry := folded.Entry(number)
	if entry.Deleted != nil || s.shownBefore(d, &entry, byHash) {
		return nil, nil
	}
	present := text(byHash[entry.Current.Hash])
	spans, found := match(s.split, s.clauses, present)
	if !found {
		spans = nil
	}
	return &Hit{
		Contact: d.contact, Hash: entry.Hash, Timestamp: entry.Timestamp, From: entry.From,
		Snippet: snippet(strings.ToValidUTF8(present, "\uFFFD"), spans), Edited: len(entry.Edits) > 0, Former: !found,
	}, nil
}

// shownBefore tells whether another text of the same line is a hit, too, and newer: the line was shown with that.
func (s *shower) shownBefore(d *document, e *thread.Entry, byHash map[container.MessageHash]*thread.Record) bool {
	all := s.window
	all.before = nil
	for _, ref := range append(slices.Clone(e.Edits), e.Ref) {
		other := document{at: ref.Timestamp, hash: ref.Hash}
		if other.place().compare(d.place()) <= 0 || !all.holds(&other) {
			continue
		}
		if _, found := match(s.split, s.clauses, text(byHash[ref.Hash])); found {
			return true
		}
	}
	return false
}

// group gathers the records that make up the line in which a record shows: what it edits, and what edits or deletes that.
func (s *shower) group(d *document, record *thread.Record) ([]*thread.Record, error) {
	root := record
	for range maxActs {
		if root.Kind != thread.KindEdit || root.Reference == nil {
			break
		}
		target, err := s.index.byHash(s.ctx, d.contact, *root.Reference)
		if err != nil {
			return nil, err
		}
		if target == nil {
			break
		}
		if err := s.readAll([]document{*target}); err != nil {
			return nil, err
		}
		before := s.records[recordKey{d.contact, target.hash}]
		if before == nil {
			break
		}
		root = before
	}
	group := []*thread.Record{root}
	if root.Hash != record.Hash {
		group = append(group, record)
	}
	for i := 0; i < len(group) && len(group) < maxActs; i++ {
		acts, err := s.index.acts(s.ctx, d.contact, group[i].Hash)
		if err != nil {
			return nil, err
		}
		if err := s.readAll(acts); err != nil {
			return nil, err
		}
		for _, act := range acts {
			r := s.records[recordKey{d.contact, act.hash}]
			if r != nil && !slices.ContainsFunc(group, func(other *thread.Record) bool { return other.Hash == r.Hash }) {
				group = append(group, r)
			}
		}
	}
	return group, nil
}
