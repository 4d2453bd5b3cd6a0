package webui

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// errNoPage is an address where nothing is.
var errNoPage = errors.New("there is no such page")

// notice is a sentence about what was just done, or why not, and what to do.
type notice struct {
	Tone  string // "good", "info", "warn" or "bad"
	Title string
	Text  string // what it means; may hold words of others
	Way   string // what to do
	Link  string // where, a path of this site
	Label string // of the link
}

// done are the notices that an address can ask for, so that no address can put words on a page.
func done(word string) *notice {
	switch word {
	case "sync":
		return &notice{Tone: "good", Title: "A pass has begun.", Text: "Its progress stands under Activity.", Link: "/activity", Label: "Show activity"}
	case "verify":
		return &notice{Tone: "good", Title: "Verifying has begun.", Text: "What is at the place is being compared. It can take a while; you can leave this page.", Link: "/activity", Label: "Show activity"}
	case "pause":
		return &notice{Tone: "info", Title: "The account is paused.", Text: "New messages are kept here, and go to the place when you resume."}
	case "resume":
		return &notice{Tone: "good", Title: "The account goes on.", Text: "What waits goes to the place now."}
	case "setup":
		return &notice{Tone: "good", Title: "Your account is set up.", Text: "The agent keeps it in step from now on. Nothing else has to be done."}
	case "deleted":
		return &notice{Tone: "good", Title: "Deleted for ever, on all devices.", Text: "The bytes leave the place some time after the next pass."}
	case "hidden":
		return &notice{Tone: "info", Title: "The conversation is hidden, on all devices.", Text: "Its messages stay. It stands under Conversations, below the list."}
	case "shown":
		return &notice{Tone: "good", Title: "The conversation is shown again, on all devices."}
	case "unlocked":
		return &notice{Tone: "good", Title: "Unlocked.", Text: "The account is being opened."}
	case "running":
		return &notice{Tone: "info", Title: "That is running already.", Text: "Its progress stands under Activity.", Link: "/activity", Label: "Show activity"}
	}
	return nil
}

// noticeOf is what the page before asks to be said.
func noticeOf(r *http.Request) *notice { return done(r.URL.Query().Get("done")) }

// answered ends a form's request: with script by the notice alone, else by going back to the page with it.
func (s *Site) answered(w http.ResponseWriter, r *http.Request, word string) error {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Trigger", `{"refresh":{"target":"body"}}`)
		return s.fragment(w, "error.html", "notice", done(word))
	}
	address, err := url.Parse(backTo(r))
	if err != nil {
		address = &url.URL{Path: "/"}
	}
	query := address.Query()
	query.Set("done", word)
	address.RawQuery = query.Encode()
	http.Redirect(w, r, address.String(), http.StatusSeeOther)
	return nil
}

// fail shows an error as a sentence with a way out.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, n := explain(err)
	if status == http.StatusInternalServerError {
		s.o.Log.Error("a page failed", "pattern", r.Pattern, "error", err)
	}
	if r.Header.Get("HX-Request") != "" {
		// What could not be refreshed stays as it is, and the sentence goes where notices go.
		w.Header().Set("HX-Retarget", "#notices")
		w.Header().Set("HX-Reswap", "innerHTML")
		err = s.fragmentStatus(w, status, "error.html", "notice", n)
	} else {
		err = s.renderStatus(w, r, status, "error.html", view{Title: n.Title, Data: n})
	}
	if err != nil {
		s.o.Log.Error("an error can't be shown", "error", err)
		http.Error(w, "This page can't be shown. The agent's log says why.", http.StatusInternalServerError)
	}
}

// explanation is how one error is told.
type explanation struct {
	error  error
	status int
	notice notice
}

// explanations are looked through from the top.
func explanations() []explanation {
	overview := func(tone, title, way string) notice {
		return notice{Tone: tone, Title: title, Way: way, Link: "/", Label: "Go to the overview"}
	}
	return []explanation{
		{errNoPage, http.StatusNotFound, overview("warn", "There is nothing at this address.", "The address may be mistyped, or come from another version.")},
		{errNoSetup, http.StatusNotImplemented, overview("info", "Nothing can be set up from here.", "Run `dm3sync init` in a terminal.")},
		{api.ErrNoAccount, http.StatusNotFound, overview("warn", "There is no account of that name here.", "It may have been removed from the configuration.")},
		{api.ErrNotReady, http.StatusServiceUnavailable, overview("warn", "This account is not open yet.", "The agent goes on trying; the overview says what it waits for.")},
		{history.ErrNoMessage, http.StatusNotFound, overview("warn", "There is no such message in this conversation.", "It may have been deleted, or this device has not got it yet.")},
		{engine.ErrNoConversation, http.StatusNotFound, overview("warn", "This device knows no such conversation.", "If it is new, wait for the next pass.")},
		{engine.ErrBlocked, http.StatusConflict, notice{"bad", "This account has stopped to be safe.", "", "The problems say why, and what to do.", "/problems", "Show the problems"}},
		{api.ErrRequest, http.StatusBadRequest, overview("warn", "This could not be understood.", "Go back, and try again.")},
		{login.ErrNeeded, http.StatusBadGateway, overview("warn", "The place asks for a new login.", "The overview says how to log in again.")},
		{providers.ErrUnauthorised, http.StatusBadGateway, overview("warn", "The place refused the login.", "Check its name and secret.")},
		{providers.ErrQuota, http.StatusBadGateway, overview("warn", "The place is full.", "Make room there, or move to a larger one; nothing is lost meanwhile.")},
		{providers.ErrTransient, http.StatusBadGateway, overview("warn", "The place can't be reached just now.", "Try again in a while; nothing is lost meanwhile.")},
		{cache.ErrClosed, http.StatusServiceUnavailable, overview("info", "The agent is stopping.", "Start it again, and reload this page.")},
		{engine.ErrClosed, http.StatusServiceUnavailable, overview("info", "The agent is stopping.", "Start it again, and reload this page.")},
	}
}

// explain turns an error into a sentence with a way out. What the error says itself stands beneath.
func explain(err error) (status int, n notice) {
	for _, e := range explanations() {
		if errors.Is(err, e.error) {
			n = e.notice
			if !errors.Is(e.error, errNoPage) {
				n.Text = err.Error()
			}
			return e.status, n
		}
	}
	return http.StatusInternalServerError, notice{"bad", "This page could not be made.", err.Error(), "Reload it; if that does not help, look into the agent's log.", "/", "Go to the overview"}
}
