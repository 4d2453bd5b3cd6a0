package login

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

// page is what a browser shows at the end: text alone, no script, nothing from elsewhere, nothing of the answer.
type page struct {
	status int
	Class  string // good or bad
	Title  string
	Text   string
}

var (
	pageForeign = page{http.StatusBadRequest, "bad", "This answer was refused",
		"It does not belong to the login that dm3sync waits for. If you are logging in, use the address that dm3sync shows now."}
	pageTwice   = page{http.StatusConflict, "bad", "The login has its answer already", "Nothing was done with this one. dm3sync says how the login ended."}
	pageNotHere = page{http.StatusNotFound, "bad", "There is nothing here", "dm3sync waits here for the end of a login."}
	pageMethod  = page{http.StatusMethodNotAllowed, "bad", "This request was refused", "dm3sync waits here for the end of a login."}
)

// pageFor is the page for the end of a login. It does not repeat an error, whose place is the program that was started.
func pageFor(p Place, err error) page {
	switch {
	case err == nil:
		return page{http.StatusOK, "good", "You are logged in", fmt.Sprintf("dm3sync may now use %s. You can close this page.", p.Title)}
	case errors.Is(err, errDenied):
		return page{http.StatusForbidden, "bad", "Access was not granted",
			fmt.Sprintf("dm3sync can't use %s. Nothing was changed. To try again, run: %s", p.Title, p.Command)}
	}
	return page{http.StatusBadGateway, "bad", "The login failed",
		fmt.Sprintf("dm3sync says why where it was started. To try again, run: %s", p.Command)}
}

const style = `:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}` +
	`h1{font-size:1.6rem;border-left:.4rem solid;padding-left:.8rem}h1.good{border-color:#2a7d3f}h1.bad{border-color:#b3261e}footer{opacity:.7;font-size:.9rem}`

// parsePage is called for each page: there are only a few in the life of a process.
func parsePage() *template.Template {
	return template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - dm3sync</title>
<style>` + style + `</style>
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

// write sends the page. The browser may run, load and send nothing because of it, and keeps no copy.
func (p page) write(out http.ResponseWriter) {
	text := &strings.Builder{}
	_ = parsePage().Execute(text, p) // writing to memory does not fail
	digest := sha256.Sum256([]byte(style))
	header := out.Header()
	for name, value := range map[string]string{
		"Content-Type":   "text/html; charset=utf-8",
		"Content-Length": strconv.Itoa(text.Len()),
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
		"Cache-Control":              "no-store",
		"Referrer-Policy":            "no-referrer",
		"X-Content-Type-Options":     "nosniff",
		"X-Frame-Options":            "DENY",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		header.Set(name, value)
	}
	out.WriteHeader(p.status)
	_, _ = out.Write([]byte(text.String())) // a browser that left does not want it
}
