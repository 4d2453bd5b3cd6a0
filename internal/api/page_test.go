package api

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInterfacePage: the page for programmers has every operation and every word of a problem.
func TestInterfacePage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "interface.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var d document
	if err := json.Unmarshal(served(t, NewHandler(fakeBackend{}, Options{}), "/v1/openapi.json"), &d); err != nil {
		t.Fatal(err)
	}
	for path, operations := range d.Paths {
		for method := range operations {
			if !strings.Contains(page, "`"+strings.ToUpper(method)+" "+path+"`") {
				t.Errorf("the page lacks %s %s", strings.ToUpper(method), path)
			}
		}
	}
	for _, s := range sentinels {
		if !strings.Contains(page, "`"+s.word+"`") {
			t.Errorf("the page lacks %s", s.word)
		}
	}
}
