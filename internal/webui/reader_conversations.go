package webui

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// How far back a preview looks for something that was said, and how many previews are kept.
const (
	previewRecords = 40
	mostPreviews   = 5000
)

// conversationsData is the list of an account's conversations.
type conversationsData struct {
	Account  string
	Key      string // of the account
	Accounts []accountTab
	Query    string
	Hidden   bool
	Found    int
	Other    int
	Rows     []conversationRow
	Same     string // the query of this piece
	Next     string // that of the next one; empty at the end
	More     string // the address of a page with the next piece
	Later    bool   // previews come with a second request
	First    bool   // it is the top of the list
}

type accountTab struct {
	Name, Key string
	Current   bool
}

// conversationRow is a line of the list.
type conversationRow struct {
	ID                    string // of its element
	Path, Contact, Letter string
	Hue                   int // of its picture, 0 to 5
	Last                  int64
	When                  string
	Messages, Pending     int
	Preview               *previewView
}

// conversations lists the conversations of an account, by their last message. The first answer holds the previews that are
// known, so that it is quick; a second one brings the others.
func (s *Site) conversations(w http.ResponseWriter, r *http.Request) error {
	key := r.URL.Query().Get("account")
	account, name, err := s.namedAccount(key)
	if err != nil && name == "" && key == "" {
		return s.render(w, r, "reader_conversations.html", view{Title: "Conversations", Section: "conversations", Data: &conversationsData{}})
	}
	if err != nil {
		return err
	}
	data, err := s.rows(r, account, name)
	if err != nil {
		return err
	}
	for _, a := range s.o.Backend.Status().Accounts {
		data.Accounts = append(data.Accounts, accountTab{Name: a.Name, Key: contactKey(a.Name), Current: a.Name == name})
	}
	return s.render(w, r, "reader_conversations.html", view{Title: "Conversations", Section: "conversations", Data: data})
}

// conversationRows is one piece of the list, with previews.
func (s *Site) conversationRows(w http.ResponseWriter, r *http.Request) error {
	account, name, err := s.namedAccount(r.PathValue("account"))
	if err != nil {
		return err
	}
	data, err := s.rows(r, account, name)
	if err != nil {
		return err
	}
	return s.fragment(w, "reader_conversations.html", "reader-rows", data)
}

// rows reads a piece of the list.
func (s *Site) rows(r *http.Request, account api.Account, name string) (*conversationsData, error) {
	all, err := account.Conversations(r.Context())
	if err != nil {
		return nil, err
	}
	values := r.URL.Query()
	query := listQuery{Text: values.Get("q"), Hidden: values.Get("hidden") != "", After: parseListPlace(values.Get("after"))}
	piece := query.listed(api.ForPeople(all))
	data := &conversationsData{
		Account: name, Key: contactKey(name), Query: display.Excerpt(query.Text, nameLetters), Hidden: query.Hidden, Found: piece.Found, Other: piece.Other,
		First: query.After == (listPlace{}),
	}
	data.Same = query.values("").Encode()
	if piece.Next != "" {
		data.Next = query.values(piece.Next).Encode()
		data.More = "/conversations?account=" + data.Key + "&" + data.Next
	}
	now, in, own := s.o.Now(), zone(r), namesOf(account, name)
	for i := range piece.Rows {
		c := &piece.Rows[i]
		row := conversationRow{
			ID: "t" + digest([]byte(c.Contact)), Path: conversationPath(name, c.Contact), Contact: c.Contact, Letter: letterOf(c.Contact), Hue: hueOf(c.Contact), Last: c.Last, When: shortDate(c.Last, now, in),
			Messages: c.Messages, Pending: c.Pending,
		}
		preview, known := s.previews.get(name, c)
		if !known && values.Get("previews") != "" {
			if preview, err = readPreview(r.Context(), account, c, own); err != nil {
				return nil, err
			}
			s.previews.put(name, c, preview)
			known = true
		}
		row.Preview, data.Later = preview, data.Later || !known
		data.Rows = append(data.Rows, row)
	}
	return data, nil
}

// values are the query of a piece that begins after a place.
func (q *listQuery) values(after string) url.Values {
	values := url.Values{}
	if q.Text != "" {
		values.Set("q", q.Text)
	}
	if q.Hidden {
		values.Set("hidden", "1")
	}
	if after != "" {
		values.Set("after", after)
	}
	return values
}

// readPreview reads the newest that was said in a conversation, from this device alone; nil where that is not here.
func readPreview(ctx context.Context, account api.Account, c *engine.Conversation, own []string) (*previewView, error) {
	found, err := account.Read(ctx, c.Contact, history.ReadOptions{Limit: previewRecords, Local: true})
	if err != nil {
		return nil, err
	}
	newer := slices.IndexFunc(found.Messages, func(m container.Envelope) bool {
		return !slices.ContainsFunc(found.Gaps, func(g engine.Gap) bool { return m.Timestamp <= g.Last })
	})
	if newer < 0 {
		return nil, nil
	}
	w := &foldWindow{behind: found.Messages[:newer], slice: found.Messages[newer:]}
	entry, said := w.last(own)
	if !said {
		return nil, nil
	}
	preview := previewOf(&entry)
	return &preview, nil
}

// letterOf is the letter in a contact's picture.
func letterOf(contact string) string {
	for _, r := range display.Line(contact) {
		return string(r)
	}
	return ""
}

// hueOf is the colour of a contact's picture, of 6; it helps the eye and says nothing.
func hueOf(contact string) int {
	sum := sha256.Sum256([]byte(contact))
	return int(sum[0]) % 6
}

// previews keeps the newest lines of conversations in memory, so that the list is quick. It is safe for concurrent use.
type previews struct {
	mu   sync.Mutex
	kept map[previewKey]*previewView
}

// previewKey changes whenever a conversation does.
type previewKey struct {
	account, contact string
	last             int64
	messages         int
	pending          int
}

func keyOfPreview(account string, c *engine.Conversation) previewKey {
	return previewKey{account, c.Contact, c.Last, c.Messages, c.Pending}
}

func (p *previews) get(account string, c *engine.Conversation) (preview *previewView, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	preview, known = p.kept[keyOfPreview(account, c)]
	return preview, known
}

// put keeps a preview; when there are too many, it begins anew. One that is not here is not kept, for it may come.
func (p *previews) put(account string, c *engine.Conversation, preview *previewView) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if preview == nil {
		return
	}
	if p.kept == nil || len(p.kept) >= mostPreviews {
		p.kept = make(map[previewKey]*previewView)
	}
	p.kept[keyOfPreview(account, c)] = preview
}
