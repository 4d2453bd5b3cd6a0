package readable_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/readable"
)

// TestForeignFolder: a folder with anything else in it is left alone.
func TestForeignFolder(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(folder string) error
		want    string
	}{
		"files": {func(folder string) error { return os.WriteFile(filepath.Join(folder, "thesis.txt"), nil, 0o600) }, "holds thesis.txt, which was not written by an export"},
		"another account's": {func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "dm3sync-export.txt"), []byte("dm3sync export 1 html carol.eth\n+index.html\n"), 0o600)
		}, `holds another export`},
		"another format's": {func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "dm3sync-export.txt"), []byte("dm3sync export 1 markdown alice.eth\n"), 0o600)
		}, `holds another export`},
		"a marker that is a folder": {func(folder string) error { return os.Mkdir(filepath.Join(folder, "dm3sync-export.txt"), 0o700) }, "not written by an export"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := c.prepare(folder); err != nil {
				t.Fatal(err)
			}
			_, err := readable.Export(t.Context(), example(t).options(readable.HTML, folder))
			if !errors.Is(err, readable.ErrForeign) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			if _, err := os.Stat(filepath.Join(folder, "index.html")); err == nil {
				t.Error("something was written")
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readable.Export(t.Context(), example(t).options(readable.HTML, file)); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// TestForeignFile: a file that somebody put into the folder of an export is never written over.
func TestForeignFile(t *testing.T) {
	h := newHistory(t)
	o := h.options(readable.HTML, t.TempDir())
	export(t, o)
	h = example(t)
	o = h.options(readable.HTML, o.Folder)
	_, got := export(t, h.options(readable.HTML, t.TempDir()))
	var page string
	for name := range got {
		if strings.Contains(name, "page-") {
			page = name
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(o.Folder, filepath.Dir(page)), 0o700), os.WriteFile(filepath.Join(o.Folder, page), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := readable.Export(t.Context(), o); !errors.Is(err, readable.ErrForeign) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error %v", err)
	}
	if text := files(t, o.Folder)[page]; text != "mine" {
		t.Errorf("the file is now %q", text)
	}
}

// TestExportAgain: the folder holds what the last export asked for, and what is not this program's stays.
func TestExportAgain(t *testing.T) {
	h := example(t)
	h.say("carol.eth", said{from: "carol.eth", kind: "NEW", text: "here", at: 5})
	o := h.options(readable.HTML, t.TempDir())
	_, first := export(t, o)
	carol := ""
	for name := range first {
		if strings.HasPrefix(name, "carol") {
			carol = name
		}
	}
	if err := os.WriteFile(filepath.Join(o.Folder, "own notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Conversations = o.Conversations[:0]
	for _, c := range h.options(readable.HTML, "").Conversations {
		if c.Contact == "bob.eth" {
			o.Conversations = append(o.Conversations, c)
		}
	}
	result, second := export(t, o)
	if result.Removed != 1 || second[carol] != "" || second["own notes.txt"] != "mine" || len(second) != len(first) {
		t.Errorf("%+v: %d files, %d before", result, len(second), len(first))
	}
	if _, err := os.Stat(filepath.Join(o.Folder, filepath.Dir(carol))); err == nil {
		t.Error("an empty folder was left")
	}
	if result, _ = export(t, o); result.Removed != 0 {
		t.Errorf("%+v", result)
	}
}

// TestKilledExport: what a run that was killed left, listed, half written or with a line cut off, is written anew.
func TestKilledExport(t *testing.T) {
	h := example(t)
	o := h.options(readable.HTML, t.TempDir())
	list := "dm3sync export 1 html alice.eth\n+index.html\n+gone.html\n+../outside.html\n+cut-of"
	outside := filepath.Join(filepath.Dir(o.Folder), "outside.html")
	for name, text := range map[string]string{
		filepath.Join(o.Folder, "dm3sync-export.txt"): list, filepath.Join(o.Folder, "index.html.part"): "half", filepath.Join(o.Folder, "gone.html"): "old", outside: "not inside",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	result, got := export(t, o)
	if result.Removed != 1 || got["index.html"] == "" || got["index.html.part"] != "" || got["gone.html"] != "" {
		t.Errorf("%+v %v", result, len(got))
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a listed path led out of the folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Folder, "cut-of")); err == nil {
		t.Error("a line that was cut off counts")
	}
}

// TestLinkOutOfTheFolder: a link that stands where a conversation's folder should be is not followed.
func TestLinkOutOfTheFolder(t *testing.T) {
	h := example(t)
	o := h.options(readable.HTML, t.TempDir())
	_, got := export(t, o)
	victim := t.TempDir()
	for name := range got {
		if folder, _, deep := strings.Cut(name, "/"); deep {
			inside := filepath.Join(o.Folder, folder)
			if err := errors.Join(os.RemoveAll(inside), os.Symlink(victim, inside)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if _, err := readable.Export(t.Context(), o); err == nil {
		t.Error("a link was followed")
	}
	if left, err := os.ReadDir(victim); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}
