package webui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fetchWait bounds how long one piece of a conversation may take to come from the place.
const fetchWait = 45 * time.Second

// Named tells under which names an account's own messages go, its own first, all normalised. An account may be one; else its
// only name is that of its status.
type Named interface {
	// Names are all names of the account, at least one. Safe for concurrent use.
	Names() []string
}

// readerPages are the conversations, what is in them, and the search.
func readerPages() []page {
	return []page{
		{"GET /conversations", (*Site).conversations, &link{"conversations", "/conversations", "Conversations", "conversations", "c", 20, false}},
		{"GET /conversations/{account}/rows", (*Site).conversationRows, nil},
		{"GET /c/{account}/{contact}", (*Site).conversation, nil},
		{"GET /c/{account}/{contact}/slice", (*Site).conversationSlice, nil},
		{"GET /c/{account}/{contact}/months", (*Site).conversationMonths, nil},
		{"GET /c/{account}/{contact}/copies", (*Site).conversationCopies, nil},
		{"GET /c/{account}/{contact}/export", (*Site).conversationExport, nil},
		{"GET /c/{account}/{contact}/delete", (*Site).askDeletion, nil},
		{"POST /c/{account}/{contact}/delete", (*Site).deleteMessages, nil},
		{"POST /c/{account}/{contact}/hide", (*Site).hideConversation, nil},
		{"GET /c/{account}/{contact}/m/{hash}", (*Site).messageRecord, nil},
		{"GET /c/{account}/{contact}/m/{hash}/json", (*Site).messageJSON, nil},
		{"GET /c/{account}/{contact}/m/{hash}/text", (*Site).messageText, nil},
		{"GET /c/{account}/{contact}/m/{hash}/file/{number}", (*Site).messageFile, nil},
		{"GET /search", (*Site).searchPage, &link{"search", "/search", "Search", "search", "s", 30, false}},
		{"GET /search/hits", (*Site).searchHits, nil},
		{"POST /search/fetch", (*Site).searchFetch, nil},
	}
}

// reader is one conversation of one account for one request.
type reader struct {
	site    *Site
	account api.Account
	name    string // of the account
	contact string
	own     []string
	in      *time.Location
	conv    engine.Conversation
}

// namedAccount is the account that an address names; without one, the first that is open, else the first. The name stays empty
// where there is no account at all.
func (s *Site) namedAccount(key string) (account api.Account, name string, err error) {
	if key != "" {
		contact, ok := contactOf(key)
		if !ok {
			return nil, "", errNoPage
		}
		name = contact
	} else if all := s.o.Backend.Status().Accounts; len(all) > 0 {
		i := slices.IndexFunc(all, func(a api.AccountStatus) bool { return a.Open })
		name = all[max(i, 0)].Name
	}
	account, err = s.o.Backend.Account(name)
	return account, name, err
}

// readerOf is the conversation that a request's path names.
func (s *Site) readerOf(r *http.Request) (*reader, error) {
	account, name, err := s.namedAccount(r.PathValue("account"))
	if err != nil {
		return nil, err
	}
	contact, ok := contactOf(r.PathValue("contact"))
	if !ok {
		return nil, errNoPage
	}
	return &reader{site: s, account: account, name: name, contact: contact, own: namesOf(account, name), in: zone(r)}, nil
}

// known finds what is known of the conversation. One without a message on this device or at the place is not there.
func (c *reader) known(ctx context.Context) error {
	all, err := c.account.Conversations(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Contact == c.contact {
			c.conv = all[i]
			return nil
		}
	}
	return engine.ErrNoConversation
}

func namesOf(account api.Account, name string) []string {
	if named, ok := account.(Named); ok {
		return named.Names()
	}
	return []string{name}
}

// path is the address of the conversation, with more behind it.
func (c *reader) path(more string) string { return conversationPath(c.name, c.contact) + more }

func conversationPath(account, contact string) string {
	return "/c/" + contactKey(account) + "/" + contactKey(contact)
}

// conversationData is what the page of a conversation shows.
type conversationData struct {
	Account, Contact string
	AccountKey       string
	Path, List       string // addresses
	Several          bool   // accounts
	Hidden           bool
	Messages         int
	Estimated        bool // about so many
	Pending          int
	First, Last      string // days, for the calendar
	Since, Until     string // the same, for people
	Slice            *sliceData
	Months           []monthView
	Far              int // messages that are not on this device
	FarText          string
	Place            string
	Date             string // that was jumped to
	At               string // hash that was jumped to, in hex
	Missing          string // why the jump led elsewhere
	Newest           bool   // the slice is at the newest end
	Today            string
}

