package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// MaxMirrors bounds the mirrors of one account.
const MaxMirrors = 8

// DefaultMirrorInterval is how often a mirror is looked at.
const DefaultMirrorInterval = Duration(3_600_000_000_000)

// Mirror is one [[account.mirror]] table: a further place that is kept like the
// account's own. Its settings are those of [account.provider], and these.
type Mirror struct {
	// Name is the user's word for it: lowercase letters, digits, - and _.
	Name string `toml:"name"`
	// Interval is how often the mirror is listed and compared; default 1h. What is
	// new is copied at once in any case.
	Interval Duration `toml:"interval"`
	// Shared says that other devices still have this place as their own, as after
	// `dm3sync move`: what they write there is taken over. It is looked at as often
	// as the account's own place then.
	Shared bool `toml:"shared"`
	Provider
}

// At is the account with the mirror in the place of its provider, for those who open
// places.
func (a *Account) At(m *Mirror) Account {
	there := *a
	there.Provider, there.Mirrors, there.AtMirror = m.Provider, nil, m.Name
	return there
}

// Mirror returns the mirror of a name; nil where there is none.
func (a *Account) Mirror(name string) *Mirror {
	for i := range a.Mirrors {
		if a.Mirrors[i].Name == name {
			return &a.Mirrors[i]
		}
	}
	return nil
}

// Identity tells places apart: two providers with the same one are the same place, as
// far as can be told without asking. It carries no secret.
func (p *Provider) Identity() string {
	return strings.Join([]string{p.Kind, strings.TrimRight(p.Place(), "/"), p.ClientID, p.SharedDrive, p.Space}, "\n")
}

// LoginFolder is where the token of an account's place is kept: that of a mirror in a
// folder of its own, so that it stays where it is when the mirror becomes the account's
// own place. Of the account's own place, exists tells whether it has such a folder.
func (c *Config) LoginFolder(account *Account, exists func(folder string) bool) string {
	sum := sha256.Sum256([]byte(account.Provider.Identity()))
	own := filepath.Join(c.Folder(account), "logins", hex.EncodeToString(sum[:8]))
	if account.AtMirror != "" || exists(own) {
		return own
	}
	return c.Folder(account)
}

func (m *Mirror) complete(a *Account) {
	interval := DefaultMirrorInterval
	if m.Shared {
		interval = a.Schedule.Interval
	}
	setDefault(&m.Interval, interval)
	m.Provider.complete()
}

// checkMirrors says what is wrong with an account's mirrors, in sentences.
func (a *Account) checkMirrors() (sentences []string) {
	sentences = append(sentences, unless(len(a.Mirrors) <= MaxMirrors, fmt.Sprintf("there are more than %d mirrors", MaxMirrors)))
	names, places := map[string]bool{}, map[string]string{a.Provider.Identity(): "[account.provider]"}
	for i := range a.Mirrors {
		m := &a.Mirrors[i]
		title := "mirror " + m.Name
		sentences = append(sentences,
			unless(m.Name != "", "a [[account.mirror]] has no name"),
			unless(strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "", fmt.Sprintf("the name %q of a mirror has other characters than lowercase letters, digits, - and _", m.Name)),
			unless(!names[m.Name], fmt.Sprintf("two mirrors have the name %s", m.Name)),
			unless(m.Interval > 0, title+": interval must be positive"),
			unless(places[m.Identity()] == "", fmt.Sprintf("%s is the same place as %s", title, places[m.Identity()])))
		names[m.Name], places[m.Identity()] = true, title
		for _, sentence := range m.check() {
			if sentence != "" {
				sentences = append(sentences, title+": "+strings.ReplaceAll(sentence, "[account.provider]", "[[account.mirror]]"))
			}
		}
	}
	return sentences
}

// addMirrors makes room for mirrors that only the environment names, and maps the
// variables of all, DM3SYNC_ACCOUNT_1_MIRROR_2_… counting from 1, to their settings.
func (a *Account) addMirrors(settings map[string]any, prefix string, environment map[string]string) {
	for len(a.Mirrors) < MaxMirrors && environment[fmt.Sprintf("%s_MIRROR_%d_NAME", prefix, len(a.Mirrors)+1)] != "" {
		a.Mirrors = append(a.Mirrors, Mirror{})
	}
	for i := range a.Mirrors {
		collect(settings, prefix+"_MIRROR_"+strconv.Itoa(i+1), reflect.ValueOf(&a.Mirrors[i]).Elem())
	}
}

// Places are the account's own place and then its mirrors, in the order of the file: pointers into the account.
func (a *Account) Places() []*Provider {
	all := []*Provider{&a.Provider}
	for i := range a.Mirrors {
		all = append(all, &a.Mirrors[i].Provider)
	}
	return all
}
