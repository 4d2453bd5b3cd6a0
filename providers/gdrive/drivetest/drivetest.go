// Package drivetest is a strict double of Google Drive's HTTP interface, version 3, in this process: what package gdrive
// uses of it, with the habits that Drive's documentation tells of, and faults on demand. It answers in the shapes of the
// discovery document that the client's module ships, which a test holds every exchange against.
//
// Habits: names need not be unique; ids for new files must have been generated and serve once (409); listings may lag;
// page tokens and cursors of the feed of changes get lost; uploads in parts keep what came; tokens expire; fields that no
// mask asks for are not in an answer. It is strict about the rest: parameters, masks, queries, content types and headers
// that it does not know, or that don't fit, are refused with 400. For tests only. It imports nothing of the module.
package drivetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Spaces and scopes as Drive writes them.
const (
	SpaceFiles   = "drive"
	SpaceAppData = "appDataFolder"
	ScopeFile    = "https://www.googleapis.com/auth/drive.file"
	ScopeAppData = "https://www.googleapis.com/auth/drive.appdata"
	FolderType   = "application/vnd.google-apps.folder"
	RootID       = "root-of-my-drive"
)

// Server is the double. All methods may be called concurrently.
type Server struct {
	URL string // where it listens, http://127.0.0.1:port

	http    *httptest.Server
	methods map[string]method // never changed
	mutex   sync.Mutex
	token   string // the one that is accepted; "" accepts none
	scopes  []string
	files   map[string]*entry
	drives  map[string]bool   // shared ones, by id
	ids     map[string]string // generated and unused ones, with their space
	used    map[string]bool
	pages   map[string]*page
	uploads map[string]*upload
	changes []change
	oldest  int // the first change that a cursor may still ask for
	counter int // for ids, tokens and times
	calls   int64
	lag     int64
	quota   int64
	partial bool
	short   int // most files on a page, whatever is asked for; 0: as asked
	inject  func(Call) *Fault
	observe func(Exchange)
	accept  func(token string) bool // tokens of another login server
	counts  map[string]int
}

// Call is one request, before anything happened.
type Call struct {
	Number    int64      // 1 for the first
	Operation string     // as in the discovery document, such as "files.list"; parts of an upload are "upload"
	FileID    string     // of the path
	Query     url.Values // parameters
	Name      string     // of the file that a create is for
	Range     string     // of an upload: which bytes of it this part has, the header Content-Range
}

// Exchange is one request and its answer, for a test that holds them against the schemas.
type Exchange struct {
	Call
	Verb, Path string // the HTTP method, and the path below the root
	Request    []byte // JSON, nil without
	Status     int
	Answer     []byte // JSON, nil without
}

// Fault is what goes wrong with one call; the zero Fault is none.
type Fault struct {
	Status     int    // answer so instead
	Reason     string // with Drive's word for why, such as "userRateLimitExceeded"
	Page       string // with this page instead of a JSON error, as a proxy would
	RetryAfter string // the header
	After      bool   // only after the call took effect
	Drop       bool   // cut the connection instead of an answer
	Keep       int    // of a part of an upload, bytes that are kept before Drop or Status
	Flip       bool   // change a byte of a download
	Shorten    bool   // end a download early
	Spoil      bool   // keep other bytes than a create sent
}

// New starts a double with one accepted token for both scopes, and shared drives of the given ids. Close ends it.
func New(sharedDrives ...string) *Server {
	s := &Server{
		methods: methods(),
		token:   "ya29.secret-access-token-1", scopes: []string{ScopeFile, ScopeAppData},
		files: make(map[string]*entry), drives: make(map[string]bool), ids: make(map[string]string),
		used: make(map[string]bool), pages: make(map[string]*page), uploads: make(map[string]*upload),
		counts: make(map[string]int), quota: -1, counter: 1,
	}
	for _, id := range sharedDrives {
		s.drives[id] = true
	}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close ends the server and cuts its connections.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Token implements oauth2.TokenSource: it gives the token that is accepted now, and after [Server.Revoke] the error that
// a login server's refusal makes.
func (s *Server) Token() (*oauth2.Token, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.token == "" {
		return nil, &oauth2.RetrieveError{ErrorCode: "invalid_grant", Response: &http.Response{Status: "400 Bad Request", StatusCode: http.StatusBadRequest},
			ErrorDescription: "Token has been expired or revoked.", Body: []byte(`{"error":"invalid_grant","secret":"1//secret-refresh-token"}`)}
	}
	return &oauth2.Token{AccessToken: s.token, TokenType: "Bearer"}, nil
}

// Secrets lists what must never be seen in an error or a log.
func (s *Server) Secrets() []string {
	return []string{"secret-access-token", "secret-refresh-token", "secret-upload"}
}

// Accept lets the double take tokens of another login server too, as valid says. It is called with the double's lock held.
func (s *Server) Accept(valid func(token string) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.accept = valid
}

// Renew replaces the accepted token: the one before is answered with 401 from now on.
func (s *Server) Renew() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.counter++
	s.token = fmt.Sprintf("ya29.secret-access-token-%d", s.counter)
}

// Revoke accepts no token any more, as when the user withdraws the app's access.
func (s *Server) Revoke() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.token = ""
}

// SetScopes says what the token allows.
func (s *Server) SetScopes(scopes ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.scopes = scopes
}

// SetLag hides changes from listings until so many later requests have come; 0 makes them current.
func (s *Server) SetLag(requests int64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.lag = requests
}

// SetQuota bounds the bytes that may be stored; -1 means no limit.
func (s *Server) SetQuota(bytes int64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.quota = bytes
}

// SetPartial makes listings say that their search was not complete.
func (s *Server) SetPartial(partial bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.partial = partial
}

// SetPages ends every page of a listing after so many files, though more are asked for, as Drive may do; 0 ends that.
func (s *Server) SetPages(files int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.short = files
}

// ExpirePages makes the page tokens of listings invalid that were given so far.
func (s *Server) ExpirePages() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.pages)
}

// LoseCursors answers 410 to the cursors of the feed of changes that were given so far.
func (s *Server) LoseCursors() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.changes = append(s.changes, change{})
	s.oldest = len(s.changes)
}

// EndUploads forgets the uploads that were begun.
func (s *Server) EndUploads() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.uploads)
}

// Inject asks fault before each call what goes wrong with it; nil ends that. The function may be called concurrently and
// must not call the server.
func (s *Server) Inject(fault func(Call) *Fault) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.inject = fault
}

// Observe has every exchange told that was answered by the double itself, not by a fault. As Inject.
func (s *Server) Observe(told func(Exchange)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.observe = told
}

// Counts returns the requests since the last call, by method.
func (s *Server) Counts() map[string]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	counts := s.counts
	s.counts = make(map[string]int)
	return counts
}

// now is a clock that only goes on, with the mutex held.
func (s *Server) now() time.Time {
	s.counter++
	return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Add(time.Duration(s.counter) * time.Millisecond)
}

// File is one file as the hand of a user sees it.
type File struct {
	ID, Name, Parent, Type, Space string
	Trashed                       bool // itself, or a folder above it
	Properties                    map[string]string
	Size                          int
}

// Files lists everything that is there, trash too, sorted by id.
func (s *Server) Files() []File {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []File
	for id, f := range s.files {
		if f.dead == 0 {
			all = append(all, File{ID: id, Name: f.name, Parent: f.parent, Type: f.kind, Space: f.space,
				Trashed: s.trashed(f), Properties: f.properties, Size: len(f.data)})
		}
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.ID, b.ID) })
	return all
}
