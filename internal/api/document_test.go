package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// document is the served OpenAPI document, as a test looks at it.
type document struct {
	OpenAPI    string `json:"openapi"`
	Info       struct{ Title, Version, Description string }
	Paths      map[string]map[string]describedOperation
	Components struct {
		Schemas map[string]json.RawMessage
	}
}

type describedOperation struct {
	ID, Summary, Description string
	OperationID              string `json:"operationId"`
	Tags                     []string
	Parameters               []struct {
		Name, In string
		Required bool
	}
	RequestBody *struct {
		Content map[string]json.RawMessage
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string
		Content     map[string]struct{ Schema json.RawMessage }
	}
	Limits map[string]any `json:"x-limits"`
}

func served(t *testing.T, handler http.Handler, path string) []byte {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, recorder.Code, recorder.Body)
	}
	return recorder.Body.Bytes()
}

// TestDocument: the document is one of OpenAPI 3.1 whose references all lead somewhere, and says of every operation what
// it is, which errors it answers and what its limits are.
func TestDocument(t *testing.T) {
	handler := NewHandler(fakeBackend{}, Options{Version: "1.2.3"})
	text := served(t, handler, "/v1/openapi.json")
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" || d.Info.Title == "" || d.Info.Version != "1.2.3" || d.Info.Description == "" {
		t.Errorf("head %q %+v", d.OpenAPI, d.Info)
	}
	for _, reference := range regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		if name, ok := strings.CutPrefix(reference[1], "#/components/schemas/"); !ok || d.Components.Schemas[name] == nil {
			t.Errorf("%s leads nowhere", reference[1])
		}
	}
	seen := map[string]bool{}
	for path, operations := range d.Paths {
		if strings.Contains(path, "internal") {
			t.Errorf("%s is documented", path)
		}
		for method, o := range operations {
			checkOperation(t, method, path, &o)
			if seen[o.OperationID] {
				t.Errorf("%s stands twice", o.OperationID)
			}
			seen[o.OperationID] = true
		}
	}
	for _, wanted := range []string{
		"status", "list-accounts", "account", "list-conversations", "conversation", "change-conversation", "list-messages", "message", "append",
		"append-to-conversation", "delete-messages", "stretches", "fetch", "events", "account-events", "jobs", "search", "pass", "pause", "verify",
		"repair", "forget", "list-places", "check-place", "list-logins", "start-login", "export-sealed", "export-readable", "pull-node", "reload",
	} {
		if !seen[wanted] {
			t.Errorf("there is no operation %s", wanted)
		}
	}
	if yaml := string(served(t, handler, "/v1/openapi.yaml")); !strings.Contains(yaml, "openapi: 3.1.0") || !strings.Contains(yaml, "operationId: list-messages") {
		t.Error("no document in YAML")
	}
}

// TestObstaclesAreDocumented: the document lists the kinds of what can be in the way, wherever one is told.
func TestObstaclesAreDocumented(t *testing.T) {
	var d document
	if err := json.Unmarshal(served(t, NewHandler(fakeBackend{}, Options{}), "/v1/openapi.json"), &d); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AccountStatus", "MirrorStatus", "NodeStatus", "Place"} {
		var schema struct {
			Properties map[string]struct {
				Description string
				Enum        []obstacle.Kind
			}
		}
		if err := json.Unmarshal(d.Components.Schemas[name], &schema); err != nil {
			t.Fatal(name, err)
		}
		if p := schema.Properties["obstacle"]; !slices.Equal(p.Enum, obstacle.Kinds()) || p.Description == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func checkOperation(t *testing.T, method, path string, o *describedOperation) {
	t.Helper()
	if o.OperationID == "" || o.Summary == "" || o.Description == "" || len(o.Tags) != 1 {
		t.Errorf("%s %s: %+v", method, path, o)
	}
	if o.Limits["body_bytes"] == nil {
		t.Errorf("%s: no limit of the body", o.OperationID)
	}
	good := 0
	for status, response := range o.Responses {
		if response.Description == "" {
			t.Errorf("%s: nothing is said of %s", o.OperationID, status)
		}
		if status < "300" {
			good++
			continue
		}
		if schema := string(response.Content[problemMedia].Schema); schema != `{"$ref":"#/components/schemas/Problem"}` {
			t.Errorf("%s: the error %s is %s", o.OperationID, status, schema)
		}
	}
	if good != 1 || o.Responses["400"].Description == "" || o.Responses["500"].Description == "" {
		t.Errorf("%s: %d good answers; errors %v", o.OperationID, good, o.Responses)
	}
	named := regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1)
	for _, name := range named {
		if !slices.ContainsFunc(o.Parameters, func(p struct {
			Name, In string
			Required bool
		},
		) bool {
			return p.Name == name[1] && p.In == "path" && p.Required
		}) {
			t.Errorf("%s: the path's %s is not described", o.OperationID, name[1])
		}
	}
}

// TestNothingIsEchoed: a secret that lands in the wrong place of any request is in no answer.
func TestNothingIsEchoed(t *testing.T) {
	const canary = "correct-horse-battery"
	handler := NewHandler(fakeBackend{"": &fakeAccount{}, canary: &fakeAccount{}}, Options{})
	var d document
	if err := json.Unmarshal(served(t, handler, "/v1/openapi.json"), &d); err != nil {
		t.Fatal(err)
	}
	bodies := []string{
		canary, `"` + canary + `"`, `["` + canary + `"]`, `{"` + canary + `":1}`, `{"paused":"` + canary + `","hidden":"` + canary + `","from":"` + canary +
			`","hashes":["` + canary + `"],"text":7,"deep":"` + canary + `","scrub":"` + canary + `","confirm":["` + canary + `"]}`, `{"text":"x","limit":"` + canary + `"`,
	}
	asked := 0
	for path, operations := range d.Paths {
		path = strings.NewReplacer("{account}", "-", "{contact}", "bob.eth", "{place}", "-", "{hash}", canary).Replace(path)
		for method := range operations {
			if strings.HasSuffix(path, "/events") {
				continue // without an end
			}
			for _, query := range []string{"", "?" + canary + "=1", "?limit=" + canary, "?cursor=" + canary, "?before=" + canary, "?from=" + canary, "?format=" + canary, "?hidden=" + canary} {
				for _, body := range bodies {
					request := httptest.NewRequestWithContext(t.Context(), strings.ToUpper(method), path+query, strings.NewReader(body))
					request.Header.Set("Content-Type", "application/json")
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, request)
					asked++
					if text, _ := io.ReadAll(recorder.Body); strings.Contains(string(text), canary) {
						t.Errorf("%s %s with %s: %s", method, path+query, body, text)
					}
				}
			}
		}
	}
	if asked < 1000 {
		t.Errorf("only %d requests", asked)
	}
}
