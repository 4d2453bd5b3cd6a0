package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// pathUnlock is only on the socket: a passphrase goes through no port that another user could have taken.
const pathUnlock = "/v1/access/unlock"

// maxPassphrase bounds a request with a passphrase, in bytes.
const maxPassphrase = 16 << 10

// Unlocker is a [Backend] that keeps passphrases of locked secrets in memory, until it ends.
type Unlocker interface {
	// Unlock gives the passphrase of an account's secret, and lets the account be opened at once.
	// keyring.ErrLocked: it is a wrong one; ErrNoAccount; ErrRequest: nothing of it is locked.
	Unlock(ctx context.Context, account, passphrase string) error
}

// unlocking is a passphrase as it travels.
type unlocking struct {
	Account    string `json:"account"`
	Passphrase string `json:"passphrase"`
}

// UnlockHandler takes passphrases for u.
func UnlockHandler(u Unlocker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathUnlock, func(w http.ResponseWriter, r *http.Request) {
		var in unlocking
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPassphrase)).Decode(&in); err != nil || in.Passphrase == "" {
			writeError(w, fmt.Errorf("%w: it has no passphrase", ErrRequest)) // the decoder's error could quote one
			return
		}
		answer(w, struct{}{}, u.Unlock(r.Context(), in.Account, in.Passphrase))
	})
	return mux
}

// Unlock gives the agent the passphrase of an account's secret; see [Unlocker].
func (c *Client) Unlock(ctx context.Context, account, passphrase string) error {
	body, err := json.Marshal(unlocking{account, passphrase})
	if err != nil {
		return fmt.Errorf("api: writing request: %w", err)
	}
	return c.do(ctx, http.MethodPost, pathUnlock, nil, bytes.NewReader(body), nothingToRead)
}
