package access

import (
	"html/template"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
)

// The paths that the guard answers itself.
const (
	pathEnter = "/enter"           // GET with a code: begins a session
	pathLeave = "/leave"           // POST: ends it
	pathStyle = "/enter/style.css" // of the guard's own pages
)

// EnterPath is the path, with its query, that redeems a code.
func EnterPath(code string) string { return pathEnter + "?code=" + code }

// door lets browsers in and out.
func (g *guard) door(w *writer, r *http.Request, by *credential, cookie bool) string {
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch {
	case r.URL.Path == pathStyle:
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = io.WriteString(w, style) // a browser that left does not want it
		return "open"
	case r.URL.Path == pathLeave && r.Method == http.MethodPost:
		if cookie {
			g.leave(by)
		}
		http.SetCookie(w, newCookie(g.port, ""))
		return g.refuse(w, r, left)
	case r.URL.Path == pathLeave || r.Method != http.MethodGet:
		return g.refuse(w, r, doorMethod)
	}
	// A link that another page follows would come in without its cookie on the
	// next step (SameSite), so the code is not used up.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return g.refuse(w, r, linkForeign)
	}
	value, err := g.redeem(r.URL.Query().Get("code"), by, foreignUser(r))
	if err != nil {
		g.o.Log.Error("a browser could not be let in", "error", err)
		return g.refuse(w, r, failed)
	}
	if value == "" {
		return g.refuse(w, r, linkRefused)
	}
	if cookie {
		g.leave(by) // the new cookie takes the old one's place
	}
	http.SetCookie(w, newCookie(g.port, value))
	w.Header().Set("Location", "/") // so that the code leaves the address line
	w.WriteHeader(http.StatusSeeOther)
	g.o.Log.Info("a browser came in with a link")
	return "entered"
}

// foreignUser tells whether a request is known to come from a program of another
// user: such a one may have read the link in the browser's arguments.
func foreignUser(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if local == nil || err != nil {
		return false
	}
	user, known := peerUser(remote, local.AddrPort())
	return known && user != os.Getuid()
}

const style = `:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}
h1{font-size:1.6rem;border-left:.4rem solid;padding-left:.8rem}
h1.good{border-color:#2a7d3f}
h1.bad{border-color:#b3261e}
footer{opacity:.7;font-size:.9rem}
`

// parsePage is called for each page: there are only a few in the life of a process.
func parsePage() *template.Template {
	return template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - dm3sync</title>
{{if .Style}}<link rel="stylesheet" href="{{.Style}}">{{end}}
</head>
<body>
<main>
<h1 class="{{.Class}}">{{.Title}}</h1>
<p>{{.Text}}</p>
</main>
<footer>dm3sync, on this machine</footer>
</body>
</html>
`))
}

// page answers a browser.
func (refused refusal) page(w http.ResponseWriter, r *http.Request, styled bool) {
	content := struct{ Class, Title, Text, Style string }{Class: "bad", Title: refused.title, Text: refused.detail}
	if refused.status < http.StatusBadRequest {
		content.Class = "good"
	}
	if styled {
		content.Style = pathStyle
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(refused.status)
	if r.Method != http.MethodHead {
		_ = parsePage().Execute(w, content) // a browser that left does not want it
	}
}
