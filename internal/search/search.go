package search

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/identity"
)

const (
	// fetchWait bounds how long a search waits for messages that are not here.
	fetchWait = 10 * time.Second
	// maxRounds bounds how often more candidates are taken when those before are not to be shown.
	maxRounds = 8
)

// Search returns a page of what was found, as it reads now, and what was not searched. Hits that are not on this device
// are fetched; those that can't be say so. The query's words are in no error and no log.
func (x *Index) Search(ctx context.Context, q Query) (Result, error) {
	split := newSplitter()
	clauses, err := parse(split, q.Text)
	if err != nil {
		return Result{}, err
	}
	w, err := q.settle()
	if err != nil {
		return Result{}, err
	}
	result := Result{Hits: []Hit{}}
	x.missing(&q, &result) // before the look: what is indexed meanwhile is found and said to wait, never neither
	s := x.newShower(ctx, split, clauses, w)
	defer s.done()
	for round := 1; len(result.Hits) < q.Limit; round++ {
		// A few more than wanted: edits and what they edit show once.
		want := q.Limit - len(result.Hits) + q.Limit/8 + 2
		found, err := x.candidates(ctx, clauses, q.Contact, w, want)
		if err != nil {
			return Result{}, err
		}
		last, err := s.show(found, q.Limit, &result)
		if err != nil {
			return Result{}, err
		}
		if last != nil {
			w.before, s.window.before = last, last
		}
		if len(found) < want && (last == nil || found[len(found)-1].place() == *last) {
			break // there are no more
		}
		if len(result.Hits) >= q.Limit || round == maxRounds {
			result.More = w.before.cursor()
			break
		}
	}
	return result, nil
}

// settle checks a query and fills in what it leaves out.
func (q *Query) settle() (window, error) {
	if q.Contact != "" {
		normal, err := identity.Normalize(q.Contact)
		if err != nil || normal == "" {
			return window{}, fmt.Errorf("search: %w: the contact is no dm3 name", ErrQuery)
		}
		q.Contact = normal
	}
	if q.To == 0 {
		q.To = math.MaxInt64
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	w := window{from: q.From, to: q.To}
	if q.From >= q.To {
		return window{}, fmt.Errorf("search: %w: it ends before it begins", ErrQuery)
	}
	if q.After != "" {
		before, ok := readCursor(q.After)
		if !ok {
			return window{}, fmt.Errorf("search: %w: this is no place to go on at", ErrQuery)
		}
		w.before = &before
	}
	return w, nil
}

func (p *place) cursor() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(p.at)), p.hash[:]...))
}

// readCursor takes a cursor only as cursor writes it: the decoder lets line ends and loose last bits pass.
func readCursor(text string) (p place, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 8+len(p.hash) {
		return place{}, false
	}
	p.at = int64(binary.BigEndian.Uint64(raw))
	copy(p.hash[:], raw[8:])
	return p, p.cursor() == text
}

// candidates are the newest documents that the index finds, of the parts that can be read, without those that are known to
// be deleted.
func (x *Index) candidates(ctx context.Context, clauses []clause, contact string, w window, most int) ([]document, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return nil, ErrClosed
	}
	var all []document
	for _, p := range x.parts() {
		found, err := find(ctx, p, clauses, contact)
		var list []document
		if err == nil && found != nil {
			err = p.newest(ctx, found, w, func(d document) bool {
				list = append(list, d)
				return len(list) < most
			})
		}
		if errors.Is(err, errDamaged) {
			x.fault(p)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b document) int { return b.compare(&a) })
	all = slices.CompactFunc(all, func(a, b document) bool { return a.same(&b) })
	return all[:min(most, len(all))], nil
}

// fault notes that a part can't be read; the next update drops it. The caller holds mu for reading.
func (x *Index) fault(p part) {
	if s, ok := p.(*segment); ok {
		x.faults.Store(s.info.name, true)
	}
}
