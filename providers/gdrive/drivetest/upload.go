package drivetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
)

// upload is a resumable one under way.
type upload struct {
	file  *entry
	kind  string
	total int64
	data  []byte
}

// Sizes of uploads that Drive's guide gives.
const (
	multipartLimit = 5 << 20
	partStep       = 256 << 10
)

// metadata is what a create may say here.
type metadata struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	MimeType   string            `json:"mimeType"`
	Parents    []string          `json:"parents"`
	Properties map[string]string `json:"appProperties"`
}

// nameOfCreate looks into a create for the file's name, for Call.
func nameOfCreate(r *request) string {
	text := r.body
	if begin := bytes.IndexByte(text, '{'); begin >= 0 && r.Operation == "files.create" {
		var m metadata
		if json.NewDecoder(bytes.NewReader(text[begin:])).Decode(&m) == nil {
			return m.Name
		}
	}
	return ""
}

// admit checks what a create says of its file, without making it.
func (s *Server) admit(r *request, text []byte) (*entry, *reply) {
	r.json = text
	var m metadata
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil || decoder.More() {
		return nil, refusal(http.StatusBadRequest, "parseError", fmt.Sprintf("Parse Error: %v", err))
	}
	if m.Name == "" || m.MimeType == "" || len(m.Parents) > 1 {
		return nil, invalid("the double wants a name, a type and at most one parent")
	}
	for key, value := range m.Properties {
		if len(key)+len(value) > 124 || key == "" {
			return nil, invalid("property %s: longer than 124 bytes", key)
		}
	}
	if len(m.Properties) > 30 {
		return nil, refusal(http.StatusForbidden, "appPropertiesCountLimitExceeded", "more than 30 properties")
	}
	f := &entry{id: m.ID, name: m.Name, kind: m.MimeType, parent: RootID, space: SpaceFiles, properties: maps.Clone(m.Properties)}
	if len(m.Parents) == 1 && m.Parents[0] != "root" {
		f.parent = m.Parents[0]
	}
	if refused := s.below(f, r); refused != nil {
		return nil, refused
	}
	if !s.allows(f.space) {
		return nil, forbidden()
	}
	return f, s.identify(f)
}

// below gives a new file the space and drive of its parent.
func (s *Server) below(f *entry, r *request) *reply {
	above := s.files[f.parent]
	switch {
	case f.parent == SpaceAppData:
		f.space = SpaceAppData
	case s.drives[f.parent]:
		f.drive = f.parent
	case f.parent == RootID:
	case above == nil || above.dead != 0 || above.hidden || above.kind != FolderType:
		return notFound(f.parent)
	default:
		f.drive, f.space = above.drive, above.space
	}
	if f.drive != "" && r.Query.Get("supportsAllDrives") != "true" {
		return notFound(f.parent)
	}
	return nil
}

// identify checks the id of a new file.
func (s *Server) identify(f *entry) *reply {
	switch space, generated := s.ids[f.id]; {
	case s.used[f.id]:
		return refusal(http.StatusConflict, "fileIdInUse", "A file already exists with the provided ID.")
	case f.id == "":
		return invalid("the double wants generated ids")
	case !generated || space != f.space:
		return invalid("The provided file ID is not usable.")
	}
	return nil
}

// keep makes the file, now that all of it is there.
func (s *Server) keep(r *request, f *entry, data []byte) *reply {
	if refused := s.identify(f); refused != nil { // another upload may have been quicker
		return refused
	}
	used := int64(len(data))
	for _, other := range s.files {
		if other.dead == 0 && other.drive == "" {
			used += int64(len(other.data))
		}
	}
	if s.quota >= 0 && used > s.quota && f.drive == "" {
		return refusal(http.StatusForbidden, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")
	}
	delete(s.ids, f.id)
	s.used[f.id] = true
	if data = bytes.Clone(data); r.part.Spoil && len(data) > 0 {
		data[0] ^= 1
	}
	f.data, f.born, f.created = data, s.calls, s.now().Format(timeForm)
	s.files[f.id] = f
	s.note(f, false)
	return masked(r, s.resource(f), fileDefault, fileShape)
}

// createFolder is the create without content.
func (s *Server) createFolder(r *request) *reply {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return invalid("Content-Type %s", r.Header.Get("Content-Type"))
	}
	f, refused := s.admit(r, r.body)
	if refused != nil {
		return refused
	}
	if f.kind != FolderType {
		return invalid("the double knows files with content only")
	}
	return s.keep(r, f, nil)
}

