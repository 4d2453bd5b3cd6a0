package gdrive_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// told collects sentences.
type told struct {
	mutex     sync.Mutex
	sentences []string
}

func (w *told) add(sentence string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.sentences = append(w.sentences, sentence)
}

// want wants one sentence that holds the given texts.
func (w *told) want(t *testing.T, parts ...string) {
	t.Helper()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.sentences) != 1 {
		t.Fatalf("told %q", w.sentences)
	}
	for _, part := range parts {
		if !strings.Contains(w.sentences[0], part) {
			t.Errorf("%q lacks %q", w.sentences[0], part)
		}
	}
	w.sentences = nil
}

// TestFolderGone: while the folder is in the trash, or deleted, every call says so: nothing is absent, nothing is listed
// as empty, and nothing is made anew.
func TestFolderGone(t *testing.T) {
	for _, mode := range []string{"files", "shared"} {
		for what, act := range map[string]struct {
			do, undo func(*drivetest.Server, string)
			want     error
		}{
			"trash":  {(*drivetest.Server).Trash, (*drivetest.Server).Restore, gdrive.ErrFolderTrashed},
			"delete": {(*drivetest.Server).Remove, nil, gdrive.ErrNoFolder},
		} {
			for _, warm := range []bool{true, false} {
				t.Run(fmt.Sprint(mode, " ", what, " warm=", warm), func(t *testing.T) {
					server := start(t)
					o := options(server)
					modes[mode](o)
					store := open(t, o)
					put(t, store, "a/1", "a/2")
					if !warm {
						store = another(t, o)
					}
					folder := folderOf(t, server).ID
					act.do(server, folder)
					files := len(server.Files())
					check := func(call string, err error) {
						if !errors.Is(err, act.want) || errors.Is(err, providers.ErrNotFound) || providers.Retriable(err) {
							t.Errorf("%s: %v", call, err)
						}
					}
					_, err := store.Get(t.Context(), "b/1")
					check("get", err)
					_, err = store.GetRange(t.Context(), "b/1", 0, 1)
					check("range", err)
					for _, prefix := range []string{"", "a", "a/", "b/"} {
						_, err = list(t.Context(), store, prefix)
						check("list "+prefix, err)
					}
					check("put", store.Put(t.Context(), "a/3", []byte("x")))
					check("delete", store.Delete(t.Context(), "b/1"))
					if got := len(server.Files()); got != files {
						t.Errorf("%d files, there were %d", got, files)
					}
					if act.undo == nil {
						return
					}
					check("create", gdrive.Create(t.Context(), o))
					act.undo(server, folder)
					if got := names(t, store, ""); fmt.Sprint(got) != "[a/1 a/2]" {
						t.Errorf("restored: %v", got)
					}
					put(t, store, "a/3")
					wantBytes(t, store, "a/1")
				})
			}
		}
	}
}

// TestFolderGoneAtPut: the first that a store learns of it is a put.
func TestFolderGoneAtPut(t *testing.T) {
	for what, act := range map[string]func(*drivetest.Server, string){"trash": (*drivetest.Server).Trash, "delete": (*drivetest.Server).Remove} {
		server := start(t)
		store := open(t, options(server))
		put(t, store, "a/1")
		act(server, folderOf(t, server).ID)
		files := len(server.Files())
		err := store.Put(t.Context(), "a/2", []byte("x"))
		if !errors.Is(err, gdrive.ErrFolderTrashed) && !errors.Is(err, gdrive.ErrNoFolder) {
			t.Errorf("%s: %v", what, err)
		}
		if got := len(server.Files()); got != files {
			t.Errorf("%s: %d files, there were %d", what, got, files)
		}
	}
}

