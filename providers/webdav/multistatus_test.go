package webdav

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Answers as servers give them, of a collection with one object, one collection, and what others put there.
var samples = map[string]string{
	"apache": `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/" xmlns:g0="DAV:">
<D:href>/dav/3f/k.d/</D:href>
<D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><g0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
</D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/3f/k.d/one.o</D:href>
<D:propstat><D:prop><lp1:resourcetype/><lp1:getcontentlength>12</lp1:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/3f/k.d/sub.d/</D:href>
<D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/3f/k.d/a%20note%ff.txt</D:href>
<D:propstat><D:prop><lp1:resourcetype/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat>
</D:response>
</D:multistatus>
`,
	"nextcloud": `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns">` +
		`<d:response><d:href>/remote.php/dav/files/alice%40example/dm3sync/3f/k.d/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>` +
		`</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop><d:getcontentlength/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>` +
		`<d:response><d:href>/remote.php/dav/files/alice%40example/dm3sync/3f/k.d/one.o</d:href><d:propstat><d:prop><d:resourcetype/><d:getcontentlength>12</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>` +
		`<d:response><d:href>/remote.php/dav/files/alice%40example/dm3sync/3f/k.d/sub.d/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>`,
	"absolute, in another order, deeper than asked, one deleted meanwhile": `<multistatus xmlns="DAV:"><response><href>https://nas.example/x/k.d/one.o</href><propstat><status>HTTP/2 200</status><prop><getcontentlength> 12 </getcontentlength><resourcetype/></prop></propstat></response>` +
		`<response><href>https://nas.example/x/k.d/sub.d/two.o</href><propstat><prop><getcontentlength>1</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response>` +
		`<response><href>https://nas.example/x/k.d/sub.d</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response>` +
		`<response><href>https://nas.example/x/k.d/gone.o</href><status>HTTP/1.1 404 Not Found</status></response>` +
		`<response><href>https://nas.example/x/k.d</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response><sync-token>1</sync-token></multistatus>`,
}

