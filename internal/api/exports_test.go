package api_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/agent/agenttest"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// downloaded is an answer that was read to its end.
type downloaded struct {
	StatusCode      int
	Header, Trailer http.Header
}

// download asks a real server, which has trailers.
func download(t *testing.T, server *httptest.Server, path string) (downloaded, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return downloaded{response.StatusCode, response.Header, response.Trailer}, body
}

func exporting(t *testing.T) *httptest.Server {
	t.Helper()
	b := agenttest.Open(t)
	account, err := b.Account("")
	if err != nil {
		t.Fatal(err)
	}
	handler := api.NewHandler(b, api.Options{})
	post(t, handler, "", strings.NewReader(agenttest.Message("bob.eth", "hello <script>", 1000)+agenttest.Message("bob.eth", "again", 2000)))
	for _, contact := range []string{"carol.eth", "hidden.eth"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/accounts/-/messages", strings.NewReader(agenttest.Message(contact, "for "+contact, 3000)))
		request.Header.Set("Content-Type", "application/x-ndjson")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	if err := account.Hide(t.Context(), "hidden.eth", true); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// TestExportSealed: what is downloaded is a whole archive of the account's objects, with nothing readable in it.
func TestExportSealed(t *testing.T) {
	server := exporting(t)
	response, body := download(t, server, "/v1/accounts/alice.eth/exports/sealed")
	if response.StatusCode != http.StatusOK || bytes.Contains(body, []byte("hello")) || !strings.HasPrefix(response.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := archive.Open(path, &archive.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	objects := 0
	for _, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		objects++
	}
	if objects == 0 || response.Trailer.Get("Dm3sync-Objects") != fmt.Sprint(objects) || response.Trailer.Get("Dm3sync-Missing") != "0" {
		t.Errorf("%d objects, trailer %v", objects, response.Trailer)
	}
}

// TestExportReadable: each format holds what was asked for and nothing else.
func TestExportReadable(t *testing.T) {
	server := exporting(t)
	for query, want := range map[string][2]string{
		"?format=jsonl":                                    {"hello <script>|again|for carol", "for hidden"},
		"?format=html":                                     {"hello &lt;script&gt;|again|for carol", "for hidden"},
		"?format=markdown&hidden=true":                     {"again|for carol|for hidden", "\x00"},
		"?format=jsonl&contact=Bob.eth":                    {"hello", "for carol"},
		"?contact=bob.eth&contact=hidden.eth&format=jsonl": {"hello|for hidden", "for carol"},
		"?format=jsonl&from=2000&to=3000":                  {"again", "hello"},
	} {
		response, body := download(t, server, "/v1/accounts/-/exports/readable"+query)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", query, response.StatusCode, body)
			continue
		}
		file, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, entry := range file.File {
			r, err := entry.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&all, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
		for _, text := range strings.Split(want[0], "|") {
			if !strings.Contains(all.String(), text) {
				t.Errorf("%s lacks %q", query, text)
			}
		}
		if strings.Contains(all.String(), want[1]) {
			t.Errorf("%s has %q", query, want[1])
		}
	}
	if response, body := download(t, server, "/v1/accounts/-/exports/readable?contact=stranger.eth"); response.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// TestExportBreaksOff: an export that can't be ended is no file, and the connection says so.
func TestExportBreaksOff(t *testing.T) {
	server := httptest.NewServer(api.NewHandler(brokenBackend{agenttest.Open(t)}, api.Options{}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/accounts/-/exports/sealed", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		return // cut before anything was sent
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("%d bytes, as if they were the whole", len(body))
	}
}

// TestExportIsAJob: an export stands in the feed while it settles, before a byte is sent; a client that goes ends it.
func TestExportIsAJob(t *testing.T) {
	b := agenttest.Open(t)
	settling := make(chan struct{})
	server := httptest.NewServer(api.NewHandler(settlingBackend{b, settling}, api.Options{}))
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/accounts/-/exports/sealed", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if response, err := server.Client().Do(request); err == nil {
			response.Body.Close()
			t.Errorf("it was answered before it settled: %s", response.Status)
		}
	}()
	<-settling
	if jobs := b.Activity().Jobs(); len(jobs) != 1 || jobs[0].Kind != activity.JobExport || jobs[0].Account != "alice.eth" || jobs[0].Done != 3 || jobs[0].Total != 7 || !jobs[0].Ended.IsZero() {
		t.Errorf("while it settles: %+v", jobs)
	}
	leave()
	<-left
	server.Close() // waits for what it works on
	if jobs := b.Activity().Jobs(); len(jobs) != 1 || jobs[0].Ended.IsZero() || !strings.Contains(jobs[0].Error, "left") {
		t.Errorf("after the client went: %+v", jobs)
	}
	server = httptest.NewServer(api.NewHandler(b, api.Options{}))
	t.Cleanup(server.Close)
	if response, _ := download(t, server, "/v1/accounts/-/exports/sealed"); response.StatusCode != http.StatusOK {
		t.Error(response.StatusCode)
	}
	if jobs := b.Activity().Jobs(); len(jobs) != 2 || jobs[1].Ended.IsZero() || jobs[1].Error != "" {
		t.Errorf("after a whole export: %+v", jobs)
	}
}

// settlingBackend has an account that settles until nobody wants that any more.
type settlingBackend struct {
	*agenttest.Backend
	settling chan struct{}
}

func (b settlingBackend) Account(name string) (api.Account, error) {
	account, err := b.Backend.Account(name)
	if err != nil {
		return nil, err
	}
	objects, _ := account.(api.Objects)
	return settlingAccount{account, objects, b.settling}, nil
}

type settlingAccount struct {
	api.Account
	api.Objects
	settling chan struct{}
}

// Sync reports its progress, and ends with an error that an unreachable place has, too.
func (a settlingAccount) Sync(ctx context.Context, _ engine.Work, progress func(engine.Progress)) (engine.Report, error) {
	progress(engine.Progress{Step: "push", Done: 3, Total: 7, Unit: "messages"})
	close(a.settling)
	<-ctx.Done()
	return engine.Report{}, fmt.Errorf("a request ended: %w", providers.ErrTransient)
}

// brokenBackend has an account whose objects can't be listed.
type brokenBackend struct{ *agenttest.Backend }

func (b brokenBackend) Account(name string) (api.Account, error) {
	account, err := b.Backend.Account(name)
	if err != nil {
		return nil, err
	}
	objects, _ := account.(api.Objects)
	return brokenAccount{account, objects}, nil
}

type brokenAccount struct {
	api.Account
	api.Objects
}

func (brokenAccount) Inventory(context.Context) (engine.Inventory, error) {
	return engine.Inventory{}, errors.New("a fault of this device")
}
