package dm3api

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// What the stock server says where it refuses.
const (
	badSchema = "invalid schema"
	notAdded  = "unable to add message"
	notHidden = "unable to toggle hide-conversation"
	notClear  = "unable to clear halted message"
)

// latestDate is the last moment of JavaScript's dates, in milliseconds.
const latestDate = 8.64e15

func (h *handler) addConversation(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	contact := body.text("encryptedContactName", &err)
	location := ""
	if body.truthy("encryptedProfileLocation") {
		location = body.text("encryptedProfileLocation", &err)
	}
	if err == nil && contact == "" {
		err = errSchema
	}
	if err == nil {
		err = h.backend.AddConversation(r.Context(), account, contact, location)
	}
	h.done(w, r, err, "unable to add conversation")
}

func (h *handler) getConversations(w http.ResponseWriter, r *http.Request, account string) {
	page, err := readPage(r, DefaultConversationPage)
	conversations := []Conversation{}
	if err == nil {
		conversations, err = h.backend.Conversations(r.Context(), account, page)
	}
	h.give(w, r, present(conversations), err)
}

func (h *handler) getNumberOfConversations(w http.ResponseWriter, r *http.Request, account string) {
	number, err := h.backend.NumberOfConversations(r.Context(), account)
	h.give(w, r, number, err)
}

func (h *handler) toggleHideConversation(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	contact := body.text("encryptedContactName", &err)
	if err == nil && contact == "" {
		err = errSchema
	}
	var hide bool
	if err == nil && !body.bool("hide", &hide) {
		err = ErrNotAdded
	}
	if err == nil {
		err = h.backend.ToggleHideConversation(r.Context(), account, contact, hide)
	}
	h.done(w, r, err, notHidden)
}

func (h *handler) addMessage(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	contact := body.text("encryptedContactName", &err)
	delete(body, "encryptedContactName")
	record := body.record(&err)
	if err == nil {
		err = h.backend.AddMessage(r.Context(), account, contact, record)
	}
	h.done(w, r, err, notAdded)
}

func (h *handler) addMessageBatch(w http.ResponseWriter, r *http.Request, account string) {
	contact, records, err := readBatch(r, "messageBatch")
	if err == nil {
		err = h.backend.AddMessageBatch(r.Context(), account, contact, records)
	}
	if errors.Is(err, ErrNotAdded) && !errors.Is(err, errSchema) {
		err = nil // what the stock server says to everything
	}
	h.done(w, r, err, notAdded)
}

func (h *handler) editMessageBatch(w http.ResponseWriter, r *http.Request, account string) {
	contact, records, err := readBatch(r, "editMessageBatchPayload")
	if err == nil {
		err = h.backend.EditMessageBatch(r.Context(), account, contact, records)
	}
	h.done(w, r, err, notAdded)
}

func (h *handler) getMessages(w http.ResponseWriter, r *http.Request, account string) {
	page, err := readPage(r, DefaultMessagePage)
	var messages []Message
	if err == nil {
		messages, err = h.backend.Messages(r.Context(), account, r.PathValue("contact"), page)
	}
	texts := make([]string, len(messages))
	for i := range messages {
		text, failure := json.Marshal(&messages[i])
		if failure != nil {
			err = failure
			break
		}
		texts[i] = string(text)
	}
	h.give(w, r, texts, err)
}

func (h *handler) getNumberOfMessages(w http.ResponseWriter, r *http.Request, account string) {
	number, err := h.backend.NumberOfMessages(r.Context(), account, r.PathValue("contact"))
	h.give(w, r, number, err)
}

func (h *handler) getHaltedMessages(w http.ResponseWriter, r *http.Request, account string) {
	messages, err := h.backend.HaltedMessages(r.Context(), account)
	h.give(w, r, present(messages), err)
}

func (h *handler) clearHaltedMessage(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	id := body.text("messageId", &err)
	alias := ""
	if body.truthy("aliasName") {
		alias = body.text("aliasName", &err)
	}
	if err == nil && id == "" {
		err = errSchema
	}
	if err == nil {
		err = h.backend.ClearHaltedMessage(r.Context(), account, id, alias)
	}
	h.done(w, r, err, notClear)
}

func (h *handler) challenge(w http.ResponseWriter, r *http.Request, account string) {
	challenge, err := h.options.Login.Challenge(r.Context(), account)
	if errors.Is(err, ErrUnknownAccount) {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	h.give(w, r, challenge, err)
}

func (h *handler) logIn(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	signature, challenge := body.text("signature", &err), body.text("challenge", &err)
	if err == nil && len(body) != 2 {
		err = errSchema
	}
	if err != nil {
		h.fail(w, r, err, badSchema)
		return
	}
	token, err := h.options.Login.Session(r.Context(), account, challenge, signature)
	if errors.Is(err, ErrLogin) || errors.Is(err, ErrUnknownAccount) {
		text, failure := json.Marshal(map[string]string{"error": err.Error()})
		if failure != nil {
			h.options.Inside(w, r, failure)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(text) // who asked may have gone
		return
	}
	h.give(w, r, token, err)
}

func (h *handler) profile(w http.ResponseWriter, r *http.Request, account string) {
	profile, err := h.options.Profiles.Profile(r.Context(), account)
	if errors.Is(err, ErrNoProfile) {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	h.give(w, r, profile, err)
}

func (h *handler) register(w http.ResponseWriter, r *http.Request, account string) {
	body, err := readObject(r)
	profile := SignedProfile{Profile: body["profile"], Signature: body.text("signature", &err)}
	if err == nil && (len(body) != 2 || len(profile.Profile) == 0) {
		err = errSchema
	}
	var token string
	if err == nil {
		token, err = h.options.Profiles.Register(r.Context(), account, profile)
	}
	if errors.Is(err, ErrLogin) {
		refuse(w, http.StatusBadRequest, "Couldn't store profile")
		return
	}
	h.give(w, r, token, err)
}

// present makes an empty list of none, as JSON tells them apart.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// readPage reads a page from the query as JavaScript's parseInt does: 0 and what is no number mean the default.
func readPage(r *http.Request, size int) (Page, error) {
	page := Page{Size: parseInt(r.URL.Query().Get("pageSize")), Offset: parseInt(r.URL.Query().Get("offset"))}
	if page.Size == 0 {
		page.Size = size
	}
	if page.Size < 0 || page.Offset < 0 {
		return Page{}, errSchema
	}
	return page, nil
}

// parseInt reads the number that a text begins with, as JavaScript's parseInt does; 0 where there is none.
func parseInt(text string) int {
	text = strings.TrimLeft(text, " \t\n\r")
	end := 0
	for end < len(text) && ('0' <= text[end] && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	number, err := strconv.ParseInt(text[:end], 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && text[0] == '-':
		return math.MinInt32
	case errors.Is(err, strconv.ErrRange):
		return math.MaxInt32
	case err != nil:
		return 0
	}
	return int(max(math.MinInt32, min(number, math.MaxInt32)))
}
