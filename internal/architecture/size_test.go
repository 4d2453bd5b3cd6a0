package architecture

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

// The ceilings; what to aim for is 150 lines a file and 12 a function.
const (
	fileCeiling     = 400
	functionCeiling = 60
)

// allowed lists what may be longer: a file's path, or path and function joined by a space, with the reason.
var allowed = map[string]string{}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	messages, used := checkSizes(repositorySources(t), allowed)
	report(t, messages)
	for name, reason := range allowed {
		if !used[name] || reason == "" {
			t.Errorf("%s needs no exception, or has no reason", name)
		}
	}
}

func TestSizeRuleCanFail(t *testing.T) {
	body := strings.Repeat("\n", functionCeiling-2)
	cases := map[string]struct {
		name, text string
		faults     int
	}{
		"a short function":      {"cache/x.go", "package x\nfunc f() {" + body + "\n}\n", 0},
		"a long function":       {"cache/x.go", "package x\nfunc f() {" + body + "\n\n}\n", 1},
		"an allowed function":   {"cache/y.go", "package x\nfunc (y *T[int]) f() {" + body + "\n\n}\n", 0},
		"a long file":           {"cache/x.go", "package x\n" + strings.Repeat("\n", fileCeiling), 1},
		"a file at the ceiling": {"cache/x.go", "package x\n" + strings.Repeat("\n", fileCeiling-1), 0},
		"an allowed file":       {"cache/z.go", "package x\n" + strings.Repeat("\n", fileCeiling), 0},
		"a long test":           {"cache/x_test.go", "package x\n" + strings.Repeat("\n", fileCeiling), 0},
	}
	exceptions := map[string]string{"cache/y.go f": "reason", "cache/z.go": "reason"}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			messages, _ := checkSizes([]source{example(t, c.name, c.text)}, exceptions)
			expectBroken(t, messages, c.faults)
		})
	}
}

// checkSizes returns what is too long, and which exceptions were needed.
func checkSizes(sources []source, exceptions map[string]string) (messages []string, used map[string]bool) {
	used = map[string]bool{}
	complain := func(name, message string) {
		if _, ok := exceptions[name]; ok {
			used[name] = true
			return
		}
		messages = append(messages, message)
	}
	for _, file := range sources {
		if file.isTest() || ast.IsGenerated(file.syntax) {
			continue
		}
		if file.lines > fileCeiling {
			complain(file.path, fmt.Sprintf("%s: %d lines, ceiling %d", file.path, file.lines, fileCeiling))
		}
		for _, declaration := range file.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := file.span(function); lines > functionCeiling {
				complain(file.path+" "+function.Name.Name,
					fmt.Sprintf("%s: %s has %d lines, ceiling %d", file.at(function), function.Name.Name, lines, functionCeiling))
			}
		}
	}
	return messages, used
}

// span counts the lines of a node, without the comment above it.
func (s source) span(node *ast.FuncDecl) int {
	first := s.files.Position(node.Type.Pos()).Line
	return s.files.Position(node.End()).Line - first + 1
}
