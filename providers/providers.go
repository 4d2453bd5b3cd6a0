// Package providers says what dm3sync asks of a place that keeps sealed objects, and nothing more: put an object under
// a name that nobody else will ever write, get it, list names, delete. No condition, lock or lease is used anywhere,
// because no such promise holds on all places (internal/docs/design.md, "One primitive").
//
// The package holds the [Store] interface, its sentinel errors, and three decorators that work with every store:
// [Retry], [Limit] and [Count]. The places themselves are sub-packages; [Store] implementations see names and bytes,
// never keys, the tree or the cache. In the import order it stands at the ground, beside internal/container.
package providers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Sentinel errors. A store wraps them with %w, so that callers use [errors.Is] and never read messages. An error that
// matches none of them is permanent: doing the same again will fail again.
var (
	// ErrNotFound is a place's definite answer that no object has the name. Anything less definite (an unmounted
	// drive, a missing bucket, a proxy's error page) must not match it: an error is not absence.
	ErrNotFound = errors.New("providers: not found")
	// ErrUnauthorised says that credentials are missing, wrong, expired, or do not allow the operation.
	ErrUnauthorised = errors.New("providers: unauthorised")
	// ErrLogin says that somebody has to log in, by the word of whoever gives out logins. It matches ErrUnauthorised, which a
	// network's login page can look like.
	ErrLogin = fmt.Errorf("a login is needed: %w", ErrUnauthorised)
	// ErrQuota says that the place is full; trying again does not help before somebody makes room.
	ErrQuota = errors.New("providers: out of space")
	// ErrTransient says that the same call may well succeed later. The effect of a failed Put or Delete is unknown.
	ErrTransient = errors.New("providers: not reachable for the moment")
	// ErrClock says that a server refuses because its clock and this device's are too far apart. It matches ErrTransient.
	ErrClock = fmt.Errorf("the clocks of this device and of the server are too far apart: %w", ErrTransient)
	// ErrRateLimited matches every *[RateLimitError].
	ErrRateLimited = errors.New("providers: rate limited")
	// ErrInvalidName is returned for names that [ValidateName], and prefixes that [ValidatePrefix], do not accept.
	ErrInvalidName = errors.New("providers: invalid name")
	// ErrInvalidRange is returned by GetRange for a negative offset or a length below one.
	ErrInvalidRange = errors.New("providers: invalid range")
	// ErrTooLarge is returned for an object above Properties().MaxObject, on the way in and on the way out, so that a
	// planted giant can't exhaust memory.
	ErrTooLarge = errors.New("providers: object too large")
	// ErrEndless: a listing goes on where any account's would have ended.
	ErrEndless = errors.New("the place lists more objects than an account has; check its address, bucket, prefix or folder, and what else lies there")
)

// RateLimitError says that the place asks for fewer requests. It matches [ErrRateLimited].
type RateLimitError struct {
	// Wait is how long the place asks to wait; zero when it did not say.
	Wait time.Duration
}

// Error implements error.
func (e *RateLimitError) Error() string {
	if e.Wait <= 0 {
		return ErrRateLimited.Error()
	}
	return fmt.Sprintf("%v: wait %v", ErrRateLimited, e.Wait)
}

// Is makes errors.Is(err, ErrRateLimited) true.
func (e *RateLimitError) Is(target error) bool { return target == ErrRateLimited }

// Retriable reports whether err says that the same call may succeed later: transient or rate limited.
func Retriable(err error) bool {
	return errors.Is(err, ErrTransient) || errors.Is(err, ErrRateLimited)
}

// Object is one entry of a listing.
type Object struct {
	Name string
	Size int64 // bytes as stored
}

// Store is a place that keeps immutable objects under names (see [ValidateName]). All methods may be called
// concurrently. A cancelled context ends a call early with an error matching the context's; the effect of the call is
// unknown then. No name is ever the folder of another (never "x" beside "x/y"), nor differs from another only by case:
// folders and some S3 servers could not keep both. Names follow the pattern "container key/state name".
type Store interface {
	// Put stores data under name. A name is written once; writing the same bytes again is harmless, writing others is
	// the caller's mistake with an undefined result. The store does not keep or change data after the return.
	Put(ctx context.Context, name string, data []byte) error

	// Get returns the whole object in a slice that belongs to the caller, or an error matching [ErrNotFound].
	Get(ctx context.Context, name string) ([]byte, error)

	// GetRange returns up to length bytes from offset on: fewer where the object ends, none where it ends before
	// offset. Offset must be at least 0 and length at least 1 ([ErrInvalidRange]); absent objects are [ErrNotFound].
	GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error)

	// List yields every object whose name begins with the text prefix ("" for all), fetching pages as the caller
	// consumes them. The order is undefined. An error is yielded once, as the last pair; what was yielded before is then
	// not the whole listing. No match is an empty listing. Names that are not valid, and files of other programs, are
	// never yielded. The loop body may call other methods of the store.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes the objects, in batches where the place can. Absent names are fine, no names too. After an error
	// some of them may be gone.
	Delete(ctx context.Context, names ...string) error

	// Properties says what the place is and promises; constant for the life of the store, and no request is made.
	Properties() Properties

	// Close releases local resources. It may be called more than once; other methods must not be called after it.
	Close() error
}

// Properties is what a place is and promises. A store promises no more than the weakest server of its kind keeps; the
// conformance suite (providertest) asks for exactly this.
type Properties struct {
	Kind            string // "folder", "s3", …: the word of the configuration
	Durable         bool   // an acknowledged put is whole and durable; otherwise it must be read back
	CurrentListings bool   // a listing shows every put and no delete that was acknowledged before it began
	Deletes         bool   // deleted objects are really gone
	Lingers         bool   // what is deleted is listed no more, and others may hold copies that nobody can recall
	Carried         bool   // a folder that another program replicates: others see files late and in any order
	MaxObject       int64  // largest object in bytes
	Parallel        int    // sensible number of concurrent requests
}

// DefaultMaxObject is the MaxObject of places without a smaller limit of their own: 128 MiB, well above the largest
// sealed state, low enough to protect memory.
const DefaultMaxObject = 128 << 20

// Watcher is an optional interface of stores that can tell when something changed. Use [Watch], which also finds it
// below decorators.
type Watcher interface {
	// Watch sends on the channel soon after objects may have changed, coalescing what the receiver did not take yet.
	// Own writes may be told too, and a change may be missed: it replaces waiting, never a regular look. The channel
	// is closed when ctx ends or watching fails for good.
	Watch(ctx context.Context) (<-chan struct{}, error)
}

// Wrapper is implemented by decorators, so that [Watch] finds what only the place itself can do.
type Wrapper interface {
	// Unwrap returns the store directly below, never nil and always the same one. It makes no request, and the store
	// still belongs to the decorator: closing that closes both.
	Unwrap() Store
}

// Watch watches store, or the first store below its decorators that can. Without any it returns a nil channel, which
// never delivers, and no error.
func Watch(ctx context.Context, store Store) (<-chan struct{}, error) {
	for store != nil {
		if watcher, ok := store.(Watcher); ok {
			return watcher.Watch(ctx)
		}
		wrapper, ok := store.(Wrapper)
		if !ok {
			break
		}
		store = wrapper.Unwrap()
	}
	return nil, nil
}

// Fail returns a listing that yields only err. For implementations of [Store].
func Fail(err error) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) { yield(Object{}, err) }
}
