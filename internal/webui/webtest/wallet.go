package webtest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/dm3sync/dm3sync/internal/identity"
)

// walletPath is where the stub of a wallet lets the test sign.
const walletPath = "/wallet-of-the-test"

// Wallet is the stub of a browser's wallet: what it does stands in window.testWallet.mode of the page ("sign", "reject",
// "busy", or "other": another account signs than the one that was asked), and which accounts it shows in
// window.testWallet.accounts. It keeps what it signed.
type Wallet struct {
	Key, Other identity.WalletKey

	mu     sync.Mutex
	signed []string
}

// Signed are the texts that were signed so far, in the order of the requests.
func (w *Wallet) Signed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.signed)
}

// Around answers the stub's requests, and hands all others on.
func (w *Wallet) Around(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("POST "+walletPath, func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var asked struct{ Text, Mode string }
		_ = json.Unmarshal(body, &asked)
		text, err := hex.DecodeString(strings.TrimPrefix(asked.Text, "0x"))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		key := w.Key
		if asked.Mode == "other" {
			key = w.Other
		}
		w.mu.Lock()
		w.signed = append(w.signed, string(text))
		w.mu.Unlock()
		_, _ = io.WriteString(out, key.Sign(string(text)))
	})
	return mux
}

// Install puts the stub into every page from now on, as a wallet of today does (EIP-6963), under a name that it chose.
func (b *Browser) Install(w *Wallet, name string) {
	b.t.Helper()
	settings, err := json.Marshal(map[string]any{"name": name, "accounts": []string{strings.ToLower(w.Key.Address())}, "path": walletPath})
	if err != nil {
		b.t.Fatal(err)
	}
	script := fmt.Sprintf(`(() => {
		const settings = %s;
		window.testWallet = {mode: sessionStorage.getItem("wallet") ?? "sign", accounts: settings.accounts};
		const provider = {request: async ({method, params}) => {
			const {mode, accounts} = window.testWallet;
			if (mode === "reject") throw {code: 4001, message: "User rejected the request."};
			if (mode === "busy") throw {code: -32002, message: "Request already pending."};
			if (method === "eth_requestAccounts") return accounts;
			if (method !== "personal_sign" || params[1].toLowerCase() !== accounts.at(-1).toLowerCase()) throw {code: 4200, message: "not so: " + method};
			const answer = await fetch(settings.path, {method: "POST", body: JSON.stringify({text: params[0], mode})});
			return answer.text();
		}};
		const detail = Object.freeze({info: {uuid: "350670db-19fa-4704-a166-e52e178b59d2", name: settings.name, rdns: "test.wallet",
			icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"}, provider});
		window.addEventListener("eip6963:requestProvider", () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", {detail})));
	})()`, settings)
	if _, err := chromedp.Call(b.ctx, devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		b.t.Fatal(err)
	}
}

// HTML is the page as it stands in the browser now, with what scripts made of it and what its fields hold.
func (b *Browser) HTML() string {
	b.t.Helper()
	return Evaluate[string](b, `document.documentElement.outerHTML + [...document.querySelectorAll("input, textarea")].map(e => "\n" + e.value).join("")`)
}

// Fill puts text into a field in the place of what it holds.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	Evaluate[string](b, fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.value = ""; e.focus(); return ""; })()`, quote(selector)))
	if text != "" {
		b.Type(selector, text)
	}
}
