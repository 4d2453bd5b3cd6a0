package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// lockMain locks a secret in scripts: "lock SECRETFILE LOCKEDFILE PASSPHRASE".
func lockMain() {
	secret, err := keyring.Read(keyring.Source{File: os.Args[1]}, nil)
	if err := errors.Join(err, keyring.WriteLocked(os.Args[2], os.Args[3], secret)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
