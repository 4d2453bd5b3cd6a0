// Package config loads, completes and checks the configuration of dm3sync: one
// TOML file, overridden by environment variables that begin with DM3SYNC_.
//
// It holds no secrets, only references to them (package keyring reads those),
// and opens nothing: paths are made absolute, but never touched.
//
// Import order: above internal/keyring and internal/identity, below
// internal/agent and cmd.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// ErrConfig is wrapped by every error of this package: the configuration must
// be changed before anything can run.
var ErrConfig = errors.New("configuration")

// Config is a whole configuration, as Load returns it: complete and valid.
type Config struct {
	// File is the absolute path of the file it came from; empty when the
	// environment alone supplied it.
	File string `toml:"-"`
	// Data is the folder for cache, journal and socket. Default: the user's
	// data folder (systemd's state folder when one is given) and "dm3sync".
	Data string `toml:"data"`
	// Socket is the agent's local socket; default Data/agent.sock. Its length
	// is limited to MaxSocketPath bytes by the operating systems.
	Socket string `toml:"socket"`
	Log    Log    `toml:"log"`
	Cache  Cache  `toml:"cache"`
	Serve  Serve  `toml:"serve"`
	// Interface is the [interface] table.
	Interface Interface `toml:"interface"`
	Search    Search    `toml:"search"`
	// Limits is the [limits] table.
	Limits Limits `toml:"limits"`
	// Notice and Metrics are the tables of those names.
	Notice  Notice  `toml:"notice"`
	Metrics Metrics `toml:"metrics"`
	// Accounts are the [[account]] tables, in the order of the file.
	Accounts []Account `toml:"account"`
	// Warnings are sentences about settings that work, but are probably not
	// what was meant. They hold no secrets.
	Warnings []string `toml:"-"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `toml:"level"`  // debug, info (default), warn, error
	Format string `toml:"format"` // auto (default: text on a terminal, else json), text, json
}

// Cache bounds what one account keeps on disk.
type Cache struct {
	BlobBudget   Size `toml:"blob_budget"`   // sealed states kept for reading; default 256MiB
	JournalLimit Size `toml:"journal_limit"` // unconfirmed messages; an append beyond it fails; default 1GiB
}

// Account is one [[account]] table.
type Account struct {
	// Name is the account's own dm3 name, normalised by Load.
	Name string `toml:"name"`
	// Aliases are further names of the same person (normalised by Load):
	// messages from or to them belong to this account.
	Aliases []string `toml:"aliases"`
	// ChunkSize is the limit of a chunk in bytes of plaintext; default 500kB.
	// It belongs to the account: all its devices must use the same.
	ChunkSize Size `toml:"chunk_size"`
	// Seal is the form of sealed objects: compact (default) or dm3.
	Seal string `toml:"seal"`
	// NoCompression stores chunks uncompressed (see the security page).
	NoCompression bool `toml:"no_compression"`
	// DeleteGrace is how long the bytes of deleted messages stay at the provider;
	// 0s is not at all; nil is DefaultDeleteGrace. Grace gives the one that counts.
	DeleteGrace *Duration `toml:"delete_grace"`
	// Spool is a folder from which the agent takes files of messages; empty: none.
	Spool    string   `toml:"spool"`
	Secret   Secret   `toml:"secret"`
	Provider Provider `toml:"provider"`
	Schedule Schedule `toml:"schedule"`
	// Mirrors are further places, kept like Provider.
	Mirrors []Mirror `toml:"mirror"`
	// AtMirror is set by At: the mirror that stands for Provider.
	AtMirror string `toml:"-"`
	// Node is the dm3 node that the user's app uses beside dm3sync; zero: none.
	Node Node `toml:"node"`
	// Notice is the account's own heartbeat.
	Notice AccountNotice `toml:"notice"`
}

// Secret says where the account's secret is kept, and what it is.
type Secret struct {
	Form       string `toml:"form"`       // storage-key (default), signature, wallet-key
	File       string `toml:"file"`       // a file only its owner can read
	Env        string `toml:"env"`        // an environment variable
	Credential string `toml:"credential"` // a systemd credential
	Keyring    string `toml:"keyring"`    // an entry of the system's keyring
	Locked     string `toml:"locked"`     // a file that is locked with a passphrase
	Nonce      string `toml:"nonce"`      // wallet-key only; default: upstream's default nonce
}

// Source is the reference in the form that keyring reads.
func (s Secret) Source() keyring.Source {
	return keyring.Source{File: s.File, Env: s.Env, Credential: s.Credential, Keyring: s.Keyring, Locked: s.Locked}
}

// Schedule says when a pass runs (package sync/schedule explains each).
type Schedule struct {
	Idle     Duration `toml:"idle"`     // default 2s
	Longest  Duration `toml:"longest"`  // default 15s
	Interval Duration `toml:"interval"` // default 60s
	Jitter   float64  `toml:"jitter"`   // fraction of Interval, above 0 to 1; default (and 0) 0.1
	Scrub    Duration `toml:"scrub"`    // default 24h
}

// Size is a number of bytes, written as 500kB, 10MB, 256MiB or a plain number.
type Size int64

// Duration is a time.Duration, written as 2s, 15m or 24h.
type Duration time.Duration

// Account returns the account of the given name or alias, as written or normalised;
// an empty name means the only one. The error lists the names to choose from.
func (c *Config) Account(name string) (*Account, error) {
	if name == "" && len(c.Accounts) == 1 {
		return &c.Accounts[0], nil
	}
	wanted := name
	if normal, err := normalize(name); err == nil {
		wanted = normal
	}
	if len(c.Accounts) == 0 {
		return nil, fmt.Errorf("%w: there is no [[account]]; add one, or run `dm3sync init`", ErrConfig)
	}
	var names []string
	for i := range c.Accounts {
		if name != "" && (c.Accounts[i].Name == wanted || slices.Contains(c.Accounts[i].Aliases, wanted)) {
			return &c.Accounts[i], nil
		}
		names = append(names, c.Accounts[i].Name)
	}
	if name == "" {
		return nil, fmt.Errorf("%w: there are several accounts; choose one with --account: %s", ErrConfig, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%w: no account %q; there are: %s", ErrConfig, name, strings.Join(names, ", "))
}

// Grace is how long the bytes of deleted messages stay at the provider.
func (a *Account) Grace() time.Duration {
	if a.DeleteGrace == nil {
		return time.Duration(DefaultDeleteGrace)
	}
	return time.Duration(*a.DeleteGrace)
}

// Folder is where the account's cache lies: a folder in Data whose name tells
// nothing, because own names are nobody else's business.
func (c *Config) Folder(account *Account) string {
	return filepath.Join(c.Data, "accounts", string(container.Hash(account.Name))[2:18])
}
