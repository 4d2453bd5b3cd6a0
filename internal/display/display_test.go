package display_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/display"
)

func TestLinks(t *testing.T) {
	for text, want := range map[string][]string{
		"see https://a.example/b?c=d#e, then":            {"https://a.example/b?c=d#e"},
		"(https://a.example) <https://b.example>":        {"https://a.example", "https://b.example"},
		"HTTPS://A.example":                              {"https://A.example"},
		"mail mailto:a@b.example!":                       {"mailto:a@b.example"},
		"http://a.example ftp://a javascript:alert(1)":   nil,
		"https:// https://user@a.example mailto:nobody":  nil,
		"xhttps://a.example":                             nil,
		"https://a.example/\u202egpj.exe":                {"https://a.example/"},
		"https://a.example/\"onclick=\"x":                {"https://a.example/"},
		"https://a.example:99999999/ https://[::1/ done": {"https://a.example:99999999/"},
	} {
		var got []string
		whole := ""
		for _, piece := range display.Segments(display.Clean(text), display.Addresses()) {
			whole += piece.Text
			if piece.URL != "" {
				got = append(got, piece.URL)
			}
		}
		if !slices.Equal(got, want) || whole != display.Clean(text) {
			t.Errorf("%q: %q of %q", text, got, whole)
		}
	}
}

func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"cat.png": "cat.png", "": "attachment.bin", "../../etc/passwd": "_.._etc_passwd.bin", "a.html": "a.html.bin", "A.PDF": "A.PDF", "x.tar.gz": "x.tar.gz", ".bashrc": "bashrc.bin",
		"naïve résumé.docx": "na_ve_r_sum_.docx", "a\u202egnp.exe": "a_gnp.exe.bin", strings.Repeat("long", 30) + ".txt": strings.Repeat("long", 11) + ".txt", "...": "attachment.bin",
		"a." + strings.Repeat("x", 100): "a." + strings.Repeat("x", 46) + ".bin", "con": "con.bin", "a/b\\c:d.txt": "a_b_c_d.txt",
	} {
		if got := display.FileName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestDataURIs(t *testing.T) {
	for uri, want := range map[string]string{
		"data:,a%20b": "a b", "data:text/plain;charset=utf-8,x": "x", "DATA:;base64,aGk=": "hi", "data:;base64,aGk": "hi", "data:x;base64,_-8=": "\xff\xef", "data:;BASE64, a G\nk=": "hi",
		"data:,": "", "data:a;b,c": "c",
	} {
		if got, err := display.ParseData(uri); err != nil || string(got) != want {
			t.Errorf("%q: %q %v", uri, got, err)
		}
	}
	for _, uri := range []string{"data:", "data:text/plain", "data:;base64,!", "data:,%zz", "data:;base64,a"} {
		if got, err := display.ParseData(uri); err == nil {
			t.Errorf("%q: %q", uri, got)
		}
	}
	if display.IsData("data") || display.IsData("https://data:,") || !display.IsData("dAtA:") {
		t.Error("data URIs are not told from others")
	}
}

// TestImages: the size counts, and what can't be read is no image.
func TestImages(t *testing.T) {
	webp := func(kind string, body ...byte) []byte {
		return append([]byte("RIFF\x20\x00\x00\x00WEBP"+kind+"\x00\x00\x00\x00"), append(body, make([]byte, 20)...)...)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"gif":          {[]byte("GIF89a\x02\x00\x02\x00\x00\x00\x00"), "image/gif"},
		"gif, large":   {[]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), ""},
		"webp":         {webp("VP8X", 0, 0, 0, 0, 9, 0, 0, 9, 0, 0), "image/webp"},
		"webp, large":  {webp("VP8X", 0, 0, 0, 0, 0xff, 0xff, 0, 0xff, 0xff, 0), ""},
		"webp, lossy":  {webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0), "image/webp"},
		"webp, none":   {webp("VP8 "), ""},
		"webp, plain":  {webp("VP8L", 0x2f, 1, 1, 1, 1), "image/webp"},
		"webp, cut":    {webp("VP8X")[:20], ""},
		"png, no head": {[]byte("\x89PNG\r\n\x1a\n"), ""},
		"svg":          {[]byte("<svg></svg>"), ""},
		"bmp":          {[]byte("BM\x00\x00\x00\x00\x00\x00"), ""},
		"nothing":      {nil, ""},
	} {
		if got := display.ImageType(c.data); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
