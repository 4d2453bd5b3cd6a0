package api

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Media types of answers and bodies that are not one JSON document.
const (
	linesMedia  = "application/x-ndjson"
	eventsMedia = "text/event-stream"
	bytesMedia  = "application/octet-stream"
	zipMedia    = "application/zip"
	jsonMedia   = "application/json"
)

// everywhere are the problems that every operation can answer.
var everywhere = []string{"request", "invalid", "canceled"}

// about is what the document says of the interface as a whole.
const about = `The interface of a dm3sync agent on its own machine: over a Unix socket (a named pipe on Windows), which only its owner
can open, and, where the user switched it on, over HTTP on 127.0.0.1, with a token.

Names in paths are percent-encoded. Times are milliseconds since 1970. Messages are dm3 storage envelopes, handed out
byte for byte as they are stored. Errors are problem documents (RFC 9457): the type is one of a fixed list, the detail
a sentence for people. Nothing that was sent is repeated in them. Bodies are never compressed.

Long work is answered by lines of JSON (application/x-ndjson): progress, then exactly one line with the result, or an
error, or both. Whoever ends the connection ends the work; all that was done stays done.`

// configuration is huma's, without its pages and without links to schemas.
func configuration(version string) huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	schemas.RegisterTypeAlias(reflect.TypeFor[obstacle.Kind](), reflect.TypeFor[obstacleKind]())
	format := huma.Format{Marshal: writeJSON, Unmarshal: json.Unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "dm3sync", Version: version, Description: about},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "On loopback only: `dm3sync token` prints it. On the socket there is none."},
				},
			},
			Security: []map[string][]string{{}, {"token": {}}},
		},
		Formats:       map[string]huma.Format{jsonMedia: format, "json": format}, // json stands for all that end in +json
		DefaultFormat: jsonMedia,
		Transformers:  []huma.Transformer{toProblem},
	}
}

// obstacleKind describes [obstacle.Kind], whose package knows of no document.
type obstacleKind string

// Schema implements huma.SchemaProvider.
func (obstacleKind) Schema(huma.Registry) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeString, Description: "What kind of thing is in the way. A later version may know more kinds; take one that you don't know for other"}
	for _, kind := range obstacle.Kinds() {
		schema.Enum = append(schema.Enum, string(kind))
	}
	return schema
}

// writeJSON writes one JSON document and a line end. Messages keep their bytes.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// schemaName names a type in the document: those of other packages with the package, since
// several have a Status.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	name := t.Name()
	if name == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	if t == reflect.TypeFor[Error]() {
		return "Problem"
	}
	if owner := path.Base(t.PkgPath()); owner != "api" && owner != "." {
		name = title(owner) + title(name)
	}
	return title(name)
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// limitsOf are the limits of an operation, as the document tells them.
func limitsOf(o *operation) map[string]any {
	limits := map[string]any{"body_bytes": 0}
	if o.method != http.MethodGet {
		limits = map[string]any{"body_bytes": maxBody - 1, "body_seconds": int(bodyWait.Seconds())}
	}
	maps.Copy(limits, o.limits)
	return limits
}

// responses are the problems of an operation, by status, and its answer where huma can't tell.
func (s *service) responses(o *operation) map[string]*huma.Response {
	problem := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Error](), true, "")
	words := slices.Concat(everywhere, o.problems)
	if strings.Contains(o.path, "{account}") {
		words = append(words, "no-account", "not-ready", "closed")
	}
	if o.method != http.MethodGet {
		words = append(words, "body-too-large", "media-type", "too-slow")
	}
	responses := map[string]*huma.Response{"500": {
		Description: "A fault of this program; about:blank", Content: map[string]*huma.MediaType{problemMedia: {Schema: problem}},
	}}
	listed := make(map[string]bool)
	for _, known := range sentinels {
		if !slices.Contains(words, known.word) || listed[known.word] {
			continue
		}
		listed[known.word] = true
		status := strconv.Itoa(known.status)
		if responses[status] == nil {
			responses[status] = &huma.Response{Content: map[string]*huma.MediaType{problemMedia: {Schema: problem}}}
		} else {
			responses[status].Description += "; "
		}
		responses[status].Description += fmt.Sprintf("%s: %s", known.word, known.title)
	}
	if o.answers != nil {
		responses["200"] = o.answers
	}
	return responses
}

// schema is a type's, by reference, in the document.
func schema[T any](s *service) *huma.Schema {
	t := reflect.TypeFor[T]()
	return s.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// answerIn describes an answer of a media type.
func answerIn(media, description string, schema *huma.Schema) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{media: {Schema: schema}}}
}

// binary is the schema of bytes that are no text.
func binary() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "binary"} }

// addDocument serves the document.
func (s *service) addDocument() {
	serve := func(media string, text func() []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			s.document.once.Do(s.writeDocument)
			if s.document.err != nil {
				writeError(w, s.document.err)
				return
			}
			w.Header().Set("Content-Type", media)
			_, _ = w.Write(text()) // a client that left does not want it
		}
	}
	s.mux.HandleFunc("GET /v1/openapi.json", serve("application/openapi+json", func() []byte { return s.document.json }))
	s.mux.HandleFunc("GET /v1/openapi.yaml", serve("application/openapi+yaml", func() []byte { return s.document.yaml }))
}

// writeDocument makes the document, once all operations are there.
func (s *service) writeDocument() {
	d := &s.document
	if d.json, d.err = json.Marshal(s.huma.OpenAPI()); d.err != nil {
		d.err = fmt.Errorf("api: writing the document: %w", d.err)
		return
	}
	if d.yaml, d.err = s.huma.OpenAPI().YAML(); d.err != nil {
		d.err = fmt.Errorf("api: writing the document: %w", d.err)
	}
}

// streamed is the output of operations that write their answer themselves.
type streamed struct {
	Body func(huma.Context)
}

// done is the output of operations that only did something.
type done struct{}
