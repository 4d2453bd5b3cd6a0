package keyring

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	system "github.com/zalando/go-keyring"
)

// here says that a keyring can be asked, whatever machine this is.
func here(*Options) error { return nil }

func newVault() *systemVault {
	v := System(nil).(*systemVault)
	v.reachable = here
	return v
}

func TestVault(t *testing.T) {
	system.MockInit()
	v := newVault()
	if _, err := v.Get(t.Context(), "a"); !errors.Is(err, ErrNoEntry) || errors.Is(err, ErrNoVault) {
		t.Errorf("%v", err)
	}
	if err := v.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{"first secret", strings.Repeat("s", MaxEntry)} {
		if err := v.Set(t.Context(), "a", secret); err != nil {
			t.Fatal(err)
		}
		if got, err := v.Get(t.Context(), "a"); err != nil || got != secret {
			t.Errorf("%v", err)
		}
	}
	if err := v.Set(t.Context(), "a", strings.Repeat("s", MaxEntry+1)); !errors.Is(err, ErrTooLong) || strings.Contains(err.Error(), "sss") {
		t.Errorf("%v", err)
	}
	if err := v.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := v.Get(t.Context(), "a"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("%v", err)
	}
}

// TestNoVault: the library's failures, which are of any type, all mean that there is no keyring.
func TestNoVault(t *testing.T) {
	system.MockInitWithError(&exec.Error{Name: "dbus-launch", Err: exec.ErrNotFound})
	defer system.MockInit()
	v := newVault()
	_, getErr := v.Get(t.Context(), "a")
	for _, err := range []error{getErr, v.Set(t.Context(), "a", "hunter2 hunter2"), v.Delete(t.Context(), "a")} {
		if !errors.Is(err, ErrNoVault) || !strings.Contains(err.Error(), "dbus-launch") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestNoDesktop: where no session bus runs, the library is not asked, for it would start one.
func TestNoDesktop(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the keyring needs no bus")
	}
	with := func(address string) error {
		return reachable(&Options{LookupEnv: func(name string) (string, bool) { return address, name == "DBUS_SESSION_BUS_ADDRESS" }})
	}
	if err := with("unix:path=/somewhere"); err != nil {
		t.Errorf("%v", err)
	}
	if runs := with("") == nil; runs != (with("autolaunch:") == nil) {
		t.Errorf("a bus runs: %v, but not when the library may start one", runs)
	}
	if err := with(""); err != nil && !errors.Is(err, ErrNoVault) {
		t.Errorf("%v", err)
	}
}

// TestVaultThatHangs: a keyring that asks a user who is away does not stop the program, and is not asked anew meanwhile.
func TestVaultThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		var asked atomic.Int32
		answer := make(chan struct{})
		hang := func() (string, error) {
			asked.Add(1)
			<-answer
			return "late", nil
		}
		began := time.Now()
		for range 2 {
			if _, err := v.call(t.Context(), "reading from", hang); !errors.Is(err, ErrNoVault) {
				t.Errorf("%v", err)
			}
		}
		if waited := time.Since(began); waited != 2*vaultPatience || asked.Load() != 1 {
			t.Errorf("%v, asked %d times", waited, asked.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.call(ctx, "reading from", hang); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoVault) {
			t.Errorf("%v", err)
		}
		close(answer)
		synctest.Wait()
		if text, err := v.call(t.Context(), "reading from", hang); err != nil || text != "late" || asked.Load() != 2 {
			t.Errorf("%q, %v", text, err)
		}
	})
}
