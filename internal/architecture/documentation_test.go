package architecture

import (
	"fmt"
	"go/ast"
	"testing"
)

func TestPackagesAreDocumented(t *testing.T) {
	report(t, checkPackageDocs(repositorySources(t)))
}

func TestExportedNamesAreDocumented(t *testing.T) {
	report(t, checkExported(repositorySources(t)))
}

func TestDocumentationRulesCanFail(t *testing.T) {
	bare := example(t, "cache/bare.go", `package cache
type Bare struct{}
type (
	Grouped int
	hidden  int
)
func (Bare) Method()    {}
func (hidden) Method()  {}
func Function()         {}
const Constant = 1
var Variable, private = 1, 2
type Role interface { Play() }
`)
	expectBroken(t, checkExported([]source{bare}), 8)
	expectBroken(t, checkPackageDocs([]source{bare}), 1)
	kept := example(t, "cache/kept.go", `// Package cache is.
package cache
// Kept is.
type Kept struct{}
// Method does.
func (*Kept) Method() {}
// These are.
const (
	First = iota
	Second
)
// Errors.
var (
	ErrOne = 1
)
const Third = 3 // is three
// Role is.
type Role interface {
	// Play does.
	Play()
	hidden()
}
func private() {}
`)
	expectBroken(t, checkExported([]source{kept}), 0)
	expectBroken(t, checkPackageDocs([]source{bare, kept}), 0)
	onlyTests := example(t, "cache/x_test.go", "// Package cache is.\npackage cache\n")
	expectBroken(t, checkPackageDocs([]source{onlyTests}), 1)
}

// checkPackageDocs wants one file that is no test and has a package comment in every folder.
func checkPackageDocs(sources []source) []string {
	documented := map[string]bool{}
	var folders []string
	for _, file := range sources {
		if _, seen := documented[file.folder()]; !seen {
			documented[file.folder()] = false
			folders = append(folders, file.folder())
		}
		if !file.isTest() && file.syntax.Doc != nil {
			documented[file.folder()] = true
		}
	}
	var messages []string
	for _, folder := range folders {
		if !documented[folder] {
			messages = append(messages, folder+": no package comment: what it is for, and its place in the import order")
		}
	}
	return messages
}

// checkExported wants a doc comment on every exported name at the top level and on methods of exported types.
func checkExported(sources []source) []string {
	var messages []string
	for _, file := range sources {
		if file.isTest() {
			continue
		}
		for _, declaration := range file.syntax.Decls {
			for _, name := range undocumented(declaration) {
				messages = append(messages, fmt.Sprintf("%s: %s has no doc comment", file.at(name), name.Name))
			}
		}
	}
	return messages
}

// undocumented returns the exported names of a declaration that nothing is said about.
func undocumented(declaration ast.Decl) []*ast.Ident {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		if declaration.Doc == nil && declaration.Name.IsExported() && receiverExported(declaration.Recv) {
			return []*ast.Ident{declaration.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range declaration.Specs {
			names = append(names, undocumentedSpec(spec, declaration)...)
		}
		return names
	}
	return nil
}

// undocumentedSpec looks at one type, or at one line of constants or variables; those may share the comment of their group.
func undocumentedSpec(spec ast.Spec, group *ast.GenDecl) []*ast.Ident {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return nil
		}
		names := undocumentedMethods(spec.Type)
		if spec.Doc == nil && (group.Doc == nil || group.Lparen.IsValid()) {
			names = append(names, spec.Name)
		}
		return names
	case *ast.ValueSpec:
		if spec.Doc != nil || spec.Comment != nil || group.Doc != nil {
			return nil
		}
		return exported(spec.Names)
	}
	return nil
}

// undocumentedMethods returns the exported methods of an interface that nothing is said about.
func undocumentedMethods(expression ast.Expr) []*ast.Ident {
	role, ok := expression.(*ast.InterfaceType)
	if !ok {
		return nil
	}
	var names []*ast.Ident
	for _, method := range role.Methods.List {
		if method.Doc == nil && method.Comment == nil {
			names = append(names, exported(method.Names)...)
		}
	}
	return names
}

// exported keeps the names that other packages see.
func exported(names []*ast.Ident) []*ast.Ident {
	var kept []*ast.Ident
	for _, name := range names {
		if name.IsExported() {
			kept = append(kept, name)
		}
	}
	return kept
}

// receiverExported says whether a function is no method, or one of an exported type.
func receiverExported(receiver *ast.FieldList) bool {
	if receiver == nil || len(receiver.List) == 0 {
		return true
	}
	expression := receiver.List[0].Type
	for {
		switch inner := expression.(type) {
		case *ast.StarExpr:
			expression = inner.X
		case *ast.IndexExpr:
			expression = inner.X
		case *ast.IndexListExpr:
			expression = inner.X
		case *ast.Ident:
			return inner.IsExported()
		default:
			return true
		}
	}
}
