package gdrive_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// document is the part of a discovery document that is used here.
type document struct {
	ServicePath string `json:"servicePath"`
	Schemas     map[string]*schema
	Parameters  map[string]*schema
	Resources   map[string]struct{ Methods map[string]*method }
}

type method struct {
	ID                string `json:"id"`
	Path              string
	HTTPMethod        string `json:"httpMethod"`
	Parameters        map[string]*schema
	Request, Response *schema
	MediaUpload       struct {
		Protocols map[string]struct{ Path string }
	} `json:"mediaUpload"`
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type, Format         string
	Location             string
	Required             bool
	Minimum, Maximum     string
	Properties           map[string]*schema
	Items                *schema
	AdditionalProperties *schema `json:"additionalProperties"`
}

// discovery reads the document that the client's module ships.
var discovery = sync.OnceValues(func() (*document, error) {
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "drive", "v3", "drive-api.json"))
	if err != nil {
		return nil, err
	}
	d := &document{}
	return d, json.Unmarshal(text, d)
})

// find returns a method such as "files.list".
func (d *document) find(name string) *method {
	resource, short, _ := strings.Cut(name, ".")
	return d.Resources[resource].Methods[short]
}

// against returns an observer that holds exchanges against the document.
func against(t *testing.T) func(drivetest.Exchange) {
	t.Helper()
	d, err := discovery()
	if err != nil {
		t.Fatal(err)
	}
	return func(e drivetest.Exchange) {
		if e.Operation == "upload" { // the protocol of uploads is not in the document
			return
		}
		for _, fault := range d.check(e) {
			t.Errorf("%s %s: %s", e.Verb, e.Path, fault)
		}
	}
}

// check holds one exchange against its method.
func (d *document) check(e drivetest.Exchange) (faults []string) {
	m := d.find(e.Operation)
	if m == nil {
		return []string{"no method " + e.Operation}
	}
	want := path.Join("/", d.ServicePath, strings.ReplaceAll(m.Path, "{fileId}", e.FileID))
	if strings.HasPrefix(e.Path, "/upload/") {
		want = m.MediaUpload.Protocols["simple"].Path // the resumable protocol is reached there as well
	}
	if e.Path != want || e.Verb != m.HTTPMethod {
		faults = append(faults, fmt.Sprintf("is %s %s in the document", m.HTTPMethod, want))
	}
	for name, values := range e.Query {
		parameter := m.Parameters[name]
		if parameter == nil {
			parameter = d.Parameters[name]
		}
		if parameter == nil {
			faults = append(faults, "no parameter "+name)
			continue
		}
		faults = append(faults, checkParameter(name, values[0], parameter)...)
	}
	for name, parameter := range m.Parameters {
		if parameter.Required && parameter.Location == "query" && !e.Query.Has(name) {
			faults = append(faults, "without the parameter "+name)
		}
	}
	if m.Request != nil && e.Request != nil {
		faults = append(faults, d.checkJSON(m.Request, e.Request)...)
	}
	if e.Status < 300 && e.Answer != nil {
		if m.Response == nil {
			return append(faults, "an answer where the document has none")
		}
		faults = append(faults, d.checkJSON(m.Response, e.Answer)...)
	}
	return faults
}

func checkParameter(name, value string, parameter *schema) []string {
	switch parameter.Type {
	case "boolean":
		if value != "true" && value != "false" {
			return []string{name + " is no boolean: " + value}
		}
	case "integer":
		number, err := strconv.Atoi(value)
		least, _ := strconv.Atoi(parameter.Minimum)
		most, _ := strconv.Atoi(parameter.Maximum)
		if err != nil || parameter.Minimum != "" && number < least || parameter.Maximum != "" && number > most {
			return []string{name + " is " + value}
		}
	}
	return nil
}

func (d *document) checkJSON(s *schema, text []byte) []string {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return []string{err.Error()}
	}
	return d.fits(s, value, "$")
}

