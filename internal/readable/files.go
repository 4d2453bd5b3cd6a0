package readable

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"io"
	"net/url"
	"path"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// Bounds of what an HTML page holds itself; what is larger lies beside it.
const (
	inlineFile = 2 << 20
	pageInline = 16 << 20
	maxFiles   = 100 // attachments of one message that are shown
)

// pageRoom is how many bytes of attachments a page still takes.
type pageRoom struct{ left int }

func (r *pageRoom) take(n int) bool {
	if n > inlineFile || n > r.left {
		return false
	}
	r.left -= n
	return true
}

// files shows the attachments of a message.
func (c *conversation) files(ctx context.Context, v *entryView, r *thread.Record, room *pageRoom) error {
	for i, a := range r.Attachments {
		if i == maxFiles {
			v.Files = append(v.Files, fileView{Name: "more attachments", Note: display.Plural(len(r.Attachments)-i, "more attachment") + ", not shown"})
			break
		}
		view := fileView{Name: display.Excerpt(a.Name, quoteLetters)}
		data, note, err := c.content(ctx, a.URI)
		switch {
		case err != nil:
			return err
		case note != "":
			view.Note, view.Link = note, display.LinkTarget(a.URI)
			view.Name = orElse(view.Name, display.Excerpt(shortURI(a.URI), quoteLetters))
		default:
			if err := c.show(&view, a, data, room); err != nil {
				return err
			}
		}
		v.Files = append(v.Files, view)
	}
	return nil
}

// content returns an attachment, or a note why it is not there.
func (c *conversation) content(ctx context.Context, uri string) (data []byte, note string, err error) {
	if display.IsData(uri) {
		if data, err = display.ParseData(uri); err != nil {
			return nil, "it can't be read", nil //nolint:nilerr // the note says so; the raw record has the whole of it
		}
		return data, "", nil
	}
	if c.Archived != nil {
		data, found, err := c.Archived(ctx, uri)
		if err != nil {
			return nil, "", &readError{err}
		}
		if found {
			return data, "", nil
		}
	}
	c.result.Missing++
	return nil, "not kept: the message only refers to it", nil
}

// show puts an attachment into the page, or beside it.
func (c *conversation) show(view *fileView, a thread.Attachment, data []byte, room *pageRoom) error {
	c.result.Attachments++
	view.Size = humanize.Bytes(uint64(len(data)))
	image := display.ImageType(data)
	view.SaveAs = display.FileName(orElse(a.Name, nameIn(a.URI)))
	view.Name = orElse(view.Name, view.SaveAs)
	if c.Format == HTML && room.take(len(data)) {
		if image != "" {
			view.Image = dataURI(image, data)
		} else {
			view.Save = dataURI("application/octet-stream", data)
		}
		return nil
	}
	view.Picture = image != ""
	name, err := c.beside(view.SaveAs, image, data)
	view.Beside = "files/" + name
	return err
}

// beside writes an attachment into the conversation's folder of files, once, and returns its name there.
func (c *conversation) beside(name, image string, data []byte) (string, error) {
	if image != "" {
		name = name[:len(name)-len(path.Ext(name))] + "." + image[len("image/"):]
	}
	sum := sha256.Sum256(data)
	name = hex.EncodeToString(sum[:6]) + "-" + name
	file := path.Join(c.slug, "files", name)
	if c.folder.written[file] {
		return name, nil
	}
	return name, c.folder.write(file, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// dataURI writes bytes under a type that was found, never one that was claimed.
func dataURI(kind string, data []byte) template.URL {
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)) // nothing of it is as given
}

// nameIn is the last part of an address's path, as a name.
func nameIn(uri string) string {
	if u, err := url.Parse(uri); err == nil && !display.IsData(uri) && u.Path != "" && u.Path != "/" {
		return path.Base(u.Path)
	}
	return ""
}

func shortURI(uri string) string {
	if len(uri) > 500 {
		return uri[:500]
	}
	return uri
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
