package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

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
	DefaultFolder            = "dm3sync" // on Google Drive
	DefaultKubo              = "http://127.0.0.1:5001"
	DefaultDevices           = 4  // device numbers that are looked at on IPFS
	MaxDevices               = 64 // each costs a resolve a pass
	DefaultUnpinAfter        = Duration(24 * time.Hour)
)

// The words of provider.auth and provider.space.
const (
	AuthAuto     = "auto"
	AuthBasic    = "basic"
	AuthDigest   = "digest"
	AuthBearer   = "bearer"
	AuthNone     = "none"
	SpaceFiles   = "files"
	SpaceAppData = "appdata"
)

// MaxSocketPath is the longest path of a unix socket that every supported
// system takes, in bytes (macOS: 104 with the final zero).
const MaxSocketPath = 103

// Options are what loading needs from outside; nil means the real environment.
type Options struct {
	Environ []string // "NAME=value", as os.Environ
	// Unconfigured takes a file that is missing, or names no account, for a machine that
	// waits to be set up: Accounts is empty then, and File where no file is.
	Unconfigured bool
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
		absent := errors.Is(err, fs.ErrNotExist)
		if !absent || !options.Unconfigured && (asked || environment["DM3SYNC_ACCOUNT_1_NAME"] == "") {
			return nil, err
		}
	}
	return c.finish(environment, options.Unconfigured)
}

// LoadText is what Load would return if the file at path held text. Nothing is read or written.
func LoadText(path string, text []byte, options *Options) (*Config, error) {
	if options == nil {
		options = &Options{Environ: os.Environ()}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c := &Config{}
	if err := c.decode(path, text); err != nil {
		return nil, err
	}
	return c.finish(parseEnviron(options.Environ), options.Unconfigured)
}

// finish is what follows on the file's text.
func (c *Config) finish(environment map[string]string, unconfigured bool) (*Config, error) {
	if err := c.overlay(environment); err != nil {
		return nil, err
	}
	if err := c.complete(environment); err != nil {
		return nil, err
	}
	if err := c.validate(unconfigured); err != nil {
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
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noFileError{path, err}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c.decode(path, data)
}

// decode reads the text of the file at path.
func (c *Config) decode(path string, text []byte) error {
	c.File = path
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return fmt.Errorf("%w: %s%w", ErrConfig, path, describe(err))
	}
	return nil
}

// noFileError says that there is no configuration file yet. It is ErrConfig, and what the system said.
type noFileError struct {
	path  string
	cause error
}

// Error is a sentence with a way out.
func (e noFileError) Error() string {
	return fmt.Sprintf("%v: there is no file %s yet; `dm3sync ui` sets an account up in a browser, `dm3sync init` in a terminal, and --config names another file", ErrConfig, e.path)
}

// Unwrap is for errors.Is.
func (e noFileError) Unwrap() []error { return []error{ErrConfig, e.cause} }

// describe turns the decoder's errors into "line N: …", without quoting values,
// which may be secrets put in the wrong place.
func describe(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := &strict.Errors[0]
		line, _ := first.Position()
		way := "README.md lists those there are"
		if near := nearSetting(first.Key()); near != "" {
			way = "did you mean " + near + "?"
		}
		return fmt.Errorf(", line %d: unknown setting %q; %s", line, strings.Join(first.Key(), "."), way)
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		what := strings.TrimPrefix(decode.Error(), "toml: ")
		if key := strings.Join(decode.Key(), "."); key != "" {
			what = key + ": " + what
		}
		return fmt.Errorf(", line %d, column %d: %s", line, column, what)
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
	c.Search.complete()
	for i := range c.Accounts {
		if err := c.Accounts[i].complete(); err != nil {
			return err
		}
	}
	if err := c.Serve.complete(); err != nil {
		return err
	}
	c.Interface.complete()
	c.Limits.complete()
	c.Notice.complete()
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
	a.Provider.complete()
	for i := range a.Mirrors {
		a.Mirrors[i].complete(a)
	}
	var err error
	if a.Name, err = normalize(a.Name); err != nil {
		return err
	}
	if err := a.Node.complete(a.Name); err != nil {
		return err
	}
	for i := range a.Aliases {
		if a.Aliases[i], err = normalize(a.Aliases[i]); err != nil {
			return err
		}
	}
	return nil
}

// normalize takes a name of the user's own. Upstream lets white space pass; here it can only be a slip, and would begin
// another history.
func normalize(name string) (string, error) {
	normal, err := identity.Normalize(name)
	if err == nil && strings.ContainsFunc(normal, unicode.IsSpace) {
		err = errors.New("there is white space in it")
	}
	if err != nil {
		return "", fmt.Errorf("%w: %q is no dm3 name: %w", ErrConfig, name, err)
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
