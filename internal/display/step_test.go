package display_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/display"
)

// TestSteps: each step that the engine and the mirrors report has words for people.
func TestSteps(t *testing.T) {
	found := 0
	for _, folder := range []string{"../../sync/engine", "../../sync/mirror"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, step := range steps(t, file) {
				found++
				if display.Step(step) == step {
					t.Errorf("%s: the step %q has no words", file, step)
				}
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d steps were found", found)
	}
	if got := display.Step("reading bob.eth"); got != "reading bob.eth" {
		t.Errorf("a step that says it itself became %q", got)
	}
	if display.Unit("containers") != "parts" || display.Unit("bytes") != "bytes" {
		t.Error("units")
	}
}

// steps are the words that a file gives to calls of progress, each, batches, and to Progress.Step.
func steps(t *testing.T, file string) (list []string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	take := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil {
				list = append(list, text)
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok {
				switch s.Sel.Name {
				case "progress", "each", "batches":
					for _, argument := range n.Args[:min(len(n.Args), 3)] {
						take(argument)
					}
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Step" {
				take(n.Value)
			}
		}
		return true
	})
	return list
}
