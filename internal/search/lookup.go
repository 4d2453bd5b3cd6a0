package search

import (
	"context"
	"errors"
	"math"

	"github.com/dm3sync/dm3sync/internal/container"
)

// isBuried is buried for searches.
func (x *Index) isBuried(d *document) (bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	buried, err := x.buried(d)
	if errors.Is(err, errDamaged) {
		return false, nil // the search that found it has told
	}
	return buried, err
}

// acts are the documents that edit or delete a message, or claim to: the newest ones.
func (x *Index) acts(ctx context.Context, contact string, hash container.MessageHash) (list []document, err error) {
	err = x.eachFound(ctx, contact, referenceTerm(hash), func(d document) bool {
		list = append(list, d)
		return len(list) < maxActs
	})
	return list, err
}

// byHash finds a message by its hash alone; nil when it is not indexed. It looks through the whole conversation, newest
// first: edits are rare, and near to what they edit.
func (x *Index) byHash(ctx context.Context, contact string, hash container.MessageHash) (*document, error) {
	var target *document
	err := x.eachFound(ctx, contact, "", func(d document) bool {
		if d.hash == hash {
			target = &d
		}
		return target == nil
	})
	return target, err
}

// eachFound hands out the documents of a conversation that have a term, of each part the newest first, until visit says
// that it has enough; an empty term is all.
func (x *Index) eachFound(ctx context.Context, contact, term string, visit func(document) bool) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var clauses []clause
	if term != "" {
		clauses = []clause{{terms: []string{term}}}
	}
	for _, p := range x.parts() {
		found, err := find(ctx, p, clauses, contact)
		if err == nil && found != nil {
			err = p.newest(ctx, found, window{from: math.MinInt64, to: math.MaxInt64}, visit)
		}
		if errors.Is(err, errDamaged) {
			x.fault(p)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
