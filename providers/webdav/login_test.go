package webdav_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// gate lets requests with the right login through to a WebDAV server, and counts those that it refuses.
type gate struct {
	wanted  func(r *http.Request) bool
	ask     func(header http.Header)
	inside  http.Handler
	refused atomic.Int32
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.wanted(r) {
		g.inside.ServeHTTP(w, r)
		return
	}
	g.refused.Add(1)
	io.Copy(io.Discard, r.Body)
	g.ask(w.Header())
	w.WriteHeader(http.StatusUnauthorized)
}

func asks(challenges ...string) func(http.Header) {
	return func(header http.Header) { header["Www-Authenticate"] = challenges }
}

func basic(r *http.Request) bool {
	user, secret, ok := r.BasicAuth()
	return ok && user == testUser && secret == testSecret
}

func bearer(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+testSecret }

// roundTrip makes a place, puts, gets and lists.
func roundTrip(t *testing.T, o *webdav.Options) {
	t.Helper()
	store := place(t, o)
	for i := range 6 {
		if err := store.Put(t.Context(), fmt.Sprintf("a/%d", i), make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), fmt.Sprintf("a/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if found := listed(t, store, ""); len(found) != 6 {
		t.Errorf("listed %v", found)
	}
}

func TestLogins(t *testing.T) {
	for _, c := range []struct {
		name     string
		auth     string
		username string
		gate     *gate
		refused  int32 // answers 401 to two stores
	}{
		{"basic", webdav.AuthBasic, testUser, &gate{wanted: basic, ask: asks(`Basic realm="x"`)}, 0},
		{"auto, basic", webdav.AuthAuto, testUser, &gate{wanted: basic, ask: asks(`Bearer realm="x"`, `Basic realm="x", charset="UTF-8"`)}, 2},
		{"default", "", testUser, &gate{wanted: basic, ask: asks(`Negotiate abc==, Basic realm="a \"b\", Digest"`)}, 2},
		{"bearer", webdav.AuthBearer, "", &gate{wanted: bearer, ask: asks(`Bearer`)}, 0},
		{"auto, bearer", webdav.AuthAuto, "", &gate{wanted: bearer, ask: asks(`Basic realm="x", Bearer realm="x"`)}, 2},
		{"none", webdav.AuthNone, "", &gate{wanted: func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.gate.inside = handler(t.TempDir(), nil)
			roundTrip(t, &webdav.Options{URL: serve(t, c.gate) + "/dav", Auth: c.auth, Username: c.username, Secret: testSecret})
			if got := c.gate.refused.Load(); got != c.refused {
				t.Errorf("%d requests were refused, want %d", got, c.refused)
			}
		})
	}
}

// digests checks logins by RFC 7616, as strictly as it allows: every count once and in turn, every nonce for some uses.
type digests struct {
	t       *testing.T
	name    string
	hash    func() hash.Hash
	session bool
	uses    int // of one nonce; then it is old

	mutex sync.Mutex
	seen  map[string]int
}

var digestField = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|[^", ]+)`)

func (d *digests) sum(parts ...string) string {
	h := d.hash()
	io.WriteString(h, strings.Join(parts, ":"))
	return hex.EncodeToString(h.Sum(nil))
}

func (d *digests) wanted(r *http.Request) bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	header := r.Header.Get("Authorization")
	if header == "" {
		return false
	}
	if strings.Contains(header, testSecret) || !strings.HasPrefix(header, "Digest ") {
		d.t.Errorf("sent %q", header)
	}
	fields := make(map[string]string)
	for _, match := range digestField.FindAllStringSubmatch(header, -1) {
		fields[match[1]] = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Trim(match[2], `"`))
	}
	count, known := d.seen[fields["nonce"]]
	if !known || count >= d.uses {
		return false
	}
	if fields["nc"] != fmt.Sprintf("%08x", count+1) || fields["uri"] != r.RequestURI || fields["opaque"] != "o" {
		d.t.Errorf("%s %s: %v after %d uses", r.Method, r.RequestURI, fields, count)
	}
	d.seen[fields["nonce"]]++
	user := d.sum(testUser, d.realm(), testSecret)
	if d.session {
		user = d.sum(user, fields["nonce"], fields["cnonce"])
	}
	return fields["response"] == d.sum(user, fields["nonce"], fields["nc"], fields["cnonce"], "auth", d.sum(r.Method, fields["uri"]))
}

func (d *digests) realm() string { return `a "quoted", realm` }

