package display

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// ErrDataURI is a data URI that can't be read. It holds nothing of it.
var ErrDataURI = errors.New("display: not a data URI that can be read")

// IsData tells whether an attachment is embedded.
func IsData(uri string) bool {
	return len(uri) >= len("data:") && strings.EqualFold(uri[:len("data:")], "data:")
}

// ParseData reads the content of a data URI (RFC 2397). The type that it claims is of no use: the content decides. What
// can't be read, and what is no data URI, is [ErrDataURI].
func ParseData(uri string) ([]byte, error) {
	if !IsData(uri) {
		return nil, ErrDataURI
	}
	head, body, found := strings.Cut(uri[len("data:"):], ",")
	if !found {
		return nil, ErrDataURI
	}
	text, err := url.PathUnescape(body)
	if err != nil {
		return nil, ErrDataURI
	}
	if at := strings.LastIndexByte(head, ';'); at < 0 || !strings.EqualFold(strings.TrimSpace(head[at+1:]), "base64") {
		return []byte(text), nil
	}
	text = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "", "\t", "").Replace(text)
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, ErrDataURI
	}
	return data, nil
}
