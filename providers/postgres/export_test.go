package postgres

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// Statements is how many statements a pool has sent.
func Statements(p *Pool) int64 { return p.statements.Load() }

// Version is the tables' version that this program makes.
var Version = len(migrations)

// Open returns the first host elsewhere that the options reach without asking who it is.
func Open(o *Options) (host string, err error) {
	config, err := configure(o)
	if err != nil {
		return "", err
	}
	return open(&config.ConnConfig.Config), nil
}

// Describe tells how the options would have a pool connect.
func Describe(o *Options) (string, error) {
	config, err := configure(o)
	if err != nil {
		return "", err
	}
	c := config.ConnConfig
	if c.Password != o.Secret || c.SSLNegotiation != "postgres" || c.ValidateConnect != nil || c.RequireAuth != "" || c.ChannelBinding != "prefer" {
		return "", fmt.Errorf("something of the environment is left: %q, %q, %q", c.SSLNegotiation, c.RequireAuth, c.ChannelBinding)
	}
	checks := []string{check(c.TLSConfig)}
	for _, fallback := range c.Fallbacks {
		checks = append(checks, check(fallback.TLSConfig))
	}
	settings := []string{}
	for name, value := range c.RuntimeParams {
		if name != "application_name" || value != "dm3sync" {
			settings = append(settings, name+"="+value)
		}
	}
	slices.Sort(settings)
	return fmt.Sprintf("%s:%d %s %s %s, %s", c.Host, c.Port, c.Database, c.User, strings.Join(checks, " or "),
		cmp.Or(strings.Join(settings, " "), "nothing else")), nil
}

func check(config *tls.Config) string {
	switch {
	case config == nil:
		return "plain"
	case config.VerifyConnection != nil:
		return "chain"
	case config.InsecureSkipVerify:
		return "unchecked"
	}
	return "named"
}
