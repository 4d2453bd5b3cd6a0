package login

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// Google's addresses and scopes.
const (
	googleAuth    = "https://accounts.google.com/o/oauth2/v2/auth"
	googleToken   = "https://oauth2.googleapis.com/token"
	googleRevoke  = "https://oauth2.googleapis.com/revoke"
	scopeFiles    = "https://www.googleapis.com/auth/drive.file"    // only what the client itself made
	scopeAppData  = "https://www.googleapis.com/auth/drive.appdata" // only the client's hidden folder
	commandLogin  = "dm3sync login " + config.KindDrive
	titleOfGoogle = "Google Drive"
)

// AccountOptions are what the login of a configured account needs from outside. The zero value is fine.
type AccountOptions struct {
	// Keyring says how secrets are read.
	Keyring *keyring.Options
	// Unlock returns the account's storage key; nil reads it as the configuration says.
	Unlock func() ([32]byte, error)
	// Vault is the system's keyring; nil is keyring.System.
	Vault keyring.Vault
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Log gets what happens in the background; nil discards.
	Log *slog.Logger
}

// ForAccount prepares the login of an account's place. The client's secret is read now, the storage key when a token is
// sealed or unsealed. Errors: config.ErrConfig for a place that takes no login, those of package keyring, and a
// certificate file that is none. The caller closes the login.
func ForAccount(c *config.Config, account *config.Account, o AccountOptions) (*Login, error) {
	p := &account.Provider
	if p.Kind != config.KindDrive {
		return nil, fmt.Errorf("login: %w: account %s keeps its history in kind = %q, which needs no login", config.ErrConfig, account.Name, p.Kind)
	}
	if o.Unlock == nil {
		s := account.Secret
		o.Unlock = func() ([32]byte, error) {
			return keyring.StorageKey(s.Source(), keyring.Form(s.Form), s.Nonce, o.Keyring)
		}
	}
	clientSecret, err := readClientSecret(p, o)
	if err != nil {
		return nil, err
	}
	client, err := newClient(p)
	if err != nil {
		return nil, err
	}
	if o.Vault == nil {
		o.Vault = keyring.System(o.Keyring)
	}
	return Open(Options{
		Place: googleDrive(c, account, clientSecret), Folder: c.LoginFolder(account, isFolder), Unlock: o.Unlock, Vault: o.Vault,
		HTTP: client, Now: o.Now, Log: o.Log,
	})
}

// readClientSecret reads the secret of the OAuth client; "" where there is none.
func readClientSecret(p *config.Provider, o AccountOptions) (string, error) {
	source := p.Source()
	if source.IsZero() {
		return "", nil
	}
	options := keyring.Options{}
	if o.Keyring != nil {
		options = *o.Keyring
	}
	options.Unlock = o.Unlock
	secret, err := keyring.Read(source, &options)
	if err != nil {
		return "", fmt.Errorf("login: reading the client's secret: %w", err)
	}
	return secret, nil
}

func googleDrive(c *config.Config, account *config.Account, clientSecret string) Place {
	p := &account.Provider
	place := Place{
		Title: titleOfGoogle, ClientID: p.ClientID, ClientSecret: clientSecret, Command: commandLogin,
		AuthURL: or(p.AuthURL, googleAuth), TokenURL: or(p.TokenURL, googleToken), RevokeURL: or(p.RevokeURL, googleRevoke),
		Scopes: []string{scopeFiles},
		// Without the first there is no refresh token, without the second only at the first login of all.
		Parameters: map[string]string{"access_type": "offline", "prompt": "consent"},
	}
	if p.Space == config.SpaceAppData {
		place.Scopes = []string{scopeAppData}
	}
	if len(c.Accounts) > 1 {
		place.Command += " --account " + account.Name
	}
	if account.AtMirror != "" {
		place.Command += " --mirror " + account.AtMirror
	}
	return place
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// newClient is for few and small requests, through the proxy and with the certificates that the configuration names.
func newClient(p *config.Provider) (*http.Client, error) {
	carrier, err := transport.New(&transport.Options{CAFile: p.CAFile, Proxy: p.Proxy})
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	carrier.DisableKeepAlives = true // there is a request an hour
	return &http.Client{Transport: carrier, Timeout: requestLimit}, nil
}
