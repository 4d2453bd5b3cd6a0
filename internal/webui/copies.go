package webui

import (
	"net/http"
	"net/url"
)

// copiesData says which copies of an account, or of one of its conversations, can be saved, and where they are had.
type copiesData struct {
	Account, Contact string // Contact is empty for all conversations
	Hidden           int    // conversations that are hidden
	Readable, Sealed string // addresses of the interface for programs, which stands beside the page
	Records, Back    string // addresses of the conversation's
}

func newCopies(account string) *copiesData {
	exports := "/v1/accounts/" + url.PathEscape(account) + "/exports/"
	return &copiesData{Account: account, Readable: exports + "readable", Sealed: exports + "sealed"}
}

// accountCopies offers copies of all conversations of an account.
func (s *Site) accountCopies(w http.ResponseWriter, r *http.Request) error {
	account, name, err := s.namedAccount(r.PathValue("account"))
	if err != nil {
		return err
	}
	all, err := account.Conversations(r.Context())
	if err != nil {
		return err
	}
	data := newCopies(name)
	for _, c := range all {
		if c.Hidden {
			data.Hidden++
		}
	}
	return s.renderCopies(w, r, data)
}

// conversationCopies offers copies of one conversation.
func (s *Site) conversationCopies(w http.ResponseWriter, r *http.Request) error {
	c, err := s.readerOf(r)
	if err != nil {
		return err
	}
	if err := c.known(r.Context()); err != nil {
		return err
	}
	data := newCopies(c.name)
	data.Contact, data.Records, data.Back = c.contact, c.path("/export"), c.path("")
	return s.renderCopies(w, r, data)
}

func (s *Site) renderCopies(w http.ResponseWriter, r *http.Request, data *copiesData) error {
	section := "overview"
	if data.Contact != "" {
		section = "conversations"
	}
	return s.render(w, r, "copies.html", view{Title: "Save a copy", Section: section, Data: data})
}
