package dm3api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Backend is what a storage service keeps. Accounts are normalised names whose session was checked; contacts are opaque
// texts. All methods may be called concurrently. An error that matches none of this package is answered as a failure
// inside.
type Backend interface {
	// AddConversation makes a conversation, or sets its profile location where there is one.
	AddConversation(ctx context.Context, account, contact, profileLocation string) error
	// Conversations returns a page of the visible ones, those first that changed last.
	Conversations(ctx context.Context, account string, page Page) ([]Conversation, error)
	// NumberOfConversations counts all, hidden ones too.
	NumberOfConversations(ctx context.Context, account string) (int, error)
	// ToggleHideConversation hides or shows one; one that is not there is no error.
	ToggleHideConversation(ctx context.Context, account, contact string, hide bool) error
	// AddMessage adds one record and its conversation; [ErrNotAdded] where the identifier is there already.
	AddMessage(ctx context.Context, account, contact string, record Record) error
	// AddMessageBatch adds records and their conversation; of doubles within the batch the first counts. What becomes of a
	// batch that holds known identifiers is the backend's: stock servers drop it and say yes.
	AddMessageBatch(ctx context.Context, account, contact string, records []Record) error
	// EditMessageBatch gives known records another container, wherever they are, and adds unknown ones with the time of
	// now, not halted.
	EditMessageBatch(ctx context.Context, account, contact string, records []Record) error
	// Messages returns a page of a conversation, those first whose time is last; nothing for an unknown one.
	Messages(ctx context.Context, account, contact string, page Page) ([]Message, error)
	// NumberOfMessages counts a conversation's records.
	NumberOfMessages(ctx context.Context, account, contact string) (int, error)
	// HaltedMessages returns the records that are halted.
	HaltedMessages(ctx context.Context, account string) ([]HaltedMessage, error)
	// ClearHaltedMessage takes the mark off the record with this [StoredID], and renames its conversation to alias unless
	// that is empty; [ErrNotAdded] where there is no such record.
	ClearHaltedMessage(ctx context.Context, account, storedID, alias string) error
}

// Authenticator is how accounts log in. Its methods may be called concurrently.
type Authenticator interface {
	// Challenge makes a challenge; [ErrUnknownAccount] where nobody may log in under this name.
	Challenge(ctx context.Context, account string) (string, error)
	// Session gives a token for an answered challenge; [ErrLogin], with a reason that may be shown, where it does not.
	Session(ctx context.Context, account, challenge, signature string) (string, error)
	// Check returns [ErrLogin] where a token is not the account's, or has ended.
	Check(ctx context.Context, account, token string) error
}

// Profiles is a register of profiles.
type Profiles interface {
	// Profile returns what was published under a name; [ErrNoProfile] where nothing was.
	Profile(ctx context.Context, name string) (SignedProfile, error)
	// Register takes a profile for a new account and gives a session's token; [ErrLogin] where it does not.
	Register(ctx context.Context, name string, profile SignedProfile) (string, error)
}

// Errors by which backends and authenticators tell what is to be answered.
var (
	// ErrUnknownAccount says that there is no such account: 404.
	ErrUnknownAccount = errors.New("dm3api: unknown account")
	// ErrInvalid says that a request can't be done as it is, such as a page that is too large: 400.
	ErrInvalid = errors.New("dm3api: invalid request")
)

// HandlerOptions says how a storage service answers. Login and Normalise are needed.
type HandlerOptions struct {
	// Login is how accounts log in.
	Login Authenticator
	// Normalise is how names in paths are normalised; what it refuses is answered with 400. (A stock server ends.)
	Normalise func(string) (string, error)
	// Profiles answers /profile; nil: there is no such route.
	Profiles Profiles
	// MaxBody bounds a request's body in bytes; 0 is what stock servers take, 50 MiB. More is 413.
	MaxBody int64
	// Inside answers where the backend failed; nil: 500. The error is not shown to who asked.
	Inside func(w http.ResponseWriter, r *http.Request, err error)
}

// StockBody is the longest body that a stock server takes.
const StockBody = 50 << 20

// handler answers the requests of a storage service.
type handler struct {
	backend Backend
	options HandlerOptions
}