// TestFolderRenamedAndMoved: it is found again, and told once.
func TestFolderRenamedAndMoved(t *testing.T) {
	server := start(t)
	told := &told{}
	o := options(server)
	o.Warn = told.add
	store := open(t, o)
	put(t, store, "a/1")
	folder := folderOf(t, server).ID
	server.Rename(folder, "Old stuff")
	for range 2 {
		names(t, store, "")
	}
	told.want(t, `"dm3sync"`, `"Old stuff"`)
	elsewhere := server.Add("Archive", drivetest.RootID, drivetest.FolderType, false, nil, nil)
	server.Move(folder, elsewhere)
	names(t, store, "")
	told.want(t, "moved")
	put(t, store, "a/2")
	if got := names(t, another(t, o), "a/"); fmt.Sprint(got) != "[a/1 a/2]" {
		t.Errorf("another device: %v", got)
	}
	told.want(t, "Old stuff")
	if err := gdrive.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := folderOf(t, server).ID; got != folder {
		t.Error("a second folder was made")
	}
	server.Trash(elsewhere) // a folder above it
	if _, err := list(t.Context(), store, "a/"); !errors.Is(err, gdrive.ErrFolderTrashed) {
		t.Errorf("the folder above in the trash: %v", err)
	}
}

// TestTwoFolders: none is guessed. A store that is at work notices with the next listing of everything.
func TestTwoFolders(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	first := folderOf(t, server).ID
	second := server.Copy(first)
	for what, store := range map[string]*gdrive.Store{"at work": store, "new": another(t, options(server))} {
		if _, err := list(t.Context(), store, ""); !errors.Is(err, gdrive.ErrTwoFolders) || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), second) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := gdrive.Create(t.Context(), options(server)); !errors.Is(err, gdrive.ErrTwoFolders) {
		t.Errorf("create: %v", err)
	}
	for _, f := range filesOf(server, "a/1") { // what the sentence advises
		server.Move(f.ID, second)
	}
	server.Trash(first)
	if got := names(t, another(t, options(server)), ""); fmt.Sprint(got) != "[a/1]" {
		t.Errorf("joined: %v", got)
	}
}

// TestForeignFolders: marked folders of other owners are none.
func TestForeignFolders(t *testing.T) {
	server := start(t)
	mark := map[string]string{"folder": "dm3sync"}
	server.Add("dm3sync", sharedDrive, drivetest.FolderType, true, mark, nil)
	server.Add("dm3sync", drivetest.RootID, drivetest.FolderType, true, nil, nil)
	if _, err := list(t.Context(), another(t, options(server)), ""); !errors.Is(err, gdrive.ErrNoFolder) {
		t.Errorf("%v", err)
	}
	put(t, open(t, options(server)), "a/1")
}

