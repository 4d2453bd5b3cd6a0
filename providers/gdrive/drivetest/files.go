package drivetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// page is what a page token stands for.
type page struct {
	query string // all parameters that must be the same
	rest  []*entry
}

// resource is a file in Drive's JSON, whole.
func (s *Server) resource(f *entry) map[string]any {
	all := map[string]any{
		"kind": "drive#file", "id": f.id, "name": f.name, "mimeType": f.kind, "trashed": s.trashed(f), "createdTime": f.created,
		"spaces": []any{f.space}, "ownedByMe": f.drive == "",
	}
	if f.parent != "" {
		all["parents"] = []any{f.parent}
	}
	if f.drive != "" {
		all["driveId"] = f.drive
		delete(all, "ownedByMe")
	}
	if len(f.properties) > 0 {
		properties := make(map[string]any)
		for key, value := range f.properties {
			properties[key] = value
		}
		all["appProperties"] = properties
	}
	if f.kind != FolderType {
		all["size"], all["md5Checksum"] = strconv.Itoa(len(f.data)), f.sum()
	}
	return all
}

// fetch finds a living file that the request may see.
func (s *Server) fetch(r *request) (*entry, *reply) {
	f := s.files[r.FileID]
	if f == nil || f.dead != 0 || f.hidden || f.drive != "" && r.Query.Get("supportsAllDrives") != "true" {
		return nil, notFound(r.FileID)
	}
	if !s.allows(f.space) {
		return nil, forbidden()
	}
	return f, nil
}

func (s *Server) getFile(r *request) *reply {
	f, refused := s.fetch(r)
	if refused != nil {
		return refused
	}
	if r.Query.Get("alt") != "media" {
		return masked(r, s.resource(f), fileDefault, fileShape)
	}
	if f.kind == FolderType {
		return refusal(http.StatusForbidden, "fileNotDownloadable", "Only files with binary content can be downloaded.")
	}
	header := http.Header{"Content-Type": {f.kind}}
	data := f.data
	wanted := r.Header.Get("Range")
	if wanted == "" {
		return &reply{status: http.StatusOK, header: header, bytes: data}
	}
	var first, last int64
	if n, err := fmt.Sscanf(wanted, "bytes=%d-%d", &first, &last); err != nil || n != 2 || last < first || fmt.Sprintf("bytes=%d-%d", first, last) != wanted {
		return invalid("Range: %s", wanted)
	}
	if first >= int64(len(data)) {
		refused := refusal(http.StatusRequestedRangeNotSatisfiable, "requestedRangeNotSatisfiable", "Request range not satisfiable")
		refused.header = http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", len(data))}}
		return refused
	}
	last = min(last, int64(len(data))-1)
	header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
	return &reply{status: http.StatusPartialContent, header: header, bytes: data[first : last+1]}
}

func (s *Server) deleteFile(r *request) *reply {
	f, refused := s.fetch(r)
	if refused != nil {
		return refused
	}
	s.kill(f)
	s.note(f, true)
	return &reply{status: http.StatusNoContent}
}

func (s *Server) generateIDs(r *request) *reply {
	count, space := 10, SpaceFiles
	if text := r.Query.Get("count"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > 1000 {
			return invalid("count=%s", text)
		}
	}
	if text := r.Query.Get("space"); text != "" {
		space = text
	}
	if space != SpaceFiles && space != SpaceAppData || r.Query.Has("type") && r.Query.Get("type") != "files" {
		return invalid("space or type")
	}
	if !s.allows(space) {
		return forbidden()
	}
	all := make([]any, count)
	for i := range all {
		id := s.freshID()
		s.ids[id] = space
		all[i] = id
	}
	return masked(r, map[string]any{"kind": "drive#generatedIds", "space": space, "ids": all}, "", idsShape)
}