// NewHandler answers the stock storage service's requests from a backend: /storage/new, /auth, and /profile where there are
// profiles. Statuses and texts are the stock server's, but for failures inside (500), bodies that are too long (413) or no
// JSON (400), and names that can't be normalised (400). Who may ask from a browser (CORS), and how often anybody may ask,
// is the caller's to put around it.
func NewHandler(backend Backend, options HandlerOptions) http.Handler {
	if options.MaxBody <= 0 {
		options.MaxBody = StockBody
	}
	if options.Inside == nil {
		options.Inside = func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	}
	h := &handler{backend: backend, options: options}
	mux := http.NewServeMux()
	for route, answer := range h.storageRoutes() {
		mux.HandleFunc(route, h.account(h.session(answer)))
	}
	mux.HandleFunc("GET /auth/{name}", h.account(h.challenge))
	mux.HandleFunc("POST /auth/{name}", h.account(h.logIn))
	if options.Profiles != nil {
		mux.HandleFunc("GET /profile/{name}", h.account(h.profile))
		mux.HandleFunc("POST /profile/{name}", h.account(h.register))
	}
	return withoutSlash(mux)
}

func (h *handler) storageRoutes() map[string]answerer {
	const base = " /storage/new/{name}/"
	return map[string]answerer{
		"POST" + base + "addConversation":              h.addConversation,
		"GET" + base + "getConversations":              h.getConversations,
		"GET" + base + "getNumberOfConversations":      h.getNumberOfConversations,
		"POST" + base + "toggleHideConversation":       h.toggleHideConversation,
		"POST" + base + "addMessage":                   h.addMessage,
		"POST" + base + "addMessageBatch":              h.addMessageBatch,
		"POST" + base + "editMessageBatch":             h.editMessageBatch,
		"GET" + base + "getMessages/{contact}":         h.getMessages,
		"GET" + base + "getNumberOfMessages/{contact}": h.getNumberOfMessages,
		"GET" + base + "getHaltedMessages":             h.getHaltedMessages,
		"POST" + base + "clearHaltedMessage":           h.clearHaltedMessage,
	}
}

// withoutSlash takes the slash off that dm3 apps end some paths with.
func withoutSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.URL.Path); n > 1 && r.URL.Path[n-1] == '/' {
			r = r.Clone(r.Context())
			r.URL.Path = r.URL.Path[:n-1]
			if m := len(r.URL.RawPath); m > 1 && r.URL.RawPath[m-1] == '/' {
				r.URL.RawPath = r.URL.RawPath[:m-1]
			}
		}
		next.ServeHTTP(w, r)
	})
}

// answerer answers a request for an account.
type answerer func(w http.ResponseWriter, r *http.Request, account string)

// account takes the account's name out of the path.
func (h *handler) account(next answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, h.options.MaxBody)
		account, err := h.options.Normalise(r.PathValue("name"))
		if err == nil {
			err = CheckName(account, h.options.Normalise)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "invalid name")
			return
		}
		next(w, r, account)
	}
}

// session lets only those through who are logged in. The scheme's word before the token is not looked at, as upstream.
func (h *handler) session(next answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, account string) {
		err := ErrLogin
		if token := secondWord(r.Header.Get("Authorization")); token != "" {
			err = h.options.Login.Check(r.Context(), account, token)
		}
		switch {
		case errors.Is(err, ErrLogin):
			refuse(w, http.StatusUnauthorized, "Unauthorized")
		case err != nil:
			h.options.Inside(w, r, err)
		default:
			next(w, r, account)
		}
	}
}

// fail answers an error of a backend.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error, refused string) {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too long")
	case errors.Is(err, errSchema), errors.Is(err, ErrInvalid):
		refuse(w, http.StatusBadRequest, badSchema)
	case errors.Is(err, ErrNotAdded):
		refuse(w, http.StatusBadRequest, refused)
	default:
		h.options.Inside(w, r, err)
	}
}

// refuse answers with a plain text, as the stock server's type for texts is.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // who asked may have gone
}

// done answers OK as the stock server does.
func (h *handler) done(w http.ResponseWriter, r *http.Request, err error, refused string) {
	if err != nil {
		h.fail(w, r, err, refused)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(okText)) // who asked may have gone
}

// give answers with JSON.
func (h *handler) give(w http.ResponseWriter, r *http.Request, value any, err error) {
	if err != nil {
		h.fail(w, r, err, badSchema)
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		h.options.Inside(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(text) // who asked may have gone
}
