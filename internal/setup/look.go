package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

const (
	// mostListed is how many objects of a place are looked at to tell who has used it.
	mostListed = 5000
	// samples is how many of them are read, the smallest ones, and largestSample how large they may be, in bytes.
	samples       = 3
	largestSample = 1 << 20
)

// Usage says who has used a place before, as far as a key and a few objects can tell.
type Usage struct {
	// Objects is how many there are, Own how many of them belong to this account's root and heads;
	// More says that there are more than were looked at.
	Objects, Own int
	More         bool
	// Foreign says that another key's history lies there, OtherName that this key's does under another
	// account name.
	Foreign, OtherName bool
}

// Sentence says it in words, for people; warn tells whether it is a warning.
func (u Usage) Sentence() (text string, warn bool) {
	many := fmt.Sprintf("%d objects", u.Objects)
	if u.More {
		many = "more than " + many
	}
	switch {
	case u.Own > 0 && u.Foreign:
		return "This account's history is there already, and this device continues it. Another key's history lies there, too: nothing of that is read or changed, but a place of its own for one of them is better.", true
	case u.Own > 0:
		return fmt.Sprintf("This account's history is there already (%s): this device continues it.", many), false
	case u.OtherName:
		return "This place holds a history that was sealed with this key under another account name. Is the name right? With this one, a new history begins beside it.", true
	case u.Foreign:
		return fmt.Sprintf("This place holds the history of another key (%s), which this account can't read. Did you use another wallet then? With this one, a new history begins beside it; a place of its own would be better.", many), true
	case u.Objects > 0:
		return fmt.Sprintf("This place holds %s that say nothing of their owner. They are left alone; a new history begins beside them.", many), true
	}
	return "Nothing is kept there yet: a new history begins.", false
}

// Look tells who has used a place before; it changes nothing. Name is the account's, normalised.
func Look(ctx context.Context, store providers.Store, key [32]byte, name string) (u Usage, err error) {
	sealer, err := seal.New(key, nil)
	if err != nil {
		return u, fmt.Errorf("setup: preparing keys: %w", err)
	}
	signature, err := identity.FromStorageKey(key).RootSignature(name)
	if err != nil {
		return u, fmt.Errorf("setup: preparing keys: %w", err)
	}
	root := container.RootKey(signature)
	var others []providers.Object
	for object, err := range store.List(ctx, "") {
		if err != nil {
			return u, fmt.Errorf("setup: looking who has used the place: %w", err)
		}
		if providertest.IsLeftover(object.Name) {
			continue
		}
		if u.Objects == mostListed {
			u.More = true
			break
		}
		u.Objects++
		switch container.Key(prefixOf(object.Name)) {
		case root, container.HeadsKey(root):
			u.Own++
		default:
			others = append(others, object)
		}
	}
	if u.More && u.Own == 0 { // what is ours may stand behind what was listed
		if u.Own, err = countOwn(ctx, store, root); err != nil {
			return u, err
		}
	}
	slices.SortFunc(others, func(a, b providers.Object) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	return u, u.sample(ctx, store, sealer, others)
}

// countOwn is one where the account has a head or a root.
func countOwn(ctx context.Context, store providers.Store, root container.Key) (int, error) {
	for _, key := range []container.Key{container.HeadsKey(root), root} {
		for _, err := range store.List(ctx, string(key)+"/") {
			if err != nil {
				return 0, fmt.Errorf("setup: looking who has used the place: %w", err)
			}
			return 1, nil
		}
	}
	return 0, nil
}

// sample reads a few objects whose containers are not known, and asks whose key sealed them.
func (u *Usage) sample(ctx context.Context, store providers.Store, sealer *seal.Sealer, others []providers.Object) error {
	for _, object := range others[:min(samples, len(others))] {
		if object.Size > largestSample {
			continue
		}
		sealed, err := store.Get(ctx, object.Name)
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("setup: looking who has used the place: %w", err)
		}
		if sealer.IsOurs(sealed) {
			u.OtherName = u.OtherName || u.Own == 0
			continue
		}
		_, err = sealer.Open(nil, container.KindChunk, container.Key(prefixOf(object.Name)), sealed)
		u.Foreign = u.Foreign || errors.Is(err, seal.ErrOtherKey)
	}
	return nil
}

func prefixOf(name string) string {
	for i := range name {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}