func (d *digests) ask(header http.Header) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	nonce := fmt.Sprintf("n%d", len(d.seen))
	d.seen[nonce] = 0
	algorithm := d.name
	if d.session {
		algorithm += "-sess"
	}
	header["Www-Authenticate"] = []string{
		`Basic realm="x"`,
		`Digest realm="a \"quoted\", realm", nonce="` + nonce + `", opaque=o, qop="auth-int,auth", algorithm=` + algorithm + `, stale=false`,
		`Digest realm="a \"quoted\", realm", nonce="other", algorithm=UNKNOWN`,
	}
}

func TestDigest(t *testing.T) {
	for _, d := range []*digests{
		{name: "MD5", hash: md5.New, uses: 1000},
		{name: "MD5", hash: md5.New, uses: 1},
		{name: "SHA-256", hash: sha256.New, uses: 3},
		{name: "SHA-256", hash: sha256.New, uses: 2, session: true},
	} {
		for _, auth := range []string{webdav.AuthAuto, webdav.AuthDigest} {
			t.Run(fmt.Sprint(d.name, d.session, d.uses, auth), func(t *testing.T) {
				d := &digests{t: t, name: d.name, hash: d.hash, uses: d.uses, session: d.session, seen: map[string]int{}}
				g := &gate{wanted: d.wanted, ask: d.ask, inside: handler(t.TempDir(), nil)}
				address := serve(t, g) + "/d%C3%A4v%20x" // the path that counts is the one that was sent
				roundTrip(t, &webdav.Options{URL: address, Auth: auth, Username: testUser, Secret: testSecret})
				if d.uses == 1000 && g.refused.Load() != 2 {
					t.Errorf("%d requests were refused to two stores", g.refused.Load())
				}
			})
		}
	}
}

// TestWrongPassword: the server is not asked again and again, which would lock the account, and is not told the password
// in a weaker way than was chosen.
func TestWrongPassword(t *testing.T) {
	never := func(*http.Request) bool { return false }
	for _, auth := range []string{webdav.AuthAuto, webdav.AuthBasic, webdav.AuthDigest, webdav.AuthBearer, webdav.AuthNone} {
		for _, challenge := range []string{`Digest realm="x", nonce="1", qop="auth"`, `Basic realm="x"`, "Bearer", "Unknown", ""} {
			o := &webdav.Options{Auth: auth, Username: testUser, Secret: testSecret}
			if auth == webdav.AuthNone || auth == webdav.AuthBearer {
				o.Username = ""
			}
			g := &gate{ask: asks(challenge), wanted: func(r *http.Request) bool {
				if header := r.Header.Get("Authorization"); auth == webdav.AuthNone && header != "" ||
					auth == webdav.AuthDigest && header != "" && !strings.HasPrefix(header, "Digest ") {
					t.Errorf("%s, %s: sent %q", auth, challenge, header)
				}
				return never(r)
			}}
			o.URL = serve(t, g)
			store := newStore(t, o)
			for range 2 {
				g.refused.Store(0)
				_, err := store.Get(t.Context(), "a/1")
				wantError(t, auth+", "+challenge, err, providers.ErrUnauthorised)
				if g.refused.Load() > 2 {
					t.Errorf("%s, %s: asked %d times", auth, challenge, g.refused.Load())
				}
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	good := func() *webdav.Options {
		return &webdav.Options{URL: "https://host/dav", Username: testUser, Secret: "hunter2"}
	}
	if _, err := webdav.New(good()); err != nil {
		t.Fatal(err)
	}
	if _, err := webdav.New(nil); err == nil {
		t.Error("no url")
	}
	for name, change := range map[string]func(*webdav.Options){
		"url without scheme":     func(o *webdav.Options) { o.URL = "host/dav" },
		"url of another kind":    func(o *webdav.Options) { o.URL = "dav://host/dav" },
		"url with password":      func(o *webdav.Options) { o.URL = "https://user:hunter2@host" },
		"url with query":         func(o *webdav.Options) { o.URL = "https://host/?token=hunter2" },
		"url with fragment":      func(o *webdav.Options) { o.URL = "https://host/#hunter2" },
		"unknown auth":           func(o *webdav.Options) { o.Auth = "kerberos" },
		"basic without user":     func(o *webdav.Options) { o.Auth, o.Username = webdav.AuthBasic, "" },
		"bearer without token":   func(o *webdav.Options) { o.Auth, o.Secret = webdav.AuthBearer, "" },
		"user name with a colon": func(o *webdav.Options) { o.Username = "a:b" },
		"secret with a line end": func(o *webdav.Options) { o.Secret = "hunter2\n" },
		"proxy":                  func(o *webdav.Options) { o.Proxy = "http://user:hunter2@host:bad" },
		"no authority file":      func(o *webdav.Options) { o.CAFile = "/missing.pem" },
		"no certificate file":    func(o *webdav.Options) { o.CertificateFile = "/missing.pem" },
	} {
		o := good()
		change(o)
		if _, err := webdav.New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
