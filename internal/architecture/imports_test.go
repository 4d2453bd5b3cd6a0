package architecture

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers lists the folders from the top of the house to the ground. A package may import its own layer and those below
// (design.md part 6). A folder stands for everything beneath it.
var layers = [][]string{
	{"cmd"},
	{"internal/agent", "internal/benchmark", "internal/acceptance", "internal/doctor"},
	{"internal/webui"},
	{"internal/setup"},
	{"internal/api", "internal/storage", "internal/watch"},
	{"internal/history", "internal/bridge", "sync/engine", "sync/simtest", "sync/enginetest", "sync/mirror", "internal/readable", "internal/transfer"},
	{
		"sync/reconcile", "sync/schedule", "sync/obstacle", "cache", "providers", "internal/archive", "internal/keyring",
		"internal/config", "internal/limits", "internal/service", "internal/dm3api", "internal/login",
		"internal/thread", "internal/attachments", "internal/display", "internal/search",
	},
	{"internal/container", "internal/seal", "internal/identity", "internal/chat", "internal/activity", "internal/architecture", "internal/access", "internal/serving", "internal/files", "internal/servertest", "sync/client"},
}

// only lists packages that may import nothing of the module but what stands here (and what lies in the same folder).
var only = map[string][]string{
	"internal/container":    {},                                                                              // the ground
	"internal/seal":         {"internal/container"},                                                          // bytes and keys, no names
	"internal/identity":     {"internal/container"},                                                          // keys and names, no objects
	"internal/activity":     {"internal/container"},                                                          // hashes of messages
	"internal/chat":         {},                                                                              // so that every package's tests can use it
	"internal/architecture": {},                                                                              // it reads source
	"internal/dm3api":       {},                                                                              // a wire format, so that providers may see it
	"providers":             {"providers"},                                                                   // bytes and names of objects: no keys, no tree, no cache
	"providers/all":         {"providers", "internal/archive"},                                               // as above, and the single file
	"providers/dm3node":     {"providers", "internal/dm3api"},                                                // as above, and the node's wire format
	"cache":                 {},                                                                              // it sees sealed bytes, never a key
	"sync/reconcile":        {"internal/container"},                                                          // a pure function of what was read
	"sync/schedule":         {},                                                                              // time alone
	"internal/archive":      {"providers", "internal/container", "internal/files"},                           // a Store
	"internal/keyring":      {"internal/identity", "internal/seal", "internal/files"},                        // secrets, not their use
	"internal/limits":       {"internal/config"},                                                             // what the machine allows, not what is done
	"internal/service":      {"internal/files"},                                                              // texts of unit files
	"internal/thread":       {"internal/container", "internal/identity"},                                     // what records mean, not where they lie
	"internal/attachments":  {"internal/seal", "internal/files", "providers"},                                // addresses and bytes, no messages
	"internal/access":       {"internal/serving", "internal/files"},                                          // who may come in, not what is there
	"internal/watch":        {"internal/api", "providers", "sync/engine", "sync/obstacle", "internal/files"}, // what statuses say; nothing is opened
	"sync/client":           {},                                                                              // for programs outside of this module

	// Tokens; no store, no cache.
	"internal/login": {"providers", "internal/keyring", "internal/seal", "internal/config", "internal/serving", "internal/files"},

	"internal/serving": {}, // how servers stop, not what they answer
	"internal/files":   {}, // that files are whole, not what is in them

	// Texts, not where they lie; and plaintext without keys, of the engine only its types.
	"internal/display":  {"internal/thread"},
	"internal/readable": {"internal/thread", "internal/display", "internal/container", "sync/engine"},

	"internal/servertest":      {},                                       // addresses of servers
	"providers/ipfs/kubotest":  {"providers", "internal/servertest"},     // a real node, where there is one
	"internal/dm3api/nodetest": {"internal/dm3api", "internal/identity"}, // a node knows names and public keys

	// Words and sealed segments; of the cache only its disk.
	"internal/search": {"internal/container", "internal/seal", "internal/thread", "internal/identity", "cache"},
}

// testOnly lists packages that nothing but tests may import, and other packages of this list.
var testOnly = []string{
	"cache/cachetest", "internal/bridge/deliverytest", "internal/dm3api/nodetest", "providers/gdrive/drivetest", "providers/ipfs/kubotest",
	"internal/webui/webtest", "internal/servertest", "providers/faulttest", "providers/postgres/postgrestest", "sync/simtest", "sync/enginetest", "internal/architecture", "internal/benchmark", "internal/acceptance", "internal/agent/agenttest",
}

