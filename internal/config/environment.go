package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxAccounts bounds the numbers in DM3SYNC_ACCOUNT_n_….
const MaxAccounts = 100

// accountVariable matches DM3SYNC_ACCOUNT_2_PROVIDER_BUCKET.
var accountVariable = regexp.MustCompile(`^DM3SYNC_ACCOUNT_([1-9][0-9]*)_`)

// others are names with our prefix that are no settings.
var others = []string{"DM3SYNC_CONFIG", "DM3SYNC_ACCOUNT"}

func parseEnviron(environ []string) map[string]string {
	environment := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			environment[name] = value
		}
	}
	if environment["HOME"] == "" {
		environment["HOME"] = environment["USERPROFILE"] // Windows
	}
	return environment
}

// overlay applies the variables: DM3SYNC_ and the setting's path in capitals,
// joined by underscores; accounts count from 1. An account one past the last
// is added. An empty variable is as good as none.
func (c *Config) overlay(environment map[string]string) error {
	for {
		prefix := fmt.Sprintf("DM3SYNC_ACCOUNT_%d_", len(c.Accounts)+1)
		if len(c.Accounts) >= MaxAccounts || !anyHasPrefix(environment, prefix+"NAME") {
			break
		}
		c.Accounts = append(c.Accounts, Account{})
	}
	settings := map[string]any{}
	collect(settings, "DM3SYNC", reflect.ValueOf(c).Elem())
	for i := range c.Accounts {
		prefix := "DM3SYNC_ACCOUNT_" + strconv.Itoa(i+1)
		collect(settings, prefix, reflect.ValueOf(&c.Accounts[i]).Elem())
		c.Accounts[i].addMirrors(settings, prefix, environment)
	}
	for _, name := range sortedNames(environment) {
		if environment[name] == "" { // as if it were not there
			continue
		}
		target, known := settings[name]
		if !known {
			c.noteUnknown(name)
			continue
		}
		if err := setText(target, environment[name]); err != nil {
			return fmt.Errorf("%w: environment variable %s: %w", ErrConfig, name, err)
		}
	}
	return nil
}

// collect maps the variable of every setting below value to its address.
func collect(settings map[string]any, prefix string, value reflect.Value) {
	for i := range value.NumField() {
		tag := value.Type().Field(i).Tag.Get("toml")
		if tag == "-" || tag == "account" || tag == "mirror" {
			continue
		}
		if value.Type().Field(i).Anonymous { // its settings stand beside the others
			collect(settings, prefix, value.Field(i))
			continue
		}
		name := prefix + "_" + strings.ToUpper(tag)
		if field := value.Field(i); field.Kind() == reflect.Struct {
			collect(settings, name, field)
		} else {
			settings[name] = field.Addr().Interface()
		}
	}
}

func anyHasPrefix(environment map[string]string, prefix string) bool {
	for name := range environment {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func sortedNames(environment map[string]string) []string {
	var names []string
	for name := range environment {
		if strings.HasPrefix(name, "DM3SYNC_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// noteUnknown warns about a variable that looks like a setting and is none. A
// secret's variable may have any name, so it is only a warning.
func (c *Config) noteUnknown(name string) {
	if name == c.Serve.SecretEnv || name == c.Serve.Provider.SecretEnv {
		return
	}
	for _, account := range c.Accounts {
		if name == account.Secret.Env {
			return
		}
		for _, place := range account.Places() {
			if name == place.SecretEnv {
				return
			}
		}
	}
	if slices.Contains(others, name) || strings.HasPrefix(name, "DM3SYNC_TEST_") || strings.HasPrefix(name, "DM3SYNC_REQUIRE_") {
		return
	}
	why := "there is no such setting"
	if match := accountVariable.FindStringSubmatch(name); match != nil {
		why = fmt.Sprintf("there is no such setting, or no account %s (a new one needs DM3SYNC_ACCOUNT_%s_NAME)", match[1], match[1])
	}
	c.Warnings = append(c.Warnings, fmt.Sprintf("environment variable %s is ignored: %s", name, why))
}

// paths are the settings that hold paths.
func (c *Config) paths() []*string {
	list := append([]*string{&c.Data, &c.Socket}, c.Serve.paths()...)
	for i := range c.Accounts {
		a := &c.Accounts[i]
		list = append(list, &a.Spool, &a.Secret.File, &a.Secret.Locked, &a.Node.CAFile)
		for _, p := range a.Places() {
			list = append(list, &p.Path, &p.SecretFile, &p.SecretSealed, &p.CAFile, &p.ClientCertificateFile, &p.ClientKeyFile)
		}
	}
	return list
}

// expand replaces a leading ~, $NAME or ${NAME}, and $$ by $; a relative path counts from
// the configuration file's folder. A variable that isn't set is an error: an
// empty one would silently name another place.
func (c *Config) expand(path string, environment map[string]string) (string, error) {
	if path == "" {
		return "", nil
	}
	var missing string
	expanded := os.Expand(path, func(name string) string {
		value, ok := environment[name]
		if name == "$" {
			return name
		}
		if !ok {
			missing = name
		}
		return value
	})
	if rest, ok := strings.CutPrefix(expanded, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		if environment["HOME"] == "" {
			missing = "HOME"
		}
		expanded = environment["HOME"] + rest
	}
	if missing != "" {
		return "", fmt.Errorf("%w: path %q needs the environment variable %s, which is not set", ErrConfig, path, missing)
	}
	if !filepath.IsAbs(expanded) && c.File != "" {
		expanded = filepath.Join(filepath.Dir(c.File), expanded)
	}
	absolute, err := filepath.Abs(expanded)
	if err != nil {
		return "", fmt.Errorf("%w: path %q: %w", ErrConfig, path, err)
	}
	return absolute, nil
}
