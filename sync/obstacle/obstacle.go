// Package obstacle says what kind of thing an error is, as one word of this program that can be kept, sent and counted: an
// error's text is for people, names places and contacts, and changes. The kind is decided once, where the error is still
// an error; who only has a status asks for its kind.
//
// Import order: beside providers and cache, below sync/engine.
package obstacle

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"syscall"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
)

// Kind is what kind of thing stands in the way. It tells nothing of whom or where, so that it may stand in metrics.
type Kind string

// The kinds. They are part of the interface and of what is kept on disk: none is ever renamed.
const (
	None        Kind = ""            // nothing is in the way
	Blocked     Kind = "blocked"     // the account stopped to be safe
	Locked      Kind = "locked"      // its secret waits for a passphrase
	Secret      Kind = "secret"      // its secret is not available
	OtherKey    Kind = "other-key"   // what is there belongs to another key
	Newer       Kind = "newer"       // what is there was written by a newer program
	InUse       Kind = "in-use"      // another program holds the data folder
	Damaged     Kind = "damaged"     // what is kept on this device can't be read
	Disk        Kind = "disk"        // this device's disk is full
	ReadOnly    Kind = "read-only"   // this device's disk takes no writes
	Journal     Kind = "journal"     // as much waits for the place as this device may hold
	Login       Kind = "login"       // the place wants somebody to log in: whoever gives out logins said so
	Refused     Kind = "refused"     // the place refuses; a network's login page can look like that
	Room        Kind = "room"        // the place is full
	Busy        Kind = "busy"        // the place asks for fewer requests
	Clock       Kind = "clock"       // this device's clock and the server's are too far apart
	Certificate Kind = "certificate" // the server's certificate is not trusted
	Unreachable Kind = "unreachable" // the place can't be reached, or breaks off
	Interrupted Kind = "interrupted" // somebody ended it: nothing is wrong
	Other       Kind = "other"       // anything else; the text says what
)

// Kinds are all kinds but None, in the order of their declaration.
func Kinds() []Kind {
	return []Kind{
		Blocked, Locked, Secret, OtherKey, Newer, InUse, Damaged, Disk, ReadOnly, Journal,
		Login, Refused, Room, Busy, Clock, Certificate, Unreachable, Interrupted, Other,
	}
}

// sentinels are the errors that have a kind of their own. The order matters: what a place says of its own disk comes with
// the system's error, and a login that is needed is also a refusal.
var sentinels = []struct {
	err  error
	kind Kind
}{
	{providers.ErrLogin, Login},
	{providers.ErrUnauthorised, Refused},
	{providers.ErrQuota, Room},
	{providers.ErrClock, Clock},
	{providers.ErrRateLimited, Busy},
	{cache.ErrJournalFull, Journal},
	{cache.ErrInUse, InUse},
	{cache.ErrNewerVersion, Newer},
	{seal.ErrNewerVersion, Newer},
	{seal.ErrOtherKey, OtherKey},
	{providers.ErrTransient, Unreachable},
	{syscall.ENOSPC, Disk},
	{syscall.EDQUOT, Disk},
	{syscall.EROFS, ReadOnly},
	{cache.ErrDamaged, Damaged},
	{context.DeadlineExceeded, Unreachable},
	{context.Canceled, Interrupted},
}

// Of is the kind of an error that a pass, or the opening of an account, ended with: None for nil, and Other for what no
// other kind is made for. Packages above know kinds of their own, such as Blocked and Locked, and ask for those first.
func Of(err error) Kind {
	if err == nil {
		return None
	}
	if kind := certificate(err); kind != None {
		return kind
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	var network *net.OpError // not net.Error: every number of the system is one
	var lookup *net.DNSError
	if errors.As(err, &network) || errors.As(err, &lookup) { // of services that are no places
		return Unreachable
	}
	return Other
}

// certificate tells that a server is not trusted. That may be this device's clock, too: doctor, which asks it, tells.
func certificate(err error) Kind {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &invalid) || errors.As(err, &host) || errors.As(err, &unknown) {
		return Certificate
	}
	return None
}
