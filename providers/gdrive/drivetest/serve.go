package drivetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// reply is an answer; a JSON one holds value, a download bytes.
type reply struct {
	status int
	header http.Header
	value  any
	bytes  []byte
}

// refusal is Drive's form of an error.
func refusal(status int, reason, message string) *reply {
	return &reply{status: status, value: map[string]any{"error": map[string]any{
		"code": status, "message": message,
		"errors": []any{map[string]any{"message": message, "domain": "global", "reason": reason}},
	}}}
}

func invalid(format string, arguments ...any) *reply {
	return refusal(http.StatusBadRequest, "invalid", fmt.Sprintf(format, arguments...))
}

func notFound(id string) *reply {
	return refusal(http.StatusNotFound, "notFound", "File not found: "+id+".")
}

// request is one call with its body read.
type request struct {
	Call
	*http.Request
	body []byte
	json []byte // the part of the body that is JSON
	part Fault  // for uploads: what to keep
}

const largest = 200 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, largest))
	if err != nil {
		return // the client is gone
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls++
	asked := &request{Request: r, body: body, Call: Call{Number: s.calls, Query: r.URL.Query(), Range: r.Header.Get("Content-Range")}}
	known := s.route(asked)
	s.counts[asked.Operation]++
	fault := Fault{}
	if s.inject != nil {
		if f := s.inject(asked.Call); f != nil {
			fault = *f
		}
	}
	asked.part = fault
	failing := fault.Status != 0 || fault.Drop
	var answer *reply
	if !failing || fault.After || fault.Keep > 0 {
		answer = s.answer(asked, known)
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		answer = refusal(fault.Status, fault.Reason, "injected "+fault.Reason)
		if fault.Page != "" {
			answer = &reply{status: fault.Status, bytes: []byte(fault.Page), header: http.Header{"Content-Type": {"text/html"}}}
		}
		if answer.header == nil {
			answer.header = http.Header{}
		}
		if fault.RetryAfter != "" {
			answer.header.Set("Retry-After", fault.RetryAfter)
		}
	}
	s.write(w, asked, answer, fault, !failing)
}

