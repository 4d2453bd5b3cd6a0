package gdrive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
)

const (
	// wholeLimit is the most that Drive's guide sends in one request; more goes in parts of partSize, a multiple of 256 KiB.
	wholeLimit = 5 << 20
	partSize   = 4 << 20
	// interruptions is how often an upload in parts is taken up again inside one call without having moved.
	interruptions = 3

	jsonType = "application/json; charset=UTF-8"
)

// upload creates a file. The client library is not used for it: what that does in parts it does not take up where Drive
// says it is, and it repeats requests itself.
func (s *Store) upload(ctx context.Context, folder, name string, begun creation, data []byte) (*drive.File, error) {
	description, err := json.Marshal(&drive.File{
		Id: begun.id, Name: containerOf(name), MimeType: objectType, Parents: []string{folder}, AppProperties: propertiesOf(name),
	})
	if err != nil {
		return nil, err
	}
	if len(data) <= wholeLimit {
		return s.uploadWhole(ctx, description, data)
	}
	return s.uploadParts(ctx, name, begun, description, data)
}

func (s *Store) uploadAddress(kind string) string {
	query := url.Values{"uploadType": {kind}, "supportsAllDrives": {"true"}, "fields": {fileFields}}
	return s.root + "/upload/drive/v3/files?" + query.Encode()
}

func (s *Store) uploadWhole(ctx context.Context, description, data []byte) (*drive.File, error) {
	var body bytes.Buffer
	body.Grow(len(data) + len(description) + 512)
	writer := multipart.NewWriter(&body)
	if err := writer.SetBoundary(rand.Text()); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		kind string
		data []byte
	}{{jsonType, description}, {objectType, data}} {
		w, err := writer.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind}})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(part.data); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"multipart/related; boundary=" + writer.Boundary()}}
	made, _, err := s.send(ctx, http.MethodPost, s.uploadAddress("multipart"), header, body.Bytes())
	return made, err
}

// send makes one request of an upload. Without an error either the file is made, or the answer's header says how to go on.
func (s *Store) send(ctx context.Context, method, address string, header http.Header, body []byte) (*drive.File, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header = header
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	begun := method == http.MethodPost && answer.StatusCode == http.StatusOK && answer.Header.Get("Location") != ""
	if begun || answer.StatusCode == http.StatusPermanentRedirect && method == http.MethodPut {
		return nil, answer.Header, nil
	}
	if err := googleapi.CheckResponse(answer); err != nil {
		return nil, nil, err
	}
	made := &drive.File{}
	if err := json.NewDecoder(answer.Body).Decode(made); err != nil {
		return nil, nil, err
	}
	if made.Id == "" {
		return nil, nil, fmt.Errorf("an answer that is no file of Drive: %w", io.ErrUnexpectedEOF)
	}
	return made, nil, nil
}

// uploadParts goes on with the upload that an earlier call has begun, else begins one. What came so far counts, also
// for the next call.
func (s *Store) uploadParts(ctx context.Context, name string, begun creation, description, data []byte) (*drive.File, error) {
	offset := int64(-1) // unknown: ask
	if begun.session == "" {
		var err error
		if begun.session, err = s.beginParts(ctx, description, len(data)); err != nil {
			return nil, err
		}
		s.pending.set(name, begun)
		offset = 0
	}
	reached := int64(0)
	for failures := 0; ; {
		made, next, err := s.sendPart(ctx, begun.session, offset, data)
		switch {
		case has(err, http.StatusNotFound) || has(err, http.StatusGone):
			begun.session = "" // it lasts a week
			s.pending.set(name, begun)
			return nil, fmt.Errorf("%w: the upload has ended at the server: %w", providers.ErrTransient, answered(err))
		case made != nil:
			return made, nil
		case err == nil && (next > reached || offset < 0): // it moved, or has told where it is
			if offset = next; next > reached {
				reached, failures = next, 0
			}
			continue
		case err == nil: // it stands, or fell back
			offset = next
		case !providers.Retriable(translate(ctx, "put", name, err)) || has(err, http.StatusTooManyRequests) || has(err, http.StatusForbidden):
			return nil, err
		default:
			offset = -1
		}
		if failures++; failures > interruptions {
			if err == nil {
				err = fmt.Errorf("%w: the upload does not move", providers.ErrTransient)
			}
			return nil, err
		}
	}
}

// beginParts returns the address of a new upload, at the endpoint that is set, whatever host Drive names.
func (s *Store) beginParts(ctx context.Context, description []byte, size int) (string, error) {
	header := http.Header{"Content-Type": {jsonType}, "X-Upload-Content-Type": {objectType}, "X-Upload-Content-Length": {strconv.Itoa(size)}}
	_, answer, err := s.send(ctx, http.MethodPost, s.uploadAddress("resumable"), header, description)
	if err != nil {
		return "", err
	}
	address, err := url.Parse(answer.Get("Location"))
	if err != nil || address.RawQuery == "" {
		return "", fmt.Errorf("an upload without an address: %w", io.ErrUnexpectedEOF)
	}
	return s.root + strings.TrimPrefix(address.EscapedPath(), s.prefix()) + "?" + address.RawQuery, nil
}

// prefix is the path of the endpoint: a gateway may have put it before Drive's own in addresses that it hands on.
func (s *Store) prefix() string {
	root, err := url.Parse(s.root)
	if err != nil {
		return ""
	}
	return strings.TrimRight(root.EscapedPath(), "/")
}

// sendPart sends the bytes from offset on, or with offset -1 asks where to go on; next is what Drive has.
func (s *Store) sendPart(ctx context.Context, session string, offset int64, data []byte) (made *drive.File, next int64, err error) {
	total := int64(len(data))
	header := http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", total)}}
	var part []byte
	if offset >= 0 && offset < total {
		part = data[offset:min(offset+partSize, total)]
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+int64(len(part))-1, total))
		header.Set("Content-Type", objectType)
	}
	made, answer, err := s.send(ctx, http.MethodPut, session, header, part)
	if err != nil || made != nil {
		return made, 0, err
	}
	text := answer.Get("Range")
	if text == "" {
		return nil, 0, nil
	}
	var last int64
	if _, err := fmt.Sscanf(text, "bytes=0-%d", &last); err != nil || last < 0 || last >= total {
		return nil, 0, fmt.Errorf("an upload that is at %q: %w", plain(text), io.ErrUnexpectedEOF)
	}
	return nil, last + 1, nil
}
