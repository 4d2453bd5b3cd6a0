package api

import (
	"context"
	"net/http"

	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// Mirrored is what an [Account] with mirrors can do besides.
type Mirrored interface {
	// Mirror works on the mirrors that w names, until each is complete or nothing
	// helps; progress may be nil. Reports come along with an error, too.
	Mirror(ctx context.Context, w MirrorWork, progress func(engine.Progress)) ([]MirrorReport, error)
}

// Reloader is a [Backend] that can read its configuration again.
type Reloader interface {
	// Reload opens anew what has changed, and waits until that began. What it can't
	// change is ErrRequest, with what to do.
	Reload(ctx context.Context) error
}

// MirrorWork says what to do with mirrors besides making them complete.
type MirrorWork struct {
	Name    string `json:"name,omitempty"`    // one mirror; empty: all
	Whole   bool   `json:"whole,omitempty"`   // list the account's own place, too
	Verify  bool   `json:"verify,omitempty"`  // then compare byte by byte
	Restart bool   `json:"restart,omitempty"` // what an earlier comparison has read as well
	Erase   bool   `json:"erase,omitempty"`   // do nothing else than remove the account's objects there
}

// MirrorReport is what came of one mirror.
type MirrorReport struct {
	Name string `json:"name"`
	mirror.Report
	Erased   int                  `json:"erased,omitempty"`
	Verified *mirror.Verification `json:"verified,omitempty"`
	Error    string               `json:"error,omitempty"`
}

// Add adds what one more pass did; what waits is that pass's word.
func (r *MirrorReport) Add(more mirror.Report) {
	r.Copied += more.Copied
	r.Bytes += more.Bytes
	r.Restored += more.Restored
	r.Heads += more.Heads
	r.Removed += more.Removed
	r.Mended += more.Mended
	r.Waiting = more.Waiting
}

// Mirror works on an account's mirrors; see [Mirrored].
func (c *Client) Mirror(ctx context.Context, account string, w MirrorWork, progress func(engine.Progress)) (reports []MirrorReport, err error) {
	return reports, c.work(ctx, pathOf(pathMirror, account), w, progress, &reports)
}

// Reload lets the agent read its configuration again; see [Reloader].
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/reload", nil, nil, nothingToRead)
}

func (r remote) Mirror(ctx context.Context, w MirrorWork, progress func(engine.Progress)) ([]MirrorReport, error) {
	return r.client.Mirror(ctx, r.name, w, progress)
}
