package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// Validate says, in one sentence, the first thing that is wrong; nil when
// nothing is. It looks at the settings alone, never at files or the network.
func (c *Config) Validate() error { return c.validate(false) }

// validate is Validate; unconfigured takes no account for right, too.
func (c *Config) validate(unconfigured bool) error {
	checks := []string{
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "auto", "text", "json"),
		unless(c.Cache.BlobBudget >= 1<<20, "cache.blob_budget must be 1MiB or more"),
		unless(c.Cache.JournalLimit >= 1<<20, "cache.journal_limit must be 1MiB or more"),
		unless(len(c.Socket) <= MaxSocketPath, fmt.Sprintf("the socket's path %s is longer than %d bytes; set a shorter one as `socket`", c.Socket, MaxSocketPath)),
		unless(len(c.Accounts) > 0 || unconfigured || c.Serve.Mode != ServeAccounts, "there is no [[account]]; add one, or run `dm3sync init`"),
		unless(len(c.Accounts) <= MaxAccounts, fmt.Sprintf("there are more than %d accounts", MaxAccounts)),
		c.distinct(),
	}
	checks = append(checks, c.Serve.check()...)
	checks = append(checks, c.Interface.check()...)
	checks = append(checks, c.Limits.check()...)
	checks = append(checks, c.Search.check()...)
	checks = append(checks, c.Notice.check()...)
	checks = append(checks, c.Metrics.check()...)
	for i := range c.Accounts {
		account := &c.Accounts[i]
		for _, sentence := range slices.Concat(account.check(), account.Provider.check(), account.checkMirrors(), account.Node.check(), []string{account.Notice.check()}) {
			if sentence != "" {
				checks = append(checks, "account "+account.Name+": "+sentence)
			}
		}
	}
	for _, sentence := range checks {
		if sentence != "" {
			return fmt.Errorf("%w: %s", ErrConfig, sentence)
		}
	}
	return nil
}

// distinct refuses two accounts that would write over each other's folder, or
// that would both take a message.
func (c *Config) distinct() string {
	owners, spools := map[string]bool{}, map[string]bool{}
	for _, account := range c.Accounts {
		for _, name := range append([]string{account.Name}, account.Aliases...) {
			if owners[name] {
				return fmt.Sprintf("the name %s stands there twice", name)
			}
			owners[name] = true
		}
		if account.Spool != "" && spools[account.Spool] {
			return fmt.Sprintf("two accounts share the spool %s", account.Spool)
		}
		spools[account.Spool] = true
	}
	return ""
}

func (a *Account) check() []string {
	form := keyring.Form(a.Secret.Form)
	s := a.Schedule
	return []string{
		unless(a.Name != "", "name is missing"),
		unless(a.ChunkSize > 0, "chunk_size must be positive"),
		oneOf("seal", a.Seal, "compact", "dm3"),
		oneOf("secret.form", a.Secret.Form, string(keyring.FormStorageKey), string(keyring.FormSignature), string(keyring.FormWalletKey)),
		unless(count(a.Secret.File, a.Secret.Env, a.Secret.Credential, a.Secret.Keyring, a.Secret.Locked) == 1, "[account.secret] needs exactly one of file, env, credential, keyring, locked"),
		unless(a.Secret.Nonce == "" || form == keyring.FormWalletKey, "secret.nonce goes only with form = \"wallet-key\""),
		unless(a.Grace() >= 0, "delete_grace must not be negative"),
		unless(s.Idle > 0 && s.Longest >= s.Idle, "schedule: idle must be positive, and longest not shorter"),
		unless(s.Interval > 0 && s.Scrub > 0, "schedule: interval and scrub must be positive"),
		unless(s.Jitter >= 0 && s.Jitter <= 1, "schedule.jitter must lie between 0 and 1"),
	}
}

// warn notes what works but is probably not meant.
func (c *Config) warn() {
	c.Warnings = append(c.Warnings, c.Serve.warn()...)
	c.Warnings = append(c.Warnings, c.Interface.warn()...)
	c.Warnings = append(c.Warnings, c.Notice.warn()...)
	for _, a := range c.Accounts {
		for _, sentence := range a.Node.warnings() {
			c.Warnings = append(c.Warnings, "account "+a.Name+": "+sentence)
		}
		if a.ChunkSize < MinChunkSize || a.ChunkSize > MaxChunkSize {
			c.Warnings = append(c.Warnings, fmt.Sprintf("account %s: chunk_size %s lies outside the specification's %s to %s", a.Name, a.ChunkSize, MinChunkSize, MaxChunkSize))
		}
		for _, p := range a.Places() {
			if sentence := p.warning(); sentence != "" {
				c.Warnings = append(c.Warnings, fmt.Sprintf("account %s: %s", a.Name, sentence))
			}
		}
	}
}

// warning is what works with a place, and is probably not meant.
func (p *Provider) warning() string {
	if p.Kind == KindMemory {
		return "a memory provider forgets everything at exit; it is for tests"
	}
	if p.Kind == KindS3 && inTheOpen(p.Endpoint) {
		return "the endpoint is not https: others on the way can see and delay objects, though not read them"
	}
	if (p.Auth == AuthDigest || p.Auth == AuthNone || p.Kind == KindNode) && inTheOpen(p.URL) {
		return p.URL + " is not https: others on the way can see and change what is sent, though not read the history"
	}
	if i := slices.IndexFunc(p.carriers(), inTheOpen); i >= 0 {
		return p.carriers()[i] + " is not https: others on the way can see the password or token, and take, change or remove objects with it, though not read them"
	}
	if p.PinService != "" && p.PinGateway == "" {
		return "the pinning service " + p.PinService + " is believed, whatever it says to have: name its gateway as pin_gateway, and objects are fetched back from there"
	}
	return ""
}

// inTheOpen tells whether requests to an address can be read on their way: without TLS, to another machine.
func inTheOpen(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" {
		return false
	}
	host := parsed.Hostname()
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.IsLoopback())
}

func unless(fine bool, sentence string) string {
	if fine {
		return ""
	}
	return sentence
}

func oneOf(setting, value string, allowed ...string) string {
	return unless(slices.Contains(allowed, value), fmt.Sprintf("%s is %q; use one of %s", setting, value, strings.Join(allowed, ", ")))
}

func count(values ...string) int {
	n := 0
	for _, value := range values {
		if value != "" {
			n++
		}
	}
	return n
}

func validURL(text string) bool {
	if text == "" {
		return true
	}
	parsed, err := url.Parse(text)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Host != "" && parsed.User == nil
}
