package providers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

func TestValidateName(t *testing.T) {
	long := strings.Repeat("n", providers.MaxName)
	for name, valid := range map[string]bool{
		"a": true, "0xabc/def": true, "a/b/c": true, "A-Z_0.9": true, "a..b": true, "-": true, "_/-": true, long: true,
		"": false, "/": false, "a/": false, "/a": false, "a//b": false, ".": false, "..": false, "a/..": false, "../a": false,
		"a/./b": false, ".a": false, "a.": false, "a./b": false, "a/.b": false, "a b": false, "a\\b": false, "ä": false, "a\x00": false,
		"a~": false, "a:b": false, "a*": false, long + "n": false,
	} {
		err := providers.ValidateName(name)
		if (err == nil) != valid || err != nil && !errors.Is(err, providers.ErrInvalidName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestValidatePrefix(t *testing.T) {
	for prefix, valid := range map[string]bool{
		"": true, "0xa": true, "0xabc/": true, "a/b": true, "a.": true, "a/b.": true,
		"/": false, "a//": false, ".": false, "a/.": false, "..": false, "a b": false, strings.Repeat("n", providers.MaxName+1): false,
	} {
		err := providers.ValidatePrefix(prefix)
		if (err == nil) != valid || err != nil && !errors.Is(err, providers.ErrInvalidName) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

// FuzzValidateName: an accepted name is safe as a path, and each beginning of it is an accepted prefix.
func FuzzValidateName(f *testing.F) {
	for _, seed := range []string{"0xabc/def", "a/../b", "a.", ".a", "a//b", "", "ä", strings.Repeat("n/", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if providers.ValidateName(name) != nil {
			return
		}
		if len(name) > providers.MaxName {
			t.Errorf("%d bytes", len(name))
		}
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || strings.Trim(part, ".") != part || strings.ContainsAny(part, "\\:*?\"<>| ~%\x00") {
				t.Errorf("part %q of %q", part, name)
			}
		}
		for i := range name {
			if err := providers.ValidatePrefix(name[:i]); err != nil {
				t.Errorf("%q of %q: %v", name[:i], name, err)
			}
		}
	})
}

func TestRateLimitError(t *testing.T) {
	err := fmt.Errorf("s3: put: %w", &providers.RateLimitError{Wait: 3 * time.Second})
	var limit *providers.RateLimitError
	if !errors.Is(err, providers.ErrRateLimited) || !errors.As(err, &limit) || limit.Wait != 3*time.Second {
		t.Error(err)
	}
	if !providers.Retriable(err) || !strings.Contains(err.Error(), "3s") {
		t.Error(err)
	}
	if (&providers.RateLimitError{}).Error() != providers.ErrRateLimited.Error() {
		t.Error("a wait that was not told")
	}
	for _, permanent := range []error{providers.ErrNotFound, providers.ErrQuota, providers.ErrUnauthorised, errors.New("x"), nil} {
		if providers.Retriable(permanent) {
			t.Errorf("retriable: %v", permanent)
		}
	}
}

func TestFail(t *testing.T) {
	broken := errors.New("broken")
	count := 0
	for object, err := range providers.Fail(broken) {
		if count++; !errors.Is(err, broken) || object != (providers.Object{}) {
			t.Errorf("%v %v", object, err)
		}
	}
	if count != 1 {
		t.Errorf("%d pairs", count)
	}
}

// watching is a store that can watch.
type watching struct{ providers.Store }

func (watching) Watch(context.Context) (<-chan struct{}, error) {
	channel := make(chan struct{}, 1)
	channel <- struct{}{}
	return channel, nil
}

func TestWatch(t *testing.T) {
	notices, err := providers.Watch(t.Context(), providers.Count(watching{memory.New(nil)}))
	if err != nil || len(notices) != 1 {
		t.Errorf("below a decorator: %v", err)
	}
	if notices, err = providers.Watch(t.Context(), providers.Limit(memory.New(nil), nil)); notices != nil || err != nil {
		t.Errorf("no watcher at all: %v %v", notices, err)
	}
}
