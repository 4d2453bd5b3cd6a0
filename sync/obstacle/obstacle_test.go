package obstacle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
)

// TestOf: each error has its kind, however deep it lies and whatever else stands in its text.
func TestOf(t *testing.T) {
	seen := make(map[Kind]bool)
	for name, c := range map[string]struct {
		err  error
		kind Kind
	}{
		"nothing":              {nil, None},
		"login":                {providers.ErrLogin, Login},
		"refused":              {providers.ErrUnauthorised, Refused},
		"place full":           {providers.ErrQuota, Room},
		"disk of a place full": {fmt.Errorf("local: %w: %w", providers.ErrQuota, syscall.ENOSPC), Room},
		"disk full":            {&os.PathError{Op: "write", Path: "journal", Err: syscall.ENOSPC}, Disk},
		"disk quota":           {syscall.EDQUOT, Disk},
		"disk takes no writes": {syscall.EROFS, ReadOnly},
		"busy":                 {&providers.RateLimitError{}, Busy},
		"clock":                {providers.ErrClock, Clock},
		"certificate":          {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, Certificate},
		"certificate's name":   {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, Certificate},
		"certificate's time":   {x509.CertificateInvalidError{Reason: x509.Expired}, Certificate},
		"offline":              {providers.ErrTransient, Unreachable},
		"too slow":             {context.DeadlineExceeded, Unreachable},
		"no name":              {&net.DNSError{Name: "h", IsNotFound: true}, Unreachable},
		"connection":           {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Unreachable},
		"disk error":           {&os.PathError{Op: "read", Path: "journal", Err: syscall.EIO}, Other},
		"ended":                {context.Canceled, Interrupted},
		"ended in the middle":  {fmt.Errorf("%w: %w", providers.ErrTransient, context.Canceled), Unreachable},
		"journal full":         {cache.ErrJournalFull, Journal},
		"in use":               {cache.ErrInUse, InUse},
		"damaged":              {cache.ErrDamaged, Damaged},
		"newer folder":         {cache.ErrNewerVersion, Newer},
		"newer object":         {seal.ErrNewerVersion, Newer},
		"other key":            {seal.ErrOtherKey, OtherKey},
		"its text alone":       {errors.New(providers.ErrUnauthorised.Error()), Other},
	} {
		err := c.err
		if err != nil {
			err = errors.Join(fmt.Errorf("engine: listing heads: %w", err), errors.New("closing"))
		}
		if got := Of(err); got != c.kind {
			t.Errorf("%s: %q, want %q", name, got, c.kind)
		}
		seen[c.kind] = true
	}
	for _, above := range []Kind{None, Blocked, Locked, Secret} { // packages above tell these
		seen[above] = true
	}
	if len(seen) != len(Kinds())+1 {
		t.Errorf("%d kinds are shown of %d", len(seen), len(Kinds())+1)
	}
	for i, kind := range Kinds() {
		if slices.Contains(Kinds()[:i], kind) || kind == None {
			t.Errorf("%q stands twice, or is none", kind)
		}
	}
}
