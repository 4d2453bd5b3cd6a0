package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// static serves what is embedded, under addresses that change with the content.
type static struct {
	files map[string]staticFile // by path, like "static/app.css"
}

type staticFile struct {
	plain, packed []byte // packed is empty where it would not help
	kind, digest  string
}

func newStatic() (*static, error) {
	s := &static{files: make(map[string]staticFile)}
	err := fs.WalkDir(staticFiles, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		file := staticFile{plain: text, kind: kindOf(name), digest: digest(text)}
		if packed := pack(text); len(packed) < len(text)*9/10 {
			file.packed = packed
		}
		s.files[name] = file
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webui: reading embedded files: %w", err)
	}
	return s, nil
}

// kindOf is the media type of a file. What the system knows of types is not asked, for it differs.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return mime.FormatMediaType("text/plain", map[string]string{"charset": "utf-8"})
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// pack compresses what holds no secret.
func pack(text []byte) []byte {
	packed := &bytes.Buffer{}
	w, _ := gzip.NewWriterLevel(packed, gzip.BestCompression) // the level is a known one
	_, _ = w.Write(text)                                      // writing to memory does not fail
	_ = w.Close()
	return packed.Bytes()
}

// address is where a page finds an embedded file; name is like "app.css".
func (s *static) address(name string) (string, error) {
	file, ok := s.files["static/"+name]
	if !ok {
		return "", fmt.Errorf("webui: no file %s is embedded", name)
	}
	return "/static/" + name + "?v=" + file.digest, nil
}

// ServeHTTP answers with a file; one that was asked for by its content may be kept for ever.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", file.kind)
	if r.URL.Query().Get("v") == file.digest {
		header.Set("Cache-Control", "private, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	body := file.plain
	if file.packed != nil {
		header.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			header.Set("Content-Encoding", "gzip")
			body = file.packed
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a browser that left does not want it
}
