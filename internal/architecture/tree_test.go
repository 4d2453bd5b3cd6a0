package architecture

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// visible are the names that a visitor sees at the top level. Documents live in internal/docs, tool settings in dotfiles.
var visible = []string{"go.mod", "go.sum", "cmd", "providers", "sync", "cache", "internal", "configs", "README.md"}

func TestTopLevelStaysTidy(t *testing.T) {
	messages, err := checkTopLevel(os.DirFS(repository))
	if err != nil {
		t.Fatal(err)
	}
	report(t, messages)
}

func TestTopLevelRuleCanFail(t *testing.T) {
	file := &fstest.MapFile{}
	tree := fstest.MapFS{
		"go.mod": file, "cmd/dm3sync/main.go": file, ".gitignore": {Data: []byte("/dm3sync\n*.log\n")}, "dm3sync": file,
		"docs/design.md": file, "Makefile": file, "sync/engine/pass.go": file,
	}
	messages, err := checkTopLevel(tree)
	if err != nil {
		t.Fatal(err)
	}
	expectBroken(t, messages, 2)
	tree["sync/sync.go"] = file
	if messages, err = checkTopLevel(tree); err != nil {
		t.Fatal(err)
	}
	expectBroken(t, messages, 3)
}

// checkTopLevel returns visible names that don't belong there. What git ignores by name at the top may lie about.
func checkTopLevel(tree fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return nil, err
	}
	ignored, err := ignoredNames(tree)
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(visible, name) && !slices.Contains(ignored, name) {
			messages = append(messages, name+" doesn't belong at the top level: only "+strings.Join(visible, ", "))
		}
	}
	stray, err := fs.Glob(tree, path.Join("sync", "*.go"))
	for _, name := range stray {
		messages = append(messages, name+": a package named sync would shadow the standard one")
	}
	return messages, err
}

// ignoredNames reads the lines of .gitignore that name one thing at the top level.
func ignoredNames(tree fs.FS) ([]string, error) {
	file, err := tree.Open(".gitignore")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var names []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if name, ok := strings.CutPrefix(scanner.Text(), "/"); ok {
			names = append(names, strings.TrimSuffix(name, "/"))
		}
	}
	return names, nil
}
