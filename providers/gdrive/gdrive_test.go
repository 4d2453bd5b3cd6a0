package gdrive_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

const sharedDrive = "0AsharedDrive"

// start returns a double, whose exchanges are held against the discovery document.
func start(t *testing.T) *drivetest.Server {
	t.Helper()
	server := drivetest.New(sharedDrive)
	t.Cleanup(server.Close)
	server.Observe(against(t))
	return server
}

func options(server *drivetest.Server) *gdrive.Options {
	return &gdrive.Options{Tokens: server, Endpoint: server.URL, Stall: 30 * time.Second, Parallel: 16, Sleep: instantly}
}

// instantly is a clock that doesn't wait: the double's searches lag by requests, not by time.
func instantly(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// open makes the folder and a store in it.
func open(t *testing.T, o *gdrive.Options) *gdrive.Store {
	t.Helper()
	if err := gdrive.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return another(t, o)
}

// another is a store in a folder that is there.
func another(t *testing.T, o *gdrive.Options) *gdrive.Store {
	t.Helper()
	store, err := gdrive.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// modes are the three parts of Drive that a store can use.
var modes = map[string]func(*gdrive.Options){
	"files":   func(*gdrive.Options) {},
	"appdata": func(o *gdrive.Options) { o.Space = gdrive.SpaceAppData },
	"shared":  func(o *gdrive.Options) { o.SharedDrive = sharedDrive },
}

// shortPages has the double turn a page every 40 files, and the suite's long listing go over several of them: cheaper than
// over Drive's own 1,000.
func shortPages(server *drivetest.Server) *providertest.Options {
	server.SetPages(40)
	return &providertest.Options{Sleep: instantly, Long: 150}
}

// TestConformance: the suite in each mode, with 16 writers at once, and in one of them with listings over 1,000 files.
func TestConformance(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			o := options(server)
			change(o)
			suite := &providertest.Options{Sleep: instantly}
			if mode != "files" {
				suite = shortPages(server)
			}
			providertest.RunWith(t, suite, func(t *testing.T) providers.Store { return open(t, o) })
			for _, f := range server.Files() {
				if f.Type != drivetest.FolderType {
					t.Errorf("left over: %+v", f)
				}
			}
		})
	}
}

// TestConformanceLagging: the same where searches show late what has changed.
func TestConformanceLagging(t *testing.T) {
	t.Parallel()
	server := start(t)
	server.SetLag(7)
	o := options(server)
	o.Parallel = 4
	providertest.RunWith(t, shortPages(server), func(t *testing.T) providers.Store { return open(t, o) })
}

// names reads a listing.
func names(t *testing.T, store providers.Store, prefix string) []string {
	t.Helper()
	found, err := list(t.Context(), store, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func list(ctx context.Context, store providers.Store, prefix string) ([]string, error) {
	found := []string{}
	for object, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		found = append(found, object.Name)
	}
	slices.Sort(found)
	return found, nil
}

func put(t *testing.T, store providers.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := store.Put(t.Context(), name, []byte("of "+name)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantBytes(t *testing.T, store providers.Store, name string) {
	t.Helper()
	if data, err := store.Get(t.Context(), name); err != nil || string(data) != "of "+name {
		t.Errorf("%s: %q %v", name, data, err)
	}
}

func wantCounts(t *testing.T, what string, server *drivetest.Server, want map[string]int) {
	t.Helper()
	if got := server.Counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: requests %v, want %v", what, got, want)
	}
}

// fileOf is the file that holds an object, by the double's books.
func filesOf(server *drivetest.Server, name string) []drivetest.File {
	return slices.DeleteFunc(server.Files(), func(f drivetest.File) bool { return f.Properties["name"]+f.Properties["name2"] != name })
}

func folderOf(t *testing.T, server *drivetest.Server) drivetest.File {
	t.Helper()
	for _, f := range server.Files() {
		if f.Type == drivetest.FolderType && f.Properties["folder"] != "" {
			return f
		}
	}
	t.Fatal("no folder")
	return drivetest.File{}
}

// TestRequests counts what each call costs.
func TestRequests(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			server := start(t)
			o := options(server)
			change(o)
			store := open(t, o)
			put(t, store, "heads/1")
			server.Counts()
			put(t, store, "heads/2", "chunk/1", "chunk/2")
			wantCounts(t, "three puts", server, map[string]int{"files.create": 3})
			names(t, store, "heads/")
			wantCounts(t, "an idle pass", server, map[string]int{"files.list": 1})
			wantBytes(t, store, "heads/1")
			wantBytes(t, store, "chunk/2")
			wantCounts(t, "gets", server, map[string]int{"files.get": 2})
			if err := store.Delete(t.Context(), "heads/1", "heads/2"); err != nil {
				t.Fatal(err)
			}
			wantCounts(t, "deletions", server, map[string]int{"files.delete": 2})
			cold := another(t, o)
			names(t, cold, "heads/")
			server.Counts()
			wantBytes(t, cold, "chunk/1")
			wantBytes(t, cold, "chunk/2")
			wantCounts(t, "two states of a container, cold", server, map[string]int{"files.list": 1, "files.get": 2})
		})
	}
}