// visible tells whether a listing of the space and drive that is being made now shows a file.
func (s *Server) visible(f *entry, space, drive string) bool {
	seen := s.calls - s.lag
	return f.space == space && f.drive == drive && !f.hidden && f.born <= seen && (f.dead == 0 || f.dead > seen)
}

// place checks the parameters that choose a space or a shared drive.
func (s *Server) place(r *request, corpora bool) (space, drive string, refused *reply) {
	space = SpaceFiles
	if r.Query.Has("spaces") {
		space = r.Query.Get("spaces")
	}
	if space != SpaceFiles && space != SpaceAppData {
		return "", "", invalid("spaces=%s", space)
	}
	if !s.allows(space) {
		return "", "", forbidden()
	}
	drive = r.Query.Get("driveId")
	all := r.Query.Get("supportsAllDrives") == "true"
	within := r.Query.Get("corpora")
	if drive != "" && (!all || space != SpaceFiles || corpora && (within != "drive" || r.Query.Get("includeItemsFromAllDrives") != "true")) ||
		drive == "" && within != "" && within != "user" {
		return "", "", invalid("driveId, corpora, spaces, supportsAllDrives and includeItemsFromAllDrives don't fit")
	}
	if drive != "" && !s.drives[drive] {
		return "", "", refusal(http.StatusNotFound, "notFound", "Shared drive not found: "+drive)
	}
	return space, drive, nil
}

func pageSize(r *request) (int, *reply) {
	size := 100
	if text := r.Query.Get("pageSize"); r.Query.Has("pageSize") {
		var err error
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > 1000 {
			return 0, invalid("Invalid value '%s'. Values must be within the range: [1, 1000]", text)
		}
	}
	return size, nil
}

func (s *Server) listFiles(r *request) *reply {
	space, drive, refused := s.place(r, true)
	if refused != nil {
		return refused
	}
	size, refused := pageSize(r)
	if refused != nil {
		return refused
	}
	terms, err := parseQuery(r.Query.Get("q"))
	if err != nil {
		return invalid("Invalid Value: q: %v", err)
	}
	same := r.URL.Query()
	same.Del("pageToken")
	found := &page{query: same.Encode()}
	if token := r.Query.Get("pageToken"); r.Query.Has("pageToken") {
		if found = s.pages[token]; found == nil || found.query != same.Encode() {
			return invalid("Invalid Value: pageToken")
		}
	} else {
		for _, f := range s.files {
			if s.visible(f, space, drive) && !slices.ContainsFunc(terms, func(t term) bool { return !t(s, f) }) {
				found.rest = append(found.rest, f)
			}
		}
		slices.SortFunc(found.rest, func(a, b *entry) int { return strings.Compare(b.created+b.id, a.created+a.id) })
	}
	if s.short > 0 {
		size = min(size, s.short)
	}
	shown := found.rest[:min(size, len(found.rest))]
	whole := map[string]any{"kind": "drive#fileList", "incompleteSearch": s.partial}
	all := make([]any, len(shown))
	for i, f := range shown {
		all[i] = s.resource(f)
	}
	whole["files"] = all
	if rest := found.rest[len(shown):]; len(rest) > 0 {
		s.counter++
		token := fmt.Sprintf("~!!~page%d", s.counter)
		s.pages[token] = &page{query: found.query, rest: rest}
		whole["nextPageToken"] = token
	}
	return masked(r, whole, listDefault, listShape)
}

func (s *Server) about(r *request) *reply {
	used, trash := 0, 0
	for _, f := range s.files {
		if f.dead == 0 && f.drive == "" {
			used += len(f.data)
			if s.trashed(f) {
				trash += len(f.data)
			}
		}
	}
	quota := map[string]any{"usage": strconv.Itoa(used), "usageInDrive": strconv.Itoa(used), "usageInDriveTrash": strconv.Itoa(trash)}
	if s.quota >= 0 {
		quota["limit"] = strconv.FormatInt(s.quota, 10)
	}
	return masked(r, map[string]any{"kind": "drive#about", "storageQuota": quota}, "", aboutShape)
}