func TestImportsRunDownwards(t *testing.T) {
	report(t, checkImports(repositorySources(t)))
}

// TestFolderSpeaksToNoNetwork: what a user keeps in a folder or a file stays there, for nothing in its provider can open a connection.
func TestFolderSpeaksToNoNetwork(t *testing.T) {
	for folder, network := range map[string]bool{
		"providers/local": false, "providers/s3": true, "providers/webdav": true, "providers/gdrive": true, "providers/ipfs": true,
		"providers/postgres": true, "providers/dm3node": true, "internal/archive": false,
	} {
		command := exec.Command("go", "list", "-deps", "./"+folder)
		command.Dir = repository
		list, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		if found := slices.Contains(strings.Fields(string(list)), "net"); found != network {
			t.Errorf("%s can speak to a network: %v", folder, found)
		}
	}
}

func TestImportRuleCanFail(t *testing.T) {
	cases := []struct {
		folder, target string
		faults         int
	}{
		{"internal/api", "internal/history", 0},
		{"internal/api", "internal/agent", 1},
		{"internal/history", "sync/engine", 0},
		{"cmd/dm3sync", "internal/agent", 0},
		{"internal/container", "internal/seal", 1},
		{"sync/engine", "internal/seal", 0},
		{"sync/reconcile", "internal/container", 0},
		{"sync/reconcile", "cache", 1},
		{"cache", "internal/seal", 1},
		{"cache", "cache/deeper", 0},
		{"providers/s3", "providers", 0},
		{"providers/s3", "internal/identity", 1},
		{"providers/dm3node", "internal/dm3api", 0},
		{"providers/all", "internal/archive", 0},
		{"providers/s3", "internal/archive", 1},
		{"internal/archive", "cache", 1},
		{"providers/s3", "internal/dm3api", 1},
		{"sync/engine", "sync/simtest", 1},
		{"sync/engine", "cache/cachetest", 1},
		{"cache", "cache/cachetest", 1},
		{"providers/gdrive", "providers/gdrive/drivetest", 1},
		{"sync/simtest", "cache/cachetest", 0},
		{"internal/newcomer", "internal/container", 1},
	}
	for _, c := range cases {
		text := fmt.Sprintf("package x\nimport _ %q\nimport _ \"os\"\n", module+"/"+c.target)
		t.Run(c.folder+" to "+c.target, func(t *testing.T) {
			expectBroken(t, checkImports([]source{example(t, c.folder+"/x.go", text)}), c.faults)
		})
	}
}

// checkImports looks at the imports of everything but tests, which may look down and up.
func checkImports(sources []source) []string {
	var messages []string
	for _, file := range sources {
		if file.isTest() {
			continue
		}
		from := file.folder()
		if layer(from) < 0 {
			messages = append(messages, fmt.Sprintf("%s: %s has no layer yet: add it to layers", file.path, from))
			continue
		}
		for _, line := range file.syntax.Imports {
			target, ok := inModule(line.Path.Value)
			if !ok {
				continue
			}
			if why := forbidden(from, target); why != "" {
				messages = append(messages, fmt.Sprintf("%s: imports %s: %s", file.at(line), target, why))
			}
		}
	}
	return messages
}

// forbidden tells why one folder may not import another, or nothing.
func forbidden(from, target string) string {
	if isTestOnly(target) && !isTestOnly(from) {
		return "only tests may"
	}
	if layer(target) < layer(from) {
		return "the arrow runs up"
	}
	allowed, folder := onlyOf(from)
	if folder == "" || within(target, folder) {
		return ""
	}
	for _, name := range allowed {
		if within(target, name) {
			return ""
		}
	}
	return fmt.Sprintf("%s may import %v of this module", folder, allowed)
}

func isTestOnly(folder string) bool {
	return slices.ContainsFunc(testOnly, func(name string) bool { return within(folder, name) })
}

// onlyOf returns the entry of only that is nearest to a folder.
func onlyOf(folder string) (allowed []string, name string) {
	for candidate, list := range only {
		if within(folder, candidate) && len(candidate) > len(name) {
			allowed, name = list, candidate
		}
	}
	return allowed, name
}

// layer returns the index of a folder's layer, -1 where it has none.
func layer(folder string) int {
	for index, folders := range layers {
		for _, name := range folders {
			if within(folder, name) {
				return index
			}
		}
	}
	return -1
}

// within says whether a folder is another one or lies beneath it.
func within(folder, other string) bool {
	return folder == other || strings.HasPrefix(folder, other+"/")
}

// inModule turns a quoted import path into a folder of this module.
func inModule(quoted string) (folder string, ok bool) {
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(name, module+"/")
}
