package webtest

import (
	"net/http"
	"strings"
	"testing"
)

// TestRigSees: what the rig looks for in pages, it sees where it is there.
func TestRigSees(t *testing.T) {
	const bad = `<!DOCTYPE html><html><head><title>x</title></head><body><script>window.hacked=1</script><img src="http://127.0.0.1:1/x.png"><a href="javascript:void 0">a</a>` +
		`<input><div style="width:3000px">wide</div><script src="/own.js"></script></body></html>`
	b := Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad":
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Security-Policy", "script-src 'self'")
			_, _ = w.Write([]byte(bad))
		case "/own.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(`console.warn("warned"); throw new Error("thrown")`))
		case "/good":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<!DOCTYPE html><html lang="en"><head><title>x</title><link rel="icon" href="data:,"></head><body><main><h1>x</h1></main></body></html>`))
		default:
			http.NotFound(w, r)
		}
	}))
	b.Visit("/good")
	if faults, wide, violations := b.Faults(), b.wide(), b.violations(); len(faults)+len(wide)+len(violations) > 0 || Evaluate[bool](b, Markup) {
		t.Errorf("a good page has faults: %q %q %v", faults, wide, violations)
	}
	b.Visit("/bad")
	if len(b.wide()) == 0 {
		t.Error("what sticks out is not seen")
	}
	if !Evaluate[bool](b, Markup) {
		t.Error("markup is not seen")
	}
	serious := false
	for _, v := range b.violations() {
		serious = serious || v.serious()
	}
	if !serious {
		t.Error("axe finds nothing")
	}
	said := strings.Join(b.Faults(), "\n")
	for _, want := range []string{"Content Security Policy", "asked elsewhere: http://127.0.0.1:1/x.png", "console: warning warned", "thrown", "failed net::ERR"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not seen in:\n%s", want, said)
		}
	}
}
