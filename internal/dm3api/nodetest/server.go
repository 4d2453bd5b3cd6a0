package nodetest

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// failurePage is what the stock server answers to everything that went wrong inside.
const failurePage = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n<pre>Not Found</pre>\n</body>\n</html>\n"

// Server is the double. Its methods may be called concurrently.
type Server struct {
	// URL is where it listens.
	URL string

	test    testing.TB
	http    *httptest.Server
	handler http.Handler
	maxBody int64

	mutex    sync.Mutex
	now      func() time.Time
	secret   []byte
	table    table
	known    map[string]bool    // accounts that may log in
	profiles map[string]profile // published under names
	before   func(*http.Request)
	failures []func(*http.Request) Failure // each is asked once about each request until it fails
	every    int                           // one of so many requests fails
	ways     []Failure                     // in one of these ways
	random   *rand.Rand
	routes   map[string]int // requests by route
	loginsOf map[string]int // sessions given
	crashed  bool
}

// profile is what the double knows of a published profile.
type profile struct {
	signed  dm3api.SignedProfile
	signing [32]byte
}

// Failure is how a request fails.
type Failure int

// The ways.
const (
	None   Failure = iota
	Before         // answered 404 with a web page, nothing done
	After          // done, and answered 404 with a web page
	Cut            // done, and the connection is cut
	Refuse         // 401, nothing done
)

// New starts a double that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		test: t, maxBody: dm3api.StockBody, now: time.Now, secret: []byte("0x" + strings.Repeat("5e", 32)),
		known: map[string]bool{}, profiles: map[string]profile{}, routes: map[string]int{}, loginsOf: map[string]int{},
	}
	s.handler = dm3api.NewHandler(&backend{s}, dm3api.HandlerOptions{
		Login: login{s}, Profiles: registry{s}, Normalise: identity.Normalize, MaxBody: s.maxBody,
		Inside: func(w http.ResponseWriter, _ *http.Request, _ error) { fail(w) },
	})
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	t.Cleanup(s.http.Close)
	return s
}

// SetClock gives the server another clock.
func (s *Server) SetClock(now func() time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.now = now
}

// Restart cuts all connections, as a restart does. What is stored, and sessions, outlive it.
func (s *Server) Restart() { s.http.CloseClientConnections() }

// EndSessions makes all sessions and challenges invalid.
func (s *Server) EndSessions() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.secret = append(s.secret, '.')
}

// Fail asks next about each request until it names a failure, which the request then has.
func (s *Server) Fail(next func(*http.Request) Failure) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.failures = append(s.failures, next)
}

// FailRoute lets the next request of a route fail.
func (s *Server) FailRoute(route string, failure Failure) {
	s.Fail(func(r *http.Request) Failure {
		if routeOf(r) == route {
			return failure
		}
		return None
	})
}

// FailSome lets some requests fail, one of so many on average, each in one of the given ways; 0 none. The seed makes which.
func (s *Server) FailSome(every int, seed uint64, ways ...Failure) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.every, s.ways, s.random = every, ways, rand.New(rand.NewPCG(seed, 0))
}

// Between calls before about each request before it is answered; nil nothing. It may use the server.
func (s *Server) Between(before func(*http.Request)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.before = before
}

// Requests says how often a route was asked, such as "getMessages"; "" for all together.
func (s *Server) Requests(route string) (number int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if route != "" {
		return s.routes[route]
	}
	for _, count := range s.routes {
		number += count
	}
	return number
}

// Logins says how many sessions an account was given.
func (s *Server) Logins(account string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.loginsOf[account]
}

// routeOf names a request's route: the fourth part of a storage path, else the first.
func routeOf(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "storage" && len(parts) > 3 {
		return parts[3]
	}
	return parts[0]
}

// nameOf is the account's name in a path, "" where there is none.
func nameOf(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "storage" && len(parts) > 2:
		return parts[2]
	case (parts[0] == "auth" || parts[0] == "profile") && len(parts) > 1:
		return parts[1]
	}
	return ""
}

// take notes a request and returns how it is to fail.
func (s *Server) take(r *http.Request) Failure {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.routes[routeOf(r)]++
	if s.every > 0 && s.random.IntN(s.every) == 0 {
		return s.ways[s.random.IntN(len(s.ways))]
	}
	for i, next := range s.failures {
		if failure := next(r); failure != None {
			s.failures = append(s.failures[:i], s.failures[i+1:]...)
			return failure
		}
	}
	return None
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	before := s.before
	s.mutex.Unlock()
	if before != nil {
		before(r)
	}
	failure := s.take(r)
	if name := nameOf(r); name != "" && s.ends(name) {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, s.maxBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	if int64(len(body)) > s.maxBody || len(body) > 0 && !json.Valid(body) {
		fail(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch failure {
	case None:
		s.handler.ServeHTTP(w, r)
	case Before:
		fail(w)
	case Refuse:
		w.WriteHeader(http.StatusUnauthorized)
	case After:
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		fail(w)
	case Cut:
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

// ends tells whether a name ends the server, as it would the stock one, or has done so.
func (s *Server) ends(name string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, err := identity.Normalize(name); err != nil && !s.crashed {
		s.crashed = true
		s.test.Errorf("nodetest: the name %q in a path ends a stock server", name)
	}
	return s.crashed
}

func fail(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, failurePage) // who asked may have gone
}
