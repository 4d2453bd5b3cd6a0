package architecture

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// mostReadme is how many lines README.md may have: what needs more room has a page of its own.
const mostReadme = 300

// inTree are the folders that a line of the tree names.
var inTree = regexp.MustCompile(`^((?:  )*)((?:[a-z0-9]+/ ?)+)`)

// TestReadmeTree: the tree in README.md names the packages that there are, and no others; and the links of README.md lead
// somewhere.
func TestReadmeTree(t *testing.T) {
	data, err := os.ReadFile(path.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if lines := strings.Count(text, "\n"); lines > mostReadme {
		t.Errorf("README.md has %d lines", lines)
	}
	_, tree, _ := strings.Cut(text, "## The tree\n\n```\n")
	tree, _, _ = strings.Cut(tree, "```")
	named, above := make(map[string]bool), ""
	for line := range strings.Lines(tree) {
		match := inTree.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		for folder := range strings.FieldsSeq(match[2]) {
			folder = strings.TrimSuffix(folder, "/")
			if match[1] == "" {
				above = folder
			} else {
				folder = path.Join(above, folder)
			}
			named[folder] = true
			if _, err := os.Stat(path.Join(repository, folder)); err != nil {
				t.Errorf("the tree names %s: %v", folder, err)
			}
		}
	}
	for _, above := range []string{"internal", "sync", "providers"} {
		entries, err := os.ReadDir(path.Join(repository, above))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			name := path.Join(above, entry.Name())
			if entry.IsDir() && !named[name] && !strings.Contains(tree, " "+entry.Name()+"/") && !strings.Contains(tree, "("+entry.Name()+"/") {
				t.Errorf("the tree does not name %s", name)
			}
		}
	}
	links := 0
	for _, match := range pageLink.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if match[1] == "" || strings.HasPrefix(match[1], "https") {
			continue
		}
		links++
		if _, err := os.Stat(path.Join(repository, match[1])); err != nil {
			t.Errorf("README.md links to %s: %v", match[1], err)
		}
	}
	if links < 10 || len(named) < 40 {
		t.Errorf("only %d links and %d folders were found", links, len(named))
	}
}
