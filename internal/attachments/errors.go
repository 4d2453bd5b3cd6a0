package attachments

import "errors"

// Reasons for which an attachment is not archived. They hold nothing of its address.
var (
	// ErrScheme: neither https: nor ipfs:, or an address that can't be read, or one with a login in it.
	ErrScheme = errors.New("not an https: or ipfs: address that can be fetched")
	// ErrNoIPFS: an ipfs: address, and neither a gateway nor a node is named.
	ErrNoIPFS = errors.New("an ipfs: address, and no gateway or node is named")
	// ErrPrivate: it lies in a private or special network.
	ErrPrivate = errors.New("it lies in a private or special network, which nothing is fetched from")
	// ErrTooLarge: larger than the limit for one.
	ErrTooLarge = errors.New("larger than the limit")
	// ErrTotal: the limit for all is reached.
	ErrTotal = errors.New("the limit for all attachments together is reached")
	// ErrCount: the limit of their number is reached.
	ErrCount = errors.New("the limit for the number of attachments is reached")
	// ErrType: of a type that is not asked for.
	ErrType = errors.New("of a type that was not asked for")
	// ErrRedirects: sent on too often, or to something that is not fetched.
	ErrRedirects = errors.New("sent on too often, or to where nothing is fetched")
	// ErrAnswer: the server gave something else.
	ErrAnswer = errors.New("the server did not give it")
	// ErrNotFound: not archived.
	ErrNotFound = errors.New("not kept here")
	// ErrDamaged: archived, and changed since; or under another key.
	ErrDamaged = errors.New("the kept copy is damaged, or of another key")
	// ErrNewer: archived by a newer version of this program.
	ErrNewer = errors.New("the kept copy was written by a newer dm3sync; update this one")
	// ErrInUse: another run archives now.
	ErrInUse = errors.New("another run fetches attachments of this account now")
)