// TestFilesByHand: what the user does to a file makes it missing, definitely, whether or not its id is known; undone, it
// is there again.
func TestFilesByHand(t *testing.T) {
	for what, act := range map[string]struct {
		do, undo func(*drivetest.Server, drivetest.File)
	}{
		"trash": {func(s *drivetest.Server, f drivetest.File) { s.Trash(f.ID) }, func(s *drivetest.Server, f drivetest.File) { s.Restore(f.ID) }},
		"rename": {func(s *drivetest.Server, f drivetest.File) { s.Rename(f.ID, "notes.bin") },
			func(s *drivetest.Server, f drivetest.File) { s.Rename(f.ID, f.Name) }},
		"move": {func(s *drivetest.Server, f drivetest.File) { s.Move(f.ID, drivetest.RootID) },
			func(s *drivetest.Server, f drivetest.File) { s.Move(f.ID, f.Parent) }},
		"delete": {func(s *drivetest.Server, f drivetest.File) { s.Remove(f.ID) }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			server, told := start(t), &told{}
			o := options(server)
			o.Warn = told.add
			store := open(t, o)
			put(t, store, "a/1", "a/2")
			file := filesOf(server, "a/1")[0]
			act.do(server, file)
			if got := names(t, store, "a/"); fmt.Sprint(got) != "[a/2]" {
				t.Errorf("listed %v", got)
			}
			for name, store := range map[string]*gdrive.Store{"known": store, "unknown": another(t, o)} {
				if _, err := store.Get(t.Context(), "a/1"); !errors.Is(err, providers.ErrNotFound) {
					t.Errorf("%s: %v", name, err)
				}
				wantBytes(t, store, "a/2")
			}
			if got := names(t, store, ""); fmt.Sprint(got) != "[a/2]" {
				t.Errorf("all: %v", got)
			}
			if what == "rename" {
				told.mutex.Lock()
				for _, sentence := range told.sentences {
					if !strings.Contains(sentence, `"notes.bin" of dm3sync at Drive was renamed`) {
						t.Errorf("told %q", sentence)
					}
				}
				if len(told.sentences) == 0 {
					t.Error("nothing told")
				}
				told.mutex.Unlock()
			}
			put(t, store, "a/1") // the engine heals
			wantBytes(t, store, "a/1")
			if act.undo == nil {
				return
			}
			act.undo(server, file)
			if got := names(t, another(t, o), "a/"); fmt.Sprint(got) != "[a/1 a/2]" {
				t.Errorf("twins are listed as %v", got)
			}
			if err := store.Delete(t.Context(), "a/1"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestContentByHand: a file with other content is not what Drive told before; looked up anew it is, and the engine judges.
func TestContentByHand(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	server.Replace(filesOf(server, "a/1")[0].ID, []byte("other bytes"))
	if _, err := store.Get(t.Context(), "a/1"); !errors.Is(err, providers.ErrTransient) {
		t.Errorf("the first look: %v", err)
	}
	if data, err := store.Get(t.Context(), "a/1"); err != nil || string(data) != "other bytes" {
		t.Errorf("the second look: %q %v", data, err)
	}
	put(t, store, "a/1") // whoever has the right bytes puts them again
	wantBytes(t, store, "a/1")
	wantBytes(t, another(t, options(server)), "a/1")
	if got := filesOf(server, "a/1"); len(got) != 1 {
		t.Errorf("the wrong file is still there: %v", got)
	}
}

// TestTwins: several files of one name are one object, and go together.
func TestTwins(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	twin := server.Copy(filesOf(server, "a/1")[0].ID)
	for _, prefix := range []string{"a/", ""} {
		if got := names(t, store, prefix); fmt.Sprint(got) != "[a/1]" {
			t.Errorf("listed %v", got)
		}
	}
	server.Remove(filesOf(server, "a/1")[0].ID)
	wantBytes(t, store, "a/1")
	server.Copy(twin)
	made := open(t, options(server))
	for _, store := range []*gdrive.Store{made, store} {
		if err := store.Delete(t.Context(), "a/1"); err != nil {
			t.Fatal(err)
		}
		if left := filesOf(server, "a/1"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	// A file that was made here may have a twin that an earlier process made.
	put(t, store, "a/2")
	server.Copy(filesOf(server, "a/2")[0].ID)
	if err := store.Delete(t.Context(), "a/2"); err != nil || len(filesOf(server, "a/2")) > 0 {
		t.Errorf("%v: left %v", err, filesOf(server, "a/2"))
	}
}

// TestOwnFilesAreNotDoubted: a listing that does not show yet what was just put is no reason to call it absent.
func TestOwnFilesAreNotDoubted(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	put(t, store, "a/1")
	server.SetLag(1000)
	put(t, store, "a/2")
	if got := names(t, store, "a/"); len(got) > 0 {
		t.Fatalf("no lag: %v", got)
	}
	for _, name := range []string{"a/1", "a/2"} {
		wantBytes(t, store, name)
	}
	if err := store.Delete(t.Context(), "a/1", "a/2"); err != nil {
		t.Fatal(err)
	}
	server.SetLag(0)
	if got := names(t, store, ""); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// TestAbsenceIsLookedForTwice: another device's object that a search does not show at once is found.
func TestAbsenceIsLookedForTwice(t *testing.T) {
	server := start(t)
	store := open(t, options(server))
	other := another(t, options(server))
	names(t, other, "a/")
	server.SetLag(2)
	put(t, store, "a/1")
	wantBytes(t, other, "a/1")
}
