package webdav

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Bounds of a listing, against answers that would exhaust memory.
const (
	mostEntries = 100_000   // in one collection; one container has some dozens of states
	mostElement = 256 << 10 // bytes of XML between two steps of the reader
	mostDepth   = 16        // of elements in each other
	mostAnswer  = 512 << 20 // bytes in all
)

// errTooMany says that a collection holds more than dm3sync ever puts into one.
var errTooMany = fmt.Errorf("a collection of more than %d entries", mostEntries)

// errBroken is for answers that end early, or are no multistatus of RFC 4918, 13.
var errBroken = errors.New("the server's listing is broken")

// entry is one resource that a multistatus answer tells of. Numbers are -1 where they were not told.
type entry struct {
	path       string // decoded, without a slash at the end; "" where it made no sense
	status     int    // of the resource itself; 200 where properties were told
	collection bool
	size       int64
	used, left int64 // bytes, of quotas
}

// dav is an element's name in the namespace of WebDAV.
func dav(name xml.Name, local string) bool { return name.Space == "DAV:" && name.Local == local }

// portioned fails when too much is read between two steps, so that no single name or text can be huge.
type portioned struct {
	source io.Reader
	left   int
}

// Read implements io.Reader.
func (p *portioned) Read(buffer []byte) (int, error) {
	if p.left <= 0 {
		return 0, fmt.Errorf("%w: an element of more than %d bytes", errBroken, mostElement)
	}
	n, err := p.source.Read(buffer[:min(len(buffer), p.left)])
	p.left -= n
	return n, err
}

// reader reads a multistatus answer, element by element, to its end.
type reader struct {
	source  *portioned
	decoder *xml.Decoder
	depth   int
}

// parseMultistatus reads a whole answer. Whatever is cut off, nested too deeply or of another kind is an error: a
// listing must not end silently.
func parseMultistatus(body io.Reader) ([]entry, error) {
	source := &portioned{source: body, left: mostElement}
	r := &reader{source: source, decoder: xml.NewDecoder(source)}
	root, err := r.next()
	if err != nil {
		return nil, err
	}
	if start, ok := root.(xml.StartElement); !ok || !dav(start.Name, "multistatus") {
		return nil, fmt.Errorf("%w: it does not begin as one", errBroken)
	}
	var entries []entry
	err = r.children(func(start xml.StartElement) error {
		if !dav(start.Name, "response") {
			return r.skip()
		}
		if len(entries) >= mostEntries {
			return errTooMany
		}
		e, err := r.response()
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it goes on after its end", errBroken)
	}
	return entries, nil
}

// next returns the next element's begin or end, or text; io.EOF only at the answer's proper end.
func (r *reader) next() (xml.Token, error) {
	for {
		r.source.left = mostElement
		token, err := r.decoder.Token()
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				err = fmt.Errorf("%w: %w", errBroken, err)
			}
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if r.depth++; r.depth > mostDepth {
				return nil, fmt.Errorf("%w: elements too deep in each other", errBroken)
			}
			return t, nil
		case xml.EndElement:
			r.depth--
			return t, nil
		case xml.CharData:
			if r.depth > 0 || strings.TrimSpace(string(t)) != "" {
				return t, nil
			}
		case xml.Directive:
			return nil, fmt.Errorf("%w: it has a document type", errBroken)
		}
	}
}

// children calls each for the begin of every element inside the one just begun; each reads it to its end.
func (r *reader) children(each func(xml.StartElement) error) error {
	for {
		token, err := r.next()
		if err != nil {
			return broken(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := each(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// broken makes an end in the midst of elements what it is.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", errBroken, io.ErrUnexpectedEOF)
	}
	return err
}

func (r *reader) skip() error {
	return r.children(func(xml.StartElement) error { return r.skip() })
}

// text returns the text of the element just begun.
func (r *reader) text() (string, error) {
	var b strings.Builder
	for {
		token, err := r.next()
		if err != nil {
			return "", broken(err)
		}
		switch t := token.(type) {
		case xml.CharData:
			if b.Len()+len(t) > mostElement {
				return "", fmt.Errorf("%w: a text of more than %d bytes", errBroken, mostElement)
			}
			b.Write(t)
		case xml.StartElement:
			if err := r.skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		}
	}
}

func (r *reader) response() (entry, error) {
	e := entry{size: -1, used: -1, left: -1}
	told := false
	err := r.children(func(start xml.StartElement) error {
		var text string
		var err error
		switch {
		case dav(start.Name, "href"):
			if text, err = r.text(); err == nil {
				e.path = hrefPath(text)
			}
			return err
		case dav(start.Name, "status"):
			if text, err = r.text(); err == nil {
				e.status, err = statusCode(text)
			}
			return err
		case dav(start.Name, "propstat"):
			found := e
			status, err := r.propstat(&found)
			if status == http.StatusOK {
				e, told = found, true
			}
			return err
		}
		return r.skip()
	})
	if told && e.status == 0 {
		e.status = http.StatusOK
	}
	return e, err
}

// propstat reads properties that share a status; they count only with 200.
func (r *reader) propstat(e *entry) (status int, err error) {
	err = r.children(func(start xml.StartElement) error {
		switch {
		case dav(start.Name, "prop"):
			return r.children(func(start xml.StartElement) error { return r.property(start, e) })
		case dav(start.Name, "status"):
			text, err := r.text()
			if err == nil {
				status, err = statusCode(text)
			}
			return err
		}
		return r.skip()
	})
	return status, err
}

func (r *reader) property(start xml.StartElement, e *entry) error {
	number := func(to *int64) error {
		text, err := r.text()
		if value, bad := strconv.ParseInt(text, 10, 64); bad == nil && value >= 0 {
			*to = value
		} else {
			*to = -1
		}
		return err
	}
	switch {
	case dav(start.Name, "resourcetype"):
		return r.children(func(start xml.StartElement) error {
			e.collection = e.collection || dav(start.Name, "collection")
			return r.skip()
		})
	case dav(start.Name, "getcontentlength"):
		return number(&e.size)
	case dav(start.Name, "quota-used-bytes"):
		return number(&e.used)
	case dav(start.Name, "quota-available-bytes"):
		return number(&e.left)
	}
	return r.skip()
}

// statusCode reads a line like "HTTP/1.1 200 OK".
func statusCode(line string) (int, error) {
	fields := strings.Fields(line)
	if len(fields) >= 2 && strings.HasPrefix(fields[0], "HTTP/") {
		if code, err := strconv.Atoi(fields[1]); err == nil && code >= 100 && code <= 999 {
			return code, nil
		}
	}
	return 0, fmt.Errorf("%w: a status that is none", errBroken)
}

// hrefPath returns the decoded path of an address, absolute or not, without a slash at the end; "" where it has none.
func hrefPath(href string) string {
	address, err := url.Parse(href)
	if err != nil || !strings.HasPrefix(address.Path, "/") {
		return ""
	}
	return path.Clean(address.Path)
}
