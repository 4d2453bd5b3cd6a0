package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	system "github.com/zalando/go-keyring"
)

// Errors of a Vault, for errors.Is.
var (
	// ErrNoEntry: the vault answered that it keeps nothing under the name.
	ErrNoEntry = errors.New("no such entry in the keyring")
	// ErrNoVault: there is no keyring here, it is locked, or it doesn't answer.
	ErrNoVault = errors.New("the system's keyring is not available")
	// ErrTooLong: the secret has more than MaxEntry bytes.
	ErrTooLong = errors.New("too long for the system's keyring")
)

// MaxEntry is the longest secret, in bytes, that every system's keyring takes:
// Windows takes 2560, macOS about 3000 with the names.
const MaxEntry = 2500

// vaultPatience is how long a keyring may take. It may ask the user to unlock
// it, so it is long; but a program that nobody watches must not hang.
const vaultPatience = 30 * time.Second

// service is the name under which a keyring's own window shows the entries.
const service = "dm3sync"

// Vault keeps secrets that come while the program runs, such as tokens: unlike a
// Source, which only refers to what the user keeps. Names are the caller's.
// Methods are safe for concurrent use; no error holds any part of a secret.
type Vault interface {
	// Get returns a secret; ErrNoEntry, ErrNoVault.
	Get(ctx context.Context, name string) (string, error)
	// Set keeps a secret, over another one of the name; ErrTooLong, ErrNoVault.
	// After an error either may be kept.
	Set(ctx context.Context, name, secret string) error
	// Delete removes a secret; an absent one is fine. ErrNoVault.
	Delete(ctx context.Context, name string) error
}

// System is the keyring of the operating system and the user: Secret Service,
// Keychain, Credential Manager. It asks nothing before its first method is called.
func System(options *Options) Vault {
	if options == nil {
		options = &Options{}
	}
	return &systemVault{options: options, patience: vaultPatience, busy: make(chan struct{}, 1), reachable: reachable}
}

// systemVault gives the library, which knows neither contexts nor limits, both.
type systemVault struct {
	options   *Options
	patience  time.Duration
	busy      chan struct{} // taken while a call runs: one that hangs must not be followed by others
	reachable func(*Options) error
}

// Get implements Vault.
func (v *systemVault) Get(ctx context.Context, name string) (secret string, err error) {
	answer, err := v.call(ctx, "reading from", func() (string, error) { return system.Get(service, name) })
	if errors.Is(err, system.ErrNotFound) {
		return "", fmt.Errorf("keyring: %w", ErrNoEntry)
	}
	return answer, err
}

// Set implements Vault.
func (v *systemVault) Set(ctx context.Context, name, secret string) error {
	if len(secret) > MaxEntry {
		return fmt.Errorf("keyring: %w", ErrTooLong)
	}
	_, err := v.call(ctx, "writing to", func() (string, error) { return "", system.Set(service, name, secret) })
	return err
}

// Delete implements Vault.
func (v *systemVault) Delete(ctx context.Context, name string) error {
	_, err := v.call(ctx, "deleting from", func() (string, error) { return "", system.Delete(service, name) })
	if errors.Is(err, system.ErrNotFound) {
		return nil
	}
	return err
}

// call waits for the library, but not for ever.
func (v *systemVault) call(ctx context.Context, doing string, work func() (string, error)) (string, error) {
	if err := v.reachable(v.options); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, v.patience, fmt.Errorf("%w: it did not answer within %v", ErrNoVault, v.patience))
	defer cancel()
	select {
	case v.busy <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("keyring: %s it: %w", doing, context.Cause(ctx))
	}
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := work()
		<-v.busy
		done <- answer{text, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && !errors.Is(a.err, system.ErrNotFound) {
			return "", fmt.Errorf("keyring: %s it: %w: %w", doing, ErrNoVault, a.err)
		}
		return a.text, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("keyring: %s it: %w", doing, context.Cause(ctx))
	}
}

// reachable fails where there is no session bus: the library would start one,
// which nobody would end, and nobody's keyring would be on it.
func reachable(options *Options) error {
	switch runtime.GOOS {
	case "windows", "darwin":
		return nil
	}
	if address, _ := lookup(options, "DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return nil
	}
	for _, socket := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(fmt.Sprintf("/run/user/%d/%s", os.Getuid(), socket)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("keyring: %w: no desktop session runs here", ErrNoVault)
}
