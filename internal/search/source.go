package search

import (
	"context"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Piece is a part of the history that never changes: a state of a chunk.
type Piece struct {
	ID          [16]byte // names this piece and no other, for ever
	Contact     string
	First, Last int64 // times of its items, Unix milliseconds, both included
	Items       int   // messages and tombstones
	Messages    int
	Here        bool       // reading it fetches nothing
	Replaces    [][16]byte // pieces of which it is the union; only of a piece that is not here
	Handle      any        // for the source that made it
}

// Source is the history of the account. Its methods are safe for concurrent use.
type Source interface {
	// Changed lists the contacts whose pieces may have changed since an earlier call returned mark; with 0, all.
	Changed(mark uint64) (contacts []string, next uint64)
	// Pieces lists what is known of a conversation, from local knowledge alone.
	Pieces(contact string) []Piece
	// Read returns what a piece holds. What is not on this device is fetched if fetch says so, else it is ErrFar.
	Read(ctx context.Context, piece Piece, fetch bool) (*container.Chunk, error)
	// Unconfirmed hands out what this device has written and no piece may hold yet, in the order of numbers, which only
	// grow, from the first above after.
	Unconfirmed(ctx context.Context, after uint64, visit func(number uint64, contact string, items *container.Chunk) error) error
	// CountUnconfirmed tells how many Unconfirmed would hand out, of one contact or of all with "".
	CountUnconfirmed(contact string, after uint64) int
	// Show reads the messages of a conversation, from up to, not including, to, without those that were deleted. With
	// local nothing is fetched, and far says that something would have to be. missing is a sentence where something may be
	// missing for another reason.
	Show(ctx context.Context, contact string, from, to int64, local bool) (messages []container.Envelope, far bool, missing string, err error)
}