// TestIDsInBatches: one request for ids serves many puts.
func TestIDsInBatches(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	server.Counts()
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantCounts(t, "a hundred puts", server, map[string]int{"files.create": 100, "files.generateIds": 1, "files.list": 1})
}

// TestForeignFiles: what is no object of dm3sync, even in its folder, is not seen and not touched.
func TestForeignFiles(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	folder := folderOf(t, server).ID
	server.Add("a", folder, "text/plain", true, nil, []byte("note"))
	server.Add("a", folder, "text/plain", false, map[string]string{"name": "a/2"}, []byte("hidden"))
	server.Add("../x", folder, "text/plain", true, map[string]string{"name": "../x"}, nil)
	server.Add("b", folder, drivetest.FolderType, true, nil, nil)
	server.Add("a", drivetest.RootID, "text/plain", true, map[string]string{"name": "a/3"}, nil)
	for _, prefix := range []string{"", "a/"} {
		if got := names(t, store, prefix); fmt.Sprint(got) != "[a/1]" {
			t.Errorf("%q: %v", prefix, got)
		}
	}
	if err := store.Delete(t.Context(), "a/1", "a/2"); err != nil {
		t.Fatal(err)
	}
	if left := len(server.Files()); left != 6 {
		t.Errorf("%d files are left", left)
	}
}

// TestSpacesApart: the hidden space and the folder know nothing of each other, nor do folders of two names.
func TestSpacesApart(t *testing.T) {
	server := start(t)
	for mode, change := range modes {
		o := options(server)
		change(o)
		put(t, open(t, o), "a/"+mode)
	}
	o := options(server)
	o.Folder = "work's"
	put(t, open(t, o), "a/work")
	for mode, change := range modes {
		o := options(server)
		change(o)
		if got := names(t, another(t, o), ""); fmt.Sprint(got) != "[a/"+mode+"]" {
			t.Errorf("%s: %v", mode, got)
		}
	}
	if got := names(t, another(t, o), "a/"); fmt.Sprint(got) != "[a/work]" {
		t.Errorf("another folder: %v", got)
	}
}

func TestSpace(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	var spacer providers.Spacer = store
	if space, err := spacer.Space(t.Context()); err != nil || space != (providers.Space{Used: 6, Total: -1}) {
		t.Errorf("%+v %v", space, err)
	}
	server.SetQuota(15 << 30)
	server.Counts()
	if space, err := providers.SpaceOf(t.Context(), providers.Count(store)); err != nil || space != (providers.Space{Used: 6, Total: 15 << 30}) {
		t.Errorf("%+v %v", space, err)
	}
	wantCounts(t, "space", server, map[string]int{"about.get": 1})
	o := options(server)
	modes["shared"](o)
	if space, err := open(t, o).Space(t.Context()); err != nil || space != (providers.Space{Used: -1, Total: -1}) {
		t.Errorf("a shared drive: %+v %v", space, err)
	}
}

func TestBadOptions(t *testing.T) {
	server := start(t)
	for name, change := range map[string]func(*gdrive.Options){
		"no tokens":              func(o *gdrive.Options) { o.Tokens = nil },
		"space":                  func(o *gdrive.Options) { o.Space = "photos" },
		"shared app data":        func(o *gdrive.Options) { o.Space, o.SharedDrive = gdrive.SpaceAppData, sharedDrive },
		"long folder":            func(o *gdrive.Options) { o.Folder = strings.Repeat("x", 101) },
		"endpoint without":       func(o *gdrive.Options) { o.Endpoint = "host:9000" },
		"endpoint with password": func(o *gdrive.Options) { o.Endpoint = "https://user:hunter2@host" },
		"proxy":                  func(o *gdrive.Options) { o.Proxy = "http://user:hunter2@host:bad" },
		"no authority":           func(o *gdrive.Options) { o.CAFile = "missing.pem" },
		"junk authority":         func(o *gdrive.Options) { o.CAFile = "gdrive_test.go" },
	} {
		o := options(server)
		change(o)
		if _, err := gdrive.New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := gdrive.New(nil); err == nil {
		t.Error("no options")
	}
}
