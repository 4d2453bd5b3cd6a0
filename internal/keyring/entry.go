package keyring

import (
	"context"
	"errors"
	"fmt"
)

// readEntry reads a secret that stands in the system's keyring.
func readEntry(name string, options *Options) (string, error) {
	vault := options.Vault
	if vault == nil {
		vault = System(options)
	}
	text, err := vault.Get(context.Background(), name) // it has a limit of its own
	switch {
	case errors.Is(err, ErrNoEntry):
		return "", fmt.Errorf("keyring: %w: the system's keyring has no entry %s; set the account up again, or put its secret into a file and name that as file", ErrSource, name)
	case err != nil:
		return "", fmt.Errorf("keyring: %w: entry %s: %w; unlock the keyring, or log in to the desktop", ErrSource, name, err)
	}
	return text, nil
}
