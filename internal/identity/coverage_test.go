package identity_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// covered says, for each group of testdata/vectors.json, which package's tests hold it, by the member's
// name in the struct or the text that they read it by.
var covered = map[string][]string{
	"identities":                            {"identity", "seal"},
	"defaultNonce":                          {"identity"},
	"userProfile":                           {"identity"},
	"keyExchange":                           {"seal"},
	"signatures":                            {"identity"},
	"encryption":                            {"seal"},
	"deterministicEncryption":               {"seal"},
	"asymmetricEncryption":                  {"seal"},
	"containerKeys":                         {"identity", "container"},
	"seedContainersEncryptedWithStorageKey": {"seal"},
	"deliveryServiceKeys":                   {"identity", "seal"},
	"messages":                              {"identity", "seal", "container"},
	"messageState":                          {"identity"},
	"serverIds":                             {"identity"},
	"stringify":                             {"container"},
	"sha256":                                {"container"},
	"normalizeEnsName":                      {"identity"},
	"provenance":                            {}, // a note on the others
}

// TestEveryVectorGroupIsCovered fails on a group that nobody answers for, on a package whose tests do
// not name its group, and on copies of the vectors that differ.
func TestEveryVectorGroupIsCovered(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	for group := range groups {
		packages, known := covered[group]
		if !known {
			t.Errorf("group %s is held by no test", group)
		}
		for _, name := range packages {
			if !namesGroup(t, name, group) {
				t.Errorf("the tests of %s do not name group %s", name, group)
			}
		}
	}
	for group := range covered {
		if _, there := groups[group]; !there {
			t.Errorf("group %s is gone from the vectors", group)
		}
	}
	for _, name := range []string{"container", "seal"} {
		copied, err := os.ReadFile(filepath.Join("..", name, "testdata", "vectors.json"))
		if err != nil || !bytes.Equal(copied, text) {
			t.Errorf("the vectors of %s differ: %v", name, err)
		}
	}
}

// namesGroup looks for the group as a word, however it is capitalised, in a package's tests.
func namesGroup(t *testing.T, folder, group string) bool {
	t.Helper()
	word := regexp.MustCompile(`(?i)\b(TestVectors)?` + group + `\b`)
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "coverage_test.go" {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if word.Match(source) {
			return true
		}
	}
	return false
}