// fits tells where a value is not what the schema says.
func (d *document) fits(s *schema, value any, at string) []string {
	if s.Ref != "" {
		s = d.Schemas[s.Ref]
	}
	var ok bool
	switch s.Type {
	case "string":
		var text string
		if text, ok = value.(string); ok && s.Format == "int64" {
			_, err := strconv.ParseInt(text, 10, 64)
			ok = err == nil
		}
	case "boolean":
		_, ok = value.(bool)
	case "integer":
		_, ok = value.(float64)
	case "array":
		var all []any
		all, ok = value.([]any)
		var faults []string
		for i, one := range all {
			faults = append(faults, d.fits(s.Items, one, at+"["+strconv.Itoa(i)+"]")...)
		}
		if ok {
			return faults
		}
	case "object":
		return d.fitsObject(s, value, at)
	default:
		return []string{at + ": the test does not know the type " + s.Type}
	}
	if !ok {
		return []string{fmt.Sprintf("%s is no %s: %v", at, s.Type, value)}
	}
	return nil
}

func (d *document) fitsObject(s *schema, value any, at string) (faults []string) {
	all, ok := value.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s is no object: %v", at, value)}
	}
	for name, one := range all {
		inner := s.Properties[name]
		if inner == nil {
			inner = s.AdditionalProperties
		}
		if inner == nil {
			faults = append(faults, at+" has no property "+name+" in the document")
			continue
		}
		faults = append(faults, d.fits(inner, one, at+"."+name)...)
	}
	return faults
}

// TestSchemaChecksCanFail: the checks above notice what is wrong.
func TestSchemaChecksCanFail(t *testing.T) {
	d, err := discovery()
	if err != nil {
		t.Fatal(err)
	}
	good := drivetest.Exchange{Call: drivetest.Call{Operation: "files.list", Query: map[string][]string{"pageSize": {"1000"}}},
		Verb: "GET", Path: "/drive/v3/files", Status: 200, Answer: []byte(`{"kind":"drive#fileList","files":[{"size":"7","trashed":false}]}`)}
	if faults := d.check(good); len(faults) > 0 {
		t.Fatal(faults)
	}
	for name, change := range map[string]func(*drivetest.Exchange){
		"method":           func(e *drivetest.Exchange) { e.Operation = "files.lists" },
		"path":             func(e *drivetest.Exchange) { e.Path = "/drive/v2/files" },
		"verb":             func(e *drivetest.Exchange) { e.Verb = "POST" },
		"parameter":        func(e *drivetest.Exchange) { e.Query = map[string][]string{"pageSizes": {"1"}} },
		"number":           func(e *drivetest.Exchange) { e.Query = map[string][]string{"pageSize": {"1001"}} },
		"boolean":          func(e *drivetest.Exchange) { e.Query = map[string][]string{"supportsAllDrives": {"yes"}} },
		"property":         func(e *drivetest.Exchange) { e.Answer = []byte(`{"file":[]}`) },
		"type":             func(e *drivetest.Exchange) { e.Answer = []byte(`{"files":[{"size":7}]}`) },
		"array":            func(e *drivetest.Exchange) { e.Answer = []byte(`{"files":{}}`) },
		"no object":        func(e *drivetest.Exchange) { e.Answer = []byte(`[]`) },
		"trashed":          func(e *drivetest.Exchange) { e.Answer = []byte(`{"files":[{"trashed":"no"}]}`) },
		"missing required": func(e *drivetest.Exchange) { e.Operation, e.Path = "changes.list", "/drive/v3/changes" },
	} {
		bad := good
		change(&bad)
		if len(d.check(bad)) == 0 {
			t.Errorf("%s: nothing noticed", name)
		}
	}
}

// TestDoubleKnowsOnlyRealParameters holds the double's own lists against the document.
func TestDoubleKnowsOnlyRealParameters(t *testing.T) {
	d, err := discovery()
	if err != nil {
		t.Fatal(err)
	}
	known := drivetest.Parameters()
	delete(known, "upload")
	if len(known) != 8 {
		t.Errorf("%d methods", len(known))
	}
	for name, parameters := range known {
		m := d.find(name)
		if m == nil {
			t.Errorf("no method %s", name)
			continue
		}
		for _, parameter := range parameters {
			if m.Parameters[parameter] == nil {
				t.Errorf("%s: no parameter %s", name, parameter)
			}
		}
		for parameter, s := range m.Parameters {
			if s.Required && s.Location == "query" && !slices.Contains(parameters, parameter) {
				t.Errorf("%s: the double does not know %s, which is required", name, parameter)
			}
		}
	}
}
