package providers

import "context"

// Space is the room that a place has for its owner, in bytes; -1 is what the
// place does not tell.
type Space struct {
	Used  int64 // by everything that counts against the owner's limit, not only by dm3sync
	Total int64
}

// Left is how many bytes still fit; -1 when the place does not tell.
func (s Space) Left() int64 {
	if s.Used < 0 || s.Total < 0 {
		return -1
	}
	return max(0, s.Total-s.Used)
}

// Spacer is an optional interface of stores that can tell how full they are. Use
// [SpaceOf], which also finds it below decorators.
type Spacer interface {
	// Space asks the place, in one request. A place that answers, and does not
	// tell, gives -1 and no error.
	Space(ctx context.Context) (Space, error)
}

// SpaceOf asks store, or the first store below its decorators that can tell. Where
// none can, both numbers are -1, and no request is made.
func SpaceOf(ctx context.Context, store Store) (Space, error) {
	for store != nil {
		if spacer, ok := store.(Spacer); ok {
			return spacer.Space(ctx)
		}
		wrapper, ok := store.(Wrapper)
		if !ok {
			break
		}
		store = wrapper.Unwrap()
	}
	return Space{Used: -1, Total: -1}, nil
}
