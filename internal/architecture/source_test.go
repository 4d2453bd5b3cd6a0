package architecture

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the path of the module, without which imports are of no concern here.
const module = "github.com/dm3sync/dm3sync"

// repository is the top level, seen from this package's folder, where go test runs.
const repository = "../.."

// source is one parsed Go file.
type source struct {
	path   string // from the top level, with slashes
	lines  int
	syntax *ast.File
	files  *token.FileSet
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }

// at tells where a node stands, for a message.
func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.files.Position(node.Pos()).Line)
}

// parseSource parses one file's text.
func parseSource(name string, text []byte) (source, error) {
	files := token.NewFileSet()
	syntax, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	return source{path: name, lines: bytes.Count(text, []byte("\n")), syntax: syntax, files: files}, nil
}

// repositorySources parses every Go file of the module, whatever system it is for.
func repositorySources(t *testing.T) []source {
	t.Helper()
	var sources []source
	tree := os.DirFS(repository)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(entry.Name())
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		parsed, err := parseSource(name, text)
		sources = append(sources, parsed)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 10 {
		t.Fatalf("only %d Go files found below %s", len(sources), filepath.Join(".", repository))
	}
	return sources
}

// skipFolder leaves out what the go tool leaves out as well.
func skipFolder(name string) error {
	if name != "." && (name[0] == '.' || name[0] == '_' || name == "testdata") {
		return fs.SkipDir
	}
	return nil
}

// report fails the test with every message.
func report(t *testing.T, messages []string) {
	t.Helper()
	for _, message := range messages {
		t.Error(message)
	}
}

// example parses a made-up file, for tests that a rule can fail.
func example(t *testing.T, name, text string) source {
	t.Helper()
	parsed, err := parseSource(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// expectBroken checks that a rule finds as many faults as it should.
func expectBroken(t *testing.T, messages []string, want int) {
	t.Helper()
	if len(messages) != want {
		t.Errorf("%d messages, want %d:\n%s", len(messages), want, strings.Join(messages, "\n"))
	}
}
