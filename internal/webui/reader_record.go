package webui

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// shownRecord is how much of a record its page shows; the rest comes with the file.
const shownRecord = 256 << 10

// inertPolicy forbids everything to a document that a browser is made to open by itself.
const inertPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// recordData is one record as it is stored.
type recordData struct {
	Path, Hash, Contact string
	Stamp               string
	Size                string
	Type, From, To      string
	Reference           string
	Text                string // of the record, byte for byte where it is valid UTF-8
	Cut                 bool
}

// messageRecord shows a record as it is stored.
func (s *Site) messageRecord(w http.ResponseWriter, r *http.Request) error {
	c, hash, envelope, err := s.messageOf(r)
	if err != nil {
		return err
	}
	record := thread.Read(envelope)
	v := viewer{in: c.in}
	data := &recordData{
		Path: c.path(""), Hash: hexOf(hash), Contact: c.contact, Stamp: v.full(envelope.Timestamp), Size: count(len(envelope.JSON), "byte"),
		Type: display.Excerpt(record.Type, nameLetters), From: display.Excerpt(record.From, textLetters), To: display.Excerpt(record.To, textLetters),
		Text: string(envelope.JSON),
	}
	if record.Reference != nil {
		data.Reference = hexOf(*record.Reference)
	}
	if len(envelope.JSON) > shownRecord {
		data.Text, data.Cut = string(bytes.ToValidUTF8(envelope.JSON[:shownRecord], nil)), true
	}
	if r.Header.Get("HX-Request") != "" {
		return s.fragment(w, "reader_record.html", "reader-record", data)
	}
	return s.render(w, r, "reader_record.html", view{Title: "Record", Section: "conversations", Data: data})
}

// messageJSON is a record as a file, byte for byte.
func (s *Site) messageJSON(w http.ResponseWriter, r *http.Request) error {
	_, hash, envelope, err := s.messageOf(r)
	if err != nil {
		return err
	}
	download(w, "application/json", hexOf(hash)+".json", len(envelope.JSON))
	_, _ = w.Write(envelope.JSON) // a browser that left does not want it
	return nil
}

// messageText is the whole text of a message whose beginning a page shows.
func (s *Site) messageText(w http.ResponseWriter, r *http.Request) error {
	c, _, envelope, err := s.messageOf(r)
	if err != nil {
		return err
	}
	record := thread.Read(envelope)
	pieces, _ := c.viewer(r.Context()).text(record.Text, false)
	return s.fragment(w, "reader_conversation.html", "reader-text", pieces)
}

// messageFile is an attachment: an image to be shown, where it is one, and anything else to be saved.
func (s *Site) messageFile(w http.ResponseWriter, r *http.Request) error {
	c, _, envelope, err := s.messageOf(r)
	if err != nil {
		return err
	}
	record := thread.Read(envelope)
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 0 || number >= len(record.Attachments) {
		return errNoPage
	}
	archive, _ := c.account.(Archive)
	files := attachments{ctx: r.Context(), archive: archive}
	one := record.Attachments[number]
	data, note := files.content(one.URI)
	if note != "" {
		return errNoPage
	}
	if kind := display.ImageType(data); kind != "" && r.URL.Query().Get("show") != "" {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", "inline")
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	} else {
		download(w, "application/octet-stream", saveAs(one), len(data))
	}
	w.Header().Set("Content-Security-Policy", inertPolicy)
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(data) // a browser that left does not want it
	return nil
}

// download sets the headers of a file to be saved. The name is one of ours, of harmless letters.
func download(w http.ResponseWriter, kind, name string, size int) {
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	header.Set("Content-Security-Policy", inertPolicy)
	if size > 0 {
		header.Set("Content-Length", strconv.Itoa(size))
	}
}