// conversation shows a conversation: its newest messages, or those around a day or a message.
func (s *Site) conversation(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	if err := c.known(r.Context()); err != nil {
		return err
	}
	query := r.URL.Query()
	want, missing, err := c.wanted(r.Context(), query)
	if err != nil {
		return err
	}
	data := &conversationData{
		Account: c.name, AccountKey: contactKey(c.name), Contact: c.contact, Path: c.path(""), List: "/conversations?account=" + contactKey(c.name), Hidden: c.conv.Hidden,
		Messages: c.conv.Messages, Estimated: c.conv.Estimated, Pending: c.conv.Pending, Missing: missing, Date: query.Get("date"), Today: day(s.o.Now().UnixMilli(), c.in),
		First: day(c.conv.First, c.in), Last: day(c.conv.Last, c.in), Since: dayOf(c.conv.First, c.in), Until: dayOf(c.conv.Last, c.in), Place: s.placeOf(c.name), Several: len(s.o.Backend.Status().Accounts) > 1,
	}
	if want.mark != nil {
		data.At = hexOf(*want.mark)
	}
	if _, err := time.Parse(time.DateOnly, data.Date); err != nil {
		data.Date = ""
	}
	want.local = query.Get("fetch") == "" // the page comes at once; its script asks for what is far away
	if data.Slice, err = c.firstView(r.Context(), want); err != nil {
		return err
	}
	data.Newest = data.Slice.Newer == ""
	if data.Months, data.Far, err = c.months(r.Context()); err != nil {
		return err
	}
	return s.render(w, r, "reader_conversation.html", view{Title: "Conversation with " + c.contact, Section: "conversations", Wide: true, Data: data})
}

// wanted reads what a conversation's address asks for: ?at= a message's hash, ?date= a day, else the newest. Missing says
// why it leads elsewhere.
func (c *reader) wanted(ctx context.Context, query url.Values) (want sliceQuery, missing string, err error) {
	want.limit = firstSlice
	if text := query.Get("at"); text != "" {
		hash, ok := hashOf(text)
		if !ok {
			return want, "", errNoPage
		}
		envelope, err := c.account.Message(ctx, c.contact, hash)
		if errors.Is(err, history.ErrNoMessage) {
			return want, "The message is not here: it was deleted, or this device has not got it yet. These are the newest.", nil
		}
		if err != nil {
			return want, "", err
		}
		want.around, want.mark = envelope.Timestamp, &hash
		return want, "", nil
	}
	if text := query.Get("date"); text != "" {
		at, err := time.ParseInLocation(time.DateOnly, text, c.in)
		if err != nil {
			return want, "That is no day of the calendar. These are the newest messages.", nil //nolint:nilerr // the page says so
		}
		want.around = max(at.UnixMilli(), 1)
		want.begin = want.around
	}
	return want, "", nil
}

// conversationSlice is one piece of a conversation, for the script that puts it into the page.
func (s *Site) conversationSlice(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	want, err := parseSliceQuery(r.URL.Query())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), fetchWait)
	defer cancel()
	data, err := c.slice(ctx, want)
	if err != nil {
		if r.Context().Err() != nil {
			return nil // nobody is there any more
		}
		return s.fragment(w, "reader_conversation.html", "reader-failed", c.failure(err))
	}
	return s.fragment(w, "reader_conversation.html", "reader-slice", data)
}

// failedData says why a piece of a conversation can't be had.
type failedData struct {
	Place, Why string
}

func (c *reader) failure(err error) failedData {
	_, n := explain(err)
	if errors.Is(err, context.DeadlineExceeded) {
		n.Title = fmt.Sprintf("It did not answer within %d seconds.", int(fetchWait.Seconds()))
	} else if n.Text != "" {
		n.Title += " " + n.Text
	}
	return failedData{Place: c.site.placeOf(c.name), Why: display.Excerpt(n.Title, textLetters)}
}

// placeOf is how the account's place is called on the page.
func (s *Site) placeOf(account string) string {
	for _, a := range s.o.Backend.Status().Accounts {
		if a.Name == account && a.Place != "" {
			return a.Place
		}
	}
	return "the place"
}

// conversationMonths is the time line alone, for keeping it fresh.
func (s *Site) conversationMonths(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	data := &conversationData{Path: c.path(""), Place: s.placeOf(c.name)}
	if data.Months, data.Far, err = c.months(r.Context()); err != nil {
		return err
	}
	return s.fragment(w, "reader_conversation.html", "reader-months", data)
}

func (c *reader) months(ctx context.Context) (months []monthView, far int, err error) {
	stretches, err := c.account.Stretches(ctx, c.contact)
	if err != nil {
		return nil, 0, err
	}
	months = timeLine(stretches, c.in)
	for i := range months {
		far += months[i].Far()
	}
	return months, far, nil
}

// hideConversation hides a conversation on all devices, or shows it again.
func (s *Site) hideConversation(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	hidden, err := strconv.ParseBool(r.FormValue("hidden"))
	if err != nil {
		return fmt.Errorf("%w: hidden is true or false", api.ErrRequest)
	}
	if err := c.account.Hide(r.Context(), c.contact, hidden); err != nil {
		return err
	}
	word := "shown"
	if hidden {
		word = "hidden"
	}
	http.Redirect(w, r, c.path("")+"?done="+word, http.StatusSeeOther)
	return nil
}

// messageOf is the message that a request's path names, and the conversation it is in.
func (s *Site) messageOf(r *http.Request) (c *reader, hash container.MessageHash, envelope container.Envelope, err error) {
	if c, err = s.readerOf(r); err != nil {
		return nil, hash, envelope, err
	}
	hash, ok := hashOf(r.PathValue("hash"))
	if !ok {
		return nil, hash, envelope, errNoPage
	}
	envelope, err = c.account.Message(r.Context(), c.contact, hash)
	return c, hash, envelope, err
}