func (s *Server) createFile(r *request) *reply {
	switch r.Query.Get("uploadType") {
	case "multipart":
		return s.createWhole(r)
	case "resumable":
		return s.beginUpload(r)
	}
	return invalid("uploadType %s", r.Query.Get("uploadType"))
}

func (s *Server) createWhole(r *request) *reply {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || r.ContentLength < 0 {
		return invalid("Content-Type %s, length %d", r.Header.Get("Content-Type"), r.ContentLength)
	}
	if len(r.body) > multipartLimit+4096 {
		return refusal(http.StatusRequestEntityTooLarge, "uploadTooLarge", "Request Too Large")
	}
	reader := multipart.NewReader(bytes.NewReader(r.body), parameters["boundary"])
	var parts [][]byte
	var kinds []string
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return invalid("multipart: %v", err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return invalid("multipart: %v", err)
		}
		parts, kinds = append(parts, data), append(kinds, part.Header.Get("Content-Type"))
	}
	if len(parts) != 2 || kinds[0] != "application/json; charset=UTF-8" || kinds[1] == "" {
		return invalid("multipart wants JSON and media, not %q", kinds)
	}
	f, refused := s.admit(r, parts[0])
	if refused != nil {
		return refused
	}
	if f.kind != kinds[1] {
		return invalid("two types: %s and %s", f.kind, kinds[1])
	}
	return s.keep(r, f, parts[1])
}

func (s *Server) beginUpload(r *request) *reply {
	total, err := strconv.ParseInt(r.Header.Get("X-Upload-Content-Length"), 10, 64)
	if err != nil || total < 1 || r.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
		return invalid("X-Upload-Content-Length %s, Content-Type %s", r.Header.Get("X-Upload-Content-Length"), r.Header.Get("Content-Type"))
	}
	f, refused := s.admit(r, r.body)
	if refused != nil {
		return refused
	}
	if r.Header.Get("X-Upload-Content-Type") != f.kind {
		return invalid("X-Upload-Content-Type %s", r.Header.Get("X-Upload-Content-Type"))
	}
	s.counter++
	id := fmt.Sprintf("secret-upload-%d", s.counter)
	s.uploads[id] = &upload{file: f, kind: f.kind, total: total}
	query := r.URL.Query()
	query.Set("upload_id", id)
	return &reply{status: http.StatusOK, header: http.Header{"Location": {"https://www.googleapis.com" + r.URL.Path + "?" + query.Encode()}}}
}

// uploadPart takes the next bytes, or tells with "bytes */TOTAL" how far the upload is.
func (s *Server) uploadPart(r *request) *reply {
	u := s.uploads[r.Query.Get("upload_id")]
	if u == nil {
		return refusal(http.StatusNotFound, "notFound", "no such upload")
	}
	span := r.Header.Get("Content-Range")
	if span == fmt.Sprintf("bytes */%d", u.total) && len(r.body) == 0 {
		return s.progress(r, u)
	}
	var first, last, total int64
	if n, err := fmt.Sscanf(span, "bytes %d-%d/%d", &first, &last, &total); err != nil || n != 3 || total != u.total ||
		first != int64(len(u.data)) || last-first+1 != int64(len(r.body)) || last >= total {
		return invalid("Content-Range %s after %d bytes, with %d", span, len(u.data), len(r.body))
	}
	if last+1 < total && len(r.body)%partStep != 0 {
		return invalid("a part of %d bytes", len(r.body))
	}
	data := r.body
	if r.part.Keep > 0 {
		data = data[:min(r.part.Keep/partStep*partStep, len(data))]
	}
	u.data = slices.Concat(u.data, data)
	return s.progress(r, u)
}

// progress ends the upload when all is there, else tells how far it is.
func (s *Server) progress(r *request, u *upload) *reply {
	if int64(len(u.data)) == u.total {
		if f := s.files[u.file.id]; f == u.file {
			return masked(r, s.resource(f), fileDefault, fileShape) // it was complete before
		}
		return s.keep(r, u.file, u.data)
	}
	answer := &reply{status: http.StatusPermanentRedirect, header: http.Header{}}
	if len(u.data) > 0 {
		answer.header.Set("Range", fmt.Sprintf("bytes=0-%d", len(u.data)-1))
	}
	return answer
}

// Uploads returns how many bytes each unfinished upload has.
func (s *Server) Uploads() []int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var sizes []int
	for _, u := range s.uploads {
		if s.files[u.file.id] != u.file {
			sizes = append(sizes, len(u.data))
		}
	}
	return sizes
}
