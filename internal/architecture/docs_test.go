package architecture

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// documents is where the pages lie.
const documents = "internal/docs"

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*\b`)
	testLine = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	pageLink = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	notInTag = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestDocumentationNames fails when a page names a test that is gone.
func TestDocumentationNames(t *testing.T) {
	known := make(map[string]bool)
	walkText(t, ".", "_test.go", func(_, text string) {
		for _, match := range testLine.FindAllStringSubmatch(text, -1) {
			known[match[1]] = true
		}
	})
	named := 0
	walkText(t, documents, ".md", func(name, text string) {
		for _, test := range testName.FindAllString(text, -1) {
			if named++; !known[test] {
				t.Errorf("%s names %s, which is no test", name, test)
			}
		}
	})
	if named < 50 {
		t.Errorf("only %d tests are named: the pages are not where they were", named)
	}
}

// TestDocumentationLinks fails on a link to a page or a heading that is gone.
func TestDocumentationLinks(t *testing.T) {
	tags := make(map[string]bool)
	pages := make(map[string]string)
	walkText(t, documents, ".md", func(name, text string) {
		pages[name] = fence.ReplaceAllString(text, "")
		for _, match := range heading.FindAllStringSubmatch(pages[name], -1) {
			tags[name+"#"+tagOf(match[1])] = true
		}
	})
	for name, text := range pages {
		for _, match := range pageLink.FindAllStringSubmatch(text, -1) {
			target := name
			if match[1] != "" {
				target = path.Join(path.Dir(name), match[1])
			}
			if _, err := os.Stat(path.Join(repository, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, match[1], err)
			}
			if match[2] != "" && !tags[target+"#"+match[2]] {
				t.Errorf("%s links to %s#%s, which is no heading", name, target, match[2])
			}
		}
	}
}

// tagOf is what a heading is linked by.
func tagOf(title string) string {
	return strings.ReplaceAll(notInTag.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

// walkText visits the texts below a folder whose names have an ending.
func walkText(t *testing.T, folder, ending string, visit func(name, text string)) {
	t.Helper()
	tree := os.DirFS(repository)
	err := fs.WalkDir(tree, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ending) {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		visit(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
