package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/keyring"
)

// Validate says, in one sentence, the first thing that is wrong; nil when
// nothing is. It looks at the settings alone, never at files or the network.
func (c *Config) Validate() error {
	checks := []string{
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "auto", "text", "json"),
		unless(c.Cache.BlobBudget >= 1<<20, "cache.blob_budget must be 1MiB or more"),
		unless(c.Cache.JournalLimit >= 1<<20, "cache.journal_limit must be 1MiB or more"),
		unless(len(c.Socket) <= MaxSocketPath, fmt.Sprintf("the socket's path %s is longer than %d bytes; set a shorter one as `socket`", c.Socket, MaxSocketPath)),
		unless(len(c.Accounts) > 0, "there is no [[account]]; add one, or run `dm3sync init`"),
		unless(len(c.Accounts) <= MaxAccounts, fmt.Sprintf("there are more than %d accounts", MaxAccounts)),
		c.distinct(),
	}
	for i := range c.Accounts {
		account := &c.Accounts[i]
		for _, sentence := range slices.Concat(account.check(), account.Provider.check()) {
			if sentence != "" {
				checks = append(checks, "account "+account.Name+": "+sentence)
			}
		}
	}
	for _, sentence := range checks {
		if sentence != "" {
			return fmt.Errorf("config: %w: %s", ErrConfig, sentence)
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
		unless(count(a.Secret.File, a.Secret.Env, a.Secret.Credential) == 1, "[account.secret] needs exactly one of file, env, credential"),
		unless(a.Secret.Nonce == "" || form == keyring.FormWalletKey, "secret.nonce goes only with form = \"wallet-key\""),
		unless(a.Grace() >= 0, "delete_grace must not be negative"),
		unless(s.Idle > 0 && s.Longest >= s.Idle, "schedule: idle must be positive, and longest not shorter"),
		unless(s.Interval > 0 && s.Scrub > 0, "schedule: interval and scrub must be positive"),
		unless(s.Jitter >= 0 && s.Jitter <= 1, "schedule.jitter must lie between 0 and 1"),
	}
}

func (p *Provider) check() []string {
	folder := p.Path != "" || p.Carried
	s3 := p.Endpoint+p.Region+p.Bucket+p.Prefix+p.AccessKeyID+p.SecretFile+p.SecretEnv+p.SecretCredential+p.CAFile+p.Proxy != "" || p.PathStyle
	checks := []string{
		unless(p.Kind != "", "[account.provider] with a kind is missing; use folder or s3"),
		oneOf("provider.kind", p.Kind, "folder", "s3", "memory"),
		unless(p.Parallel >= 0 && p.Parallel <= 1000, "provider.parallel must lie between 0 and 1000"),
		unless(p.BytesPerSecond >= 0, "provider.bytes_per_second must not be negative"),
		unless(p.Kind == "folder" || !folder, "provider: path and carried go only with kind = \"folder\""),
		unless(p.Kind == "s3" || !s3, "provider: a setting of kind = \"s3\" stands in another kind"),
	}
	switch p.Kind {
	case "folder":
		checks = append(checks, unless(p.Path != "", "provider.path is missing: name the folder"))
	case "s3":
		checks = append(checks, p.checkS3()...)
	}
	return checks
}

func (p *Provider) checkS3() []string {
	secrets := count(p.SecretFile, p.SecretEnv, p.SecretCredential)
	return []string{
		unless(p.Bucket != "", "provider.bucket is missing"),
		unless(secrets <= 1, "provider: set only one of secret_file, secret_env, secret_credential"),
		unless((p.AccessKeyID != "") == (secrets == 1), "provider: access_key_id and its secret (secret_file, secret_env or secret_credential) go together; leave both out to use the SDK's credential chain"),
		unless(validURL(p.Endpoint), "provider.endpoint must be an http or https URL without user name, such as https://s3.example.org"),
		unless(validURL(p.Proxy), "provider.proxy must be an http or https URL without user name"),
		unless(p.Endpoint != "" || p.Region != "", "provider.region is missing (it may be left out only when an endpoint is given)"),
	}
}

// warn notes what works but is probably not meant.
func (c *Config) warn() {
	for _, a := range c.Accounts {
		if a.ChunkSize < MinChunkSize || a.ChunkSize > MaxChunkSize {
			c.Warnings = append(c.Warnings, fmt.Sprintf("account %s: chunk_size %s lies outside the specification's %s to %s", a.Name, a.ChunkSize, MinChunkSize, MaxChunkSize))
		}
		if a.Provider.Kind == "memory" {
			c.Warnings = append(c.Warnings, fmt.Sprintf("account %s: a memory provider forgets everything at exit; it is for tests", a.Name))
		}
		if strings.HasPrefix(a.Provider.Endpoint, "http://") {
			c.Warnings = append(c.Warnings, fmt.Sprintf("account %s: the endpoint is not https: others on the way can see and delay objects, though not read them", a.Name))
		}
	}
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
