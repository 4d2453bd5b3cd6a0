package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/dm3sync/dm3sync/internal/identity"
)

// Defaults of the settings that have one.
const (
	DefaultChunkSize    Size = 500_000
	MinChunkSize        Size = 500_000    // of internal/docs/specification.md, "Chunk container"; below it is a warning
	MaxChunkSize        Size = 10_000_000 // likewise; above it is a warning
	DefaultBlobBudget   Size = 256 << 20
	DefaultJournalLimit Size = 1 << 30
	DefaultDeleteGrace       = Duration(time.Hour)
	DefaultIdle              = Duration(2 * time.Second)
	DefaultLongest           = Duration(15 * time.Second)
	DefaultInterval          = Duration(time.Minute)
	DefaultJitter            = 0.1
	DefaultScrub             = Duration(24 * time.Hour)
)

// MaxSocketPath is the longest path of a unix socket that every supported
// system takes, in bytes (macOS: 104 with the final zero).
const MaxSocketPath = 103

// Options are what loading needs from outside; nil means the real environment.
type Options struct {
	Environ []string // "NAME=value", as os.Environ
}

// Load reads the file at path (empty: $DM3SYNC_CONFIG, else the default place),
// applies the environment, completes what is left out and validates. A missing
// file is an error unless the environment alone describes an account and no
// path was asked for. Every error wraps ErrConfig and says what to change.
func Load(path string, options *Options) (*Config, error) {
	if options == nil {
		options = &Options{Environ: os.Environ()}
	}
	environment := parseEnviron(options.Environ)
	asked := path != "" || environment["DM3SYNC_CONFIG"] != ""
	if path == "" {
		path = DefaultFile(options)
	}
	c := &Config{}
	if err := c.readFile(path); err != nil {
		if asked || !errors.Is(err, fs.ErrNotExist) || environment["DM3SYNC_ACCOUNT_1_NAME"] == "" {
			return nil, err
		}
	}
	if err := c.overlay(environment); err != nil {
		return nil, err
	}
	if err := c.complete(environment); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.warn()
	return c, nil
}

// DefaultFile is where the configuration lies when no path is given:
// $DM3SYNC_CONFIG, else dm3sync/config.toml in the user's configuration folder.
func DefaultFile(options *Options) string {
	if options == nil {
		options = &Options{Environ: os.Environ()}
	}
	environment := parseEnviron(options.Environ)
	if path := environment["DM3SYNC_CONFIG"]; path != "" {
		return path
	}
	if folder := environment["XDG_CONFIG_HOME"]; folder != "" {
		return filepath.Join(folder, "dm3sync", "config.toml")
	}
	return filepath.Join(environment["HOME"], ".config", "dm3sync", "config.toml")
}

func (c *Config) readFile(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("config: %w: %w", ErrConfig, err)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("config: %w: no file %s; make one with `dm3sync init`, or name one with --config: %w", ErrConfig, path, err)
	}
	if err != nil {
		return fmt.Errorf("config: %w: %w", ErrConfig, err)
	}
	c.File = path
	decoder := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return fmt.Errorf("config: %w: %s%w", ErrConfig, path, describe(err))
	}
	return nil
}

// describe turns the decoder's errors into "line N: …", without quoting values,
// which may be secrets put in the wrong place.
func describe(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := &strict.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf(", line %d: unknown setting %q; see the samples for those there are", line, strings.Join(first.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return fmt.Errorf(", line %d, column %d: %s: %s", line, column, strings.Join(decode.Key(), "."), strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return fmt.Errorf(": %w", err)
}

// complete fills in defaults, normalises names and makes paths absolute.
func (c *Config) complete(environment map[string]string) error {
	setDefault(&c.Data, defaultData(environment))
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "auto")
	setDefault(&c.Cache.BlobBudget, DefaultBlobBudget)
	setDefault(&c.Cache.JournalLimit, DefaultJournalLimit)
	for i := range c.Accounts {
		if err := c.Accounts[i].complete(); err != nil {
			return err
		}
	}
	for _, path := range c.paths() {
		expanded, err := c.expand(*path, environment)
		if err != nil {
			return err
		}
		*path = expanded
	}
	setDefault(&c.Socket, filepath.Join(c.Data, "agent.sock"))
	return nil
}

func (a *Account) complete() error {
	setDefault(&a.ChunkSize, DefaultChunkSize)
	setDefault(&a.Seal, "compact")
	setDefault(&a.Secret.Form, "storage-key")
	setDefault(&a.Schedule.Idle, DefaultIdle)
	setDefault(&a.Schedule.Longest, DefaultLongest)
	setDefault(&a.Schedule.Interval, DefaultInterval)
	setDefault(&a.Schedule.Jitter, DefaultJitter)
	setDefault(&a.Schedule.Scrub, DefaultScrub)
	var err error
	if a.Name, err = normalize(a.Name); err != nil {
		return err
	}
	for i := range a.Aliases {
		if a.Aliases[i], err = normalize(a.Aliases[i]); err != nil {
			return err
		}
	}
	return nil
}

func normalize(name string) (string, error) {
	normal, err := identity.Normalize(name)
	if err != nil {
		return "", fmt.Errorf("config: %w: %q is no dm3 name: %w", ErrConfig, name, err)
	}
	return normal, nil
}

func setDefault[T comparable](target *T, value T) {
	var zero T
	if *target == zero {
		*target = value
	}
}

func defaultData(environment map[string]string) string {
	if folder := environment["STATE_DIRECTORY"]; folder != "" { // systemd's StateDirectory=
		return folder
	}
	if folder := environment["XDG_DATA_HOME"]; folder != "" {
		return filepath.Join(folder, "dm3sync")
	}
	return "~/.local/share/dm3sync"
}
