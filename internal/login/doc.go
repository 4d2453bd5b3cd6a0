// Package login gets, keeps and refreshes the OAuth 2 token of one account's place.
//
// Getting: the authorization-code flow with PKCE (RFC 7636, S256) and a loopback redirect (RFC 8252), either with a
// browser on this machine ([Login.Browser]) or with one elsewhere, whose last address is pasted ([Login.Paste]).
// Keeping: in the system's keyring, else sealed in a file of the account's folder; which one it is stands in that file.
// Refreshing: [Login] is an oauth2.TokenSource. Processes of one account agree by a lock, so that a refresh token that
// the server replaces is used once; the replacement is durable before anything is done with what came along with it.
//
// No error, log line or page of this package holds a token, a code, a verifier or a client's secret.
//
// Import order: above providers (for the errors), internal/keyring, internal/seal and internal/config; below
// internal/agent, which hands the login to a provider as a plain source of tokens.
package login
