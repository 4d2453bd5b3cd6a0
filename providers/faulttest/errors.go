// Package faulttest holds what the tests of several places ask when something fails.
package faulttest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
)

// sentinels are what callers of a place tell apart.
var sentinels = []error{
	providers.ErrNotFound, providers.ErrUnauthorised, providers.ErrQuota, providers.ErrTransient, providers.ErrRateLimited,
	providers.ErrTooLarge, providers.ErrInvalidName, providers.ErrInvalidRange,
}

// WantError wants an error of exactly the sentinels that want is, none with nil; and no
// secret in it, in whatever form it is printed. what names the case.
func WantError(t testing.TB, what string, err, want error, secrets ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel) != errors.Is(want, sentinel) {
			t.Errorf("%s: want %v, got %v", what, want, err)
		}
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %s is in %s", what, secret, text)
		}
	}
}