// write sends the answer.
func (s *Server) write(w http.ResponseWriter, asked *request, answer *reply, fault Fault, observed bool) {
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	data := answer.bytes
	var told []byte
	if answer.value != nil {
		text, err := json.Marshal(answer.value)
		if err != nil {
			panic(err)
		}
		data, told = text, text
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	if s.observe != nil && observed {
		s.observe(Exchange{Call: asked.Call, Verb: asked.Request.Method, Path: asked.URL.Path, Request: asked.json, Status: answer.status, Answer: told})
	}
	if fault.Flip && len(data) > 0 {
		data = bytes.Clone(data)
		data[len(data)/2] ^= 1
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(answer.status)
	if fault.Shorten {
		w.Write(data[:len(data)/2]) //nolint:errcheck // the client sees the rest missing
		panic(http.ErrAbortHandler)
	}
	w.Write(data) //nolint:errcheck // a client that is gone needs no answer
}

// method is one line of the discovery document, as far as it is known here: its parameters, beside those of all methods.
type method struct {
	name       string
	parameters []string
	required   []string
	run        func(*Server, *request) *reply
}

// Parameters lists what the double accepts, by method, for a test that compares it with the discovery document.
func Parameters() map[string][]string {
	all := make(map[string][]string)
	for _, m := range methods() {
		all[m.name] = m.parameters
	}
	return all
}

func methods() map[string]method {
	drives := []string{"supportsAllDrives", "driveId"}
	return map[string]method{
		"GET /drive/v3/files": {"files.list", append([]string{"q", "spaces", "corpora", "includeItemsFromAllDrives", "pageSize", "pageToken"}, drives...),
			nil, (*Server).listFiles},
		"GET /drive/v3/files/":                 {"files.get", []string{"supportsAllDrives", "acknowledgeAbuse"}, nil, (*Server).getFile},
		"DELETE /drive/v3/files/":              {"files.delete", []string{"supportsAllDrives"}, nil, (*Server).deleteFile},
		"GET /drive/v3/files/generateIds":      {"files.generateIds", []string{"count", "space", "type"}, nil, (*Server).generateIDs},
		"POST /drive/v3/files":                 {"files.create", []string{"supportsAllDrives"}, nil, (*Server).createFolder},
		"POST /upload/drive/v3/files":          {"files.create", []string{"supportsAllDrives"}, []string{"uploadType"}, (*Server).createFile},
		"PUT /upload/drive/v3/files":           {"upload", []string{"upload_id", "supportsAllDrives"}, []string{"uploadType", "upload_id"}, (*Server).uploadPart},
		"GET /drive/v3/changes":                {"changes.list", append([]string{"pageToken", "pageSize", "spaces", "includeRemoved", "includeItemsFromAllDrives", "restrictToMyDrive"}, drives...), []string{"pageToken"}, (*Server).listChanges},
		"GET /drive/v3/changes/startPageToken": {"changes.getStartPageToken", drives, nil, (*Server).startCursor},
		"GET /drive/v3/about":                  {"about.get", nil, []string{"fields"}, (*Server).about},
	}
}

// route finds out what a request is for.
func (s *Server) route(r *request) *method {
	key := r.Request.Method + " " + r.URL.Path
	m, ok := s.methods[key]
	if !ok {
		if at := strings.LastIndexByte(key, '/'); at >= 0 {
			r.FileID = key[at+1:]
			m, ok = s.methods[key[:at+1]]
		}
	}
	if !ok {
		r.Operation = "unknown"
		return nil
	}
	r.Operation = m.name
	r.Name = nameOfCreate(r)
	return &m
}

// answer checks what all requests have in common and runs the method.
func (s *Server) answer(r *request, m *method) *reply {
	if m == nil {
		return refusal(http.StatusNotFound, "notFound", "no method "+r.Request.Method+" "+r.URL.Path)
	}
	if refused := s.authorise(r); refused != nil {
		return refused
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("query: %v", err)
	}
	common := []string{"alt", "fields", "prettyPrint"}
	if strings.HasPrefix(r.URL.Path, "/upload/") {
		common = append(common, "uploadType")
	}
	for name, values := range query {
		if !slices.Contains(m.parameters, name) && !slices.Contains(common, name) || len(values) != 1 {
			return invalid("unknown or repeated parameter %s of %s", name, m.name)
		}
		if boolean := strings.HasPrefix(name, "supports") || strings.HasPrefix(name, "include") || name == "prettyPrint" || name == "restrictToMyDrive"; boolean &&
			values[0] != "true" && values[0] != "false" {
			return invalid("parameter %s is no boolean", name)
		}
	}
	for _, name := range m.required {
		if query.Get(name) == "" {
			return refusal(http.StatusBadRequest, "required", "Required parameter: "+name)
		}
	}
	if alt := query.Get("alt"); alt != "" && alt != "json" && (alt != "media" || m.name != "files.get") {
		return invalid("alt=%s", alt)
	}
	if r.Request.Method != http.MethodPost && r.Request.Method != http.MethodPut && len(r.body) > 0 {
		return invalid("a body where none belongs")
	}
	return m.run(s, r)
}

// authorise looks at the token alone.
func (s *Server) authorise(r *request) *reply {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && given != "" && (given == s.token || s.accept != nil && s.accept(given)) {
		return nil
	}
	refused := refusal(http.StatusUnauthorized, "authError", "Invalid Credentials")
	if !ok {
		refused = refusal(http.StatusUnauthorized, "required", "Login Required.")
	}
	refused.header = http.Header{"Www-Authenticate": {`Bearer realm="https://accounts.google.com/", error="invalid_token"`}}
	return refused
}

// allows tells whether the token's scopes reach a space.
func (s *Server) allows(space string) bool {
	scope := ScopeFile
	if space == SpaceAppData {
		scope = ScopeAppData
	}
	return slices.Contains(s.scopes, scope)
}

func forbidden() *reply {
	return refusal(http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
}
