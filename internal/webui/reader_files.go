package webui

import (
	"context"
	"net/url"
	"path"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// largestPicture is how large an image may be that a page shows by itself.
const largestPicture = 8 << 20

// Archive gives attachments that messages only refer to, where this device fetched and keeps them. An account may be one.
// Safe for concurrent use.
type Archive interface {
	// Archived returns the content that was kept for an address, which is as a message gives it: hostile.
	Archived(ctx context.Context, uri string) (data []byte, found bool, err error)
}

// fileView is one attachment. Without a Number's content it says why in Note.
type fileView struct {
	Number        int
	Name          string
	Size          string
	SaveAs        string
	Image         bool
	Width, Height int
	Link          string // where it would be, on https; nothing was asked there
	Note          string
}

// attachments makes the views of a message's attachments, from what is on this device alone.
type attachments struct {
	ctx     context.Context // of the request that it lives for
	archive Archive         // may be nil
}

func (a *attachments) views(e *foldedEntry) (shown []fileView, more int) {
	for i, one := range e.Shown.Attachments {
		if i == shownFiles {
			return shown, len(e.Shown.Attachments) - i
		}
		shown = append(shown, a.view(i, one))
	}
	return shown, 0
}

func (a *attachments) view(number int, one thread.Attachment) fileView {
	v := fileView{Number: number, SaveAs: saveAs(one)}
	v.Name = display.Excerpt(one.Name, nameLetters)
	data, note := a.content(one.URI)
	if v.Note = note; note != "" {
		if v.Link = display.LinkTarget(one.URI); len(v.Link) < len("https:") || v.Link[:len("https:")] != "https:" {
			v.Link = ""
		}
		if v.Name == "" {
			v.Name = display.Excerpt(one.URI, nameLetters)
		}
		return v
	}
	if v.Name == "" {
		v.Name = v.SaveAs
	}
	v.Size = bytesText(int64(len(data)))
	if len(data) <= largestPicture {
		var kind string
		kind, v.Width, v.Height = display.Image(data)
		v.Width, v.Height = shownSize(v.Width, v.Height)
		v.Image = kind != ""
	}
	return v
}

// content returns an attachment, or why it is not here. Nothing is asked of the network.
func (a *attachments) content(uri string) (data []byte, note string) {
	if display.IsData(uri) {
		data, err := display.ParseData(uri)
		if err != nil {
			return nil, "it can't be read"
		}
		return data, ""
	}
	if a.archive != nil {
		data, found, err := a.archive.Archived(a.ctx, uri)
		switch {
		case err != nil:
			return nil, "the copy on this device can't be read"
		case found:
			return data, ""
		}
	}
	return nil, "not kept: the message only refers to it"
}

// saveAs is the name under which an attachment is saved.
func saveAs(a thread.Attachment) string {
	name := a.Name
	if name == "" && !display.IsData(a.URI) {
		if u, err := url.Parse(a.URI); err == nil && u.Path != "" && u.Path != "/" {
			name = path.Base(u.Path)
		}
	}
	return display.FileName(name)
}

// pictureHigh is how high a picture is shown, at most, in CSS pixels.
const pictureHigh = 384

// shownSize is the size in which a picture is shown. The page keeps that room free while the picture comes, so that nothing moves.
func shownSize(width, height int) (shownWidth, shownHeight int) {
	if height <= pictureHigh {
		return width, height
	}
	return max(width*pictureHigh/height, 1), pictureHigh
}
