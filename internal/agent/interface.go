package agent

import (
	"net/http"
	"strings"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/api"
)

// newHandler is everything that the agent answers, without access control. There is one, whichever way requests come: its
// limits, and the keys of appends that it remembers, hold for all together.
func (a *Agent) newHandler() http.Handler {
	mux := http.NewServeMux()
	watching := a.watchHandler()
	for _, path := range watchPaths {
		mux.Handle(path, watching)
	}
	mux.Handle("/v1/", api.NewHandler(a, api.Options{Version: a.options.Version, Now: a.options.Now}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !a.current.Load().Interface.HasPage() {
			http.NotFound(w, r)
			return
		}
		a.page.ServeHTTP(w, r)
	})
	return mux
}

// socketHandler is what the local socket answers: everything, and what only the
// user may ask for.
func (a *Agent) socketHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/access/", api.AccessHandler(&a.loopback))
	mux.Handle("/v1/access/unlock", api.UnlockHandler(a))
	mux.Handle("/", a.handler)
	return mux
}

// openPaths need no credential: they tell nothing but whether the agent works.
var openPaths = []string{"/healthz", "/readyz"}

// maxBody is the largest body of a request over loopback, in bytes; -1 where it
// streams.
func maxBody(method, path string) int64 {
	switch {
	case method != http.MethodPost || !strings.HasPrefix(path, "/v1/"):
	case strings.HasSuffix(path, "/messages"):
		return -1
	case strings.HasSuffix(path, "/internal/object"):
		return 64 << 20
	}
	return access.DefaultMaxBody
}