func parse(text string) ([]child, error) {
	entries, err := parseMultistatus(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return below(entries, "k.d")
}

func TestListingsOfServers(t *testing.T) {
	for name, text := range samples {
		all, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all = slices.DeleteFunc(all, func(c child) bool { return strings.HasSuffix(c.name, ".txt") })
		if want := []child{{"one.o", false, 12}, {"sub.d", true, -1}}; !slices.Equal(all, want) {
			t.Errorf("%s: %+v", name, all)
		}
		// Cut off anywhere it is no listing, least of all a shorter one.
		for length := range len(strings.TrimSpace(text)) {
			if all, err := parse(text[:length]); err == nil {
				t.Fatalf("%s, the first %d bytes: %v", name, length, all)
			}
		}
		if _, err := parseMultistatus(io.MultiReader(strings.NewReader(text[:len(text)/2]), iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s, broken: %v", name, err)
		}
	}
}

func TestHostileListings(t *testing.T) {
	const (
		begin = `<multistatus xmlns="DAV:"><response><href>/x/k.d/</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response>`
		end   = `</multistatus>`
		size  = `<propstat><prop><getcontentlength>1</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat>`
	)
	for name, text := range map[string]string{
		"empty":                        "",
		"a login page":                 "<html><body>Log in</body></html>",
		"another namespace":            strings.ReplaceAll(begin+end, "DAV:", "other:"),
		"nothing in it":                `<multistatus xmlns="DAV:"></multistatus>`,
		"itself missing":               `<multistatus xmlns="DAV:"><response><href>/x/k.d/a.o</href>` + size + `</response></multistatus>`,
		"another collection":           strings.ReplaceAll(begin+end, "k.d", "other.d"),
		"two":                          begin + end + begin + end,
		"more text":                    begin + end + "x",
		"something elsewhere":          begin + `<response><href>/elsewhere/than/k.d/a.o</href>` + size + `</response>` + end,
		"an object without a size":     begin + `<response><href>/x/k.d/a.o</href><propstat><prop><resourcetype/></prop><status>HTTP/1.1 200 OK</status></propstat></response>` + end,
		"an object that is forbidden":  begin + `<response><href>/x/k.d/a.o</href><status>HTTP/1.1 403 Forbidden</status></response>` + end,
		"a container that is locked":   begin + `<response><href>/x/k.d/a.d/</href><status>HTTP/1.1 423 Locked</status></response>` + end,
		"a negative size":              begin + `<response><href>/x/k.d/a.o</href>` + strings.ReplaceAll(size, ">1<", ">-1<") + `</response>` + end,
		"a giant size":                 begin + `<response><href>/x/k.d/a.o</href>` + strings.ReplaceAll(size, ">1<", ">99999999999999999999<") + `</response>` + end,
		"no status":                    begin + `<response><href>/x/k.d/a.o</href><propstat><status>fine</status></propstat></response>` + end,
		"a document type":              `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + begin + end,
		"an entity":                    begin + `<response><href>/x/k.d/&a;.o</href></response>` + end,
		"another encoding":             `<?xml version="1.0" encoding="utf-16"?>` + begin + end,
		"deep":                         begin + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + end,
		"a giant text":                 begin + `<response><href>/x/k.d/` + strings.Repeat("a", 2*mostElement) + `.o</href>` + size + `</response>` + end,
		"a giant text in small pieces": begin + `<response><href>/x/k.d/` + strings.Repeat("a<!---->", mostElement+1) + `.o</href>` + size + `</response>` + end,
		"a giant comment":              begin + `<!--` + strings.Repeat("a", 2*mostElement) + `-->` + end,
		"a giant name":                 begin + `<` + strings.Repeat("a", 2*mostElement) + `/>` + end,
	} {
		if all, err := parse(text); err == nil {
			t.Errorf("%s: %v", name, all)
		}
	}
	if all, err := parse(begin + end); err != nil || len(all) != 0 {
		t.Errorf("an empty collection: %v %v", all, err)
	}
	endless := io.MultiReader(strings.NewReader(begin), &repeating{text: `<response><href>/x/k.d/a.o</href>` + size + `</response>`})
	if _, err := parseMultistatus(endless); !errors.Is(err, errTooMany) {
		t.Errorf("an endless listing: %v", err)
	}
}

// repeating is the same text without an end.
type repeating struct {
	text string
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func FuzzListing(f *testing.F) {
	for _, text := range samples {
		f.Add(text)
	}
	f.Add(`<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, own := range []string{"k.d", "/"} {
			entries, err := parseMultistatus(strings.NewReader(text))
			if err != nil {
				return
			}
			all, err := below(entries, own)
			if err != nil {
				continue
			}
			for _, c := range all {
				if c.name == "" || strings.Contains(c.name, "/") || c.size < -1 || strings.HasSuffix(c.name, fileEnding) && !c.collection && c.size < 0 {
					t.Errorf("%+v", c)
				}
			}
		}
	})
}

func FuzzChallenges(f *testing.F) {
	for _, header := range []string{`Basic realm="a, b", Digest realm="x\"", nonce=1, qop="auth,auth-int"`, `Negotiate abc==, Basic`, `Digest algorithm=SHA-256-sess,nonce="`} {
		f.Add(header, "user", "secret")
	}
	f.Fuzz(func(t *testing.T, header, user, secret string) {
		for _, c := range challenges(header) {
			d := newDigest(c)
			if d == nil {
				continue
			}
			one, other := d.answer(user, secret, "GET", "/x"), d.answer(user, secret, "GET", "/x")
			if d.protected && one == other || strings.ContainsAny(one, "\r\n") && !strings.ContainsAny(user, "\r\n") {
				t.Errorf("%q: %q, then %q", header, one, other)
			}
		}
	})
}

// TestSpread: names and paths go there and back, no two names share a path, and no file's is a collection's.
func TestSpread(t *testing.T) {
	files, folders := map[string]string{}, map[string]bool{}
	for _, name := range []string{"a", "a.o", "a.d", "a.d/x", "a.o/x", "a.d.d/x", "b/c/d", "b/c.d/d", "b/c.d.o", "0xabc/1", "0xabc/1.o"} {
		collection, file := split(name)
		path := collection + file
		if other, double := files[path]; double {
			t.Errorf("%s and %s: %s", name, other, path)
		}
		files[path] = name
		for i, c := range collection {
			if c == '/' {
				folders[collection[:i]] = true
			}
		}
		parts := strings.Split(strings.TrimSuffix(collection, "/"), "/")
		folder := ""
		for _, part := range parts[1:] {
			var ok bool
			if folder, ok = folderName(folder, part); !ok {
				t.Errorf("%s: %s is no folder", name, part)
			}
		}
		if back, ok := objectName(folder, file); !ok || back != name {
			t.Errorf("%s: %s is %s", name, path, back)
		}
	}
	for path, name := range files {
		if folders[path] {
			t.Errorf("%s is a collection too: %s", name, path)
		}
	}
	seen := map[string]int{}
	for i := range 10_000 {
		seen[spread(fmt.Sprintf("0x%064x", i))]++
	}
	for _, count := range seen {
		if len(seen) != 256 || count > 100 {
			t.Fatalf("%d collections, one with %d of 10,000", len(seen), count)
		}
	}
}
