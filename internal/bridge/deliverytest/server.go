package deliverytest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

const (
	mostConversations = 101
	mostMessages      = 1001
)

// waiting is one copy of an envelope.
type waiting struct {
	envelope dm3api.EncryptionEnvelop
	from     string
	number   int // in the order of arrival
}

// Server is the double. Its methods may be called concurrently.
type Server struct {
	// URL is where it listens.
	URL string
	// BeforeAcknowledging, when not nil, is called with what is about to be removed; an
	// error is answered 404, as every failure inside, and nothing is removed.
	BeforeAcknowledging func([]dm3api.Acknowledgement) error
	// Show, when not nil, changes what is shown.
	Show func([]dm3api.EncryptionEnvelop) []dm3api.EncryptionEnvelop

	http *httptest.Server

	mutex    sync.Mutex
	secret   []byte
	signing  map[string][32]byte  // by account
	waiting  map[string][]waiting // by receiver
	number   int
	requests int
}

// New starts a double that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{secret: []byte(strings.Repeat("5e", 32)), signing: make(map[string][32]byte), waiting: make(map[string][]waiting)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/{name}", s.challenge)
	mux.HandleFunc("POST /auth/{name}", s.session)
	mux.HandleFunc("GET /delivery/messages/incoming/{name}", s.locked(s.incoming))
	mux.HandleFunc("POST /delivery/messages/{name}/syncAcknowledgements/", s.locked(s.acknowledge))
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	t.Cleanup(s.http.Close)
	return s
}

// Register lets the owner of a profile log in under a name.
func (s *Server) Register(name string, profile identity.Profile) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.signing[name] = profile.SigningPublic()
}

// Submit lets envelopes wait for a receiver, each as one more copy.
func (s *Server) Submit(receiver string, envelopes ...dm3api.EncryptionEnvelop) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, envelope := range envelopes {
		delivery, _ := envelope.Metadata.Delivery() // without one, it is nobody's
		s.number++
		s.waiting[receiver] = append(s.waiting[receiver], waiting{envelope: envelope, from: delivery.From, number: s.number})
	}
}

// Waiting says how many copies wait for a receiver.
func (s *Server) Waiting(receiver string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.waiting[receiver])
}

// Requests says how often it was asked or acknowledged.
func (s *Server) Requests() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.requests
}

func (s *Server) challenge(w http.ResponseWriter, r *http.Request) {
	second := time.Now().Unix()
	answer(w, dm3api.MakeToken(s.secret, dm3api.Claims{
		Account: r.PathValue("name"), Challenge: "00000000-0000-4000-8000-000000000000", IssuedAt: second, NotBefore: second, Expires: second + 900,
	}))
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	var request struct{ Signature, Challenge string }
	s.mutex.Lock()
	key, known := s.signing[r.PathValue("name")]
	s.mutex.Unlock()
	if json.NewDecoder(r.Body).Decode(&request) != nil || !known || !identity.Verify(key, request.Challenge, request.Signature) {
		http.Error(w, `{"error":"signature invalid"}`, http.StatusBadRequest)
		return
	}
	second := time.Now().Unix()
	answer(w, dm3api.MakeToken(s.secret, dm3api.Claims{Account: r.PathValue("name"), IssuedAt: second, NotBefore: second, Expires: second + 3600}))
}

// locked lets only those in who hold a session of the name.
func (s *Server) locked(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		claims, err := dm3api.CheckToken(s.secret, token, false, time.Now())
		if err != nil || claims.Account != r.PathValue("name") {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		s.mutex.Lock()
		s.requests++
		s.mutex.Unlock()
		next(w, r)
	}
}

func (s *Server) incoming(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	byContact := make(map[string][]waiting)
	for _, one := range s.waiting[r.PathValue("name")] {
		byContact[one.from] = append(byContact[one.from], one)
	}
	s.mutex.Unlock()
	var conversations [][]waiting
	for _, list := range byContact {
		slices.SortFunc(list, func(a, b waiting) int { return cmp.Compare(b.number, a.number) })
		conversations = append(conversations, list[:min(len(list), mostMessages)])
	}
	slices.SortFunc(conversations, func(a, b []waiting) int { return cmp.Compare(b[0].number, a[0].number) })
	shown := []dm3api.EncryptionEnvelop{}
	for _, list := range conversations[:min(len(conversations), mostConversations)] {
		for _, one := range list {
			shown = append(shown, one.envelope)
		}
	}
	if s.Show != nil {
		shown = s.Show(shown)
	}
	answer(w, shown)
}

func (s *Server) acknowledge(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Acknowledgements []dm3api.Acknowledgement `json:"acknowledgements"`
	}
	if json.NewDecoder(r.Body).Decode(&request) != nil {
		failInside(w)
		return
	}
	if s.BeforeAcknowledging != nil && s.BeforeAcknowledging(request.Acknowledgements) != nil {
		failInside(w)
		return
	}
	name := r.PathValue("name")
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, a := range request.Acknowledgements {
		at := slices.IndexFunc(s.waiting[name], func(one waiting) bool {
			return one.from == a.ContactAddress && one.envelope.Metadata.MessageHash == a.MessageHash
		})
		if at >= 0 {
			s.waiting[name] = slices.Delete(s.waiting[name], at, at+1)
		}
	}
	answer(w, "ok")
}

// failInside is the stock server's answer to every failure of its own.
func failInside(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "<!DOCTYPE html><pre>Not Found</pre>") // who asked may have gone
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that left does not want it
}

// Client returns a client of the service for an account.
func (s *Server) Client(name string, profile identity.Profile) (*dm3api.Client, error) {
	address, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	return dm3api.NewClient(&dm3api.ClientOptions{URL: address.String(), Account: name, Normalise: identity.Normalize, Sign: Signer(profile)})
}
