package webdav

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// challenge is one way to log in that an answer 401 offers (RFC 9110, 11.6.1).
type challenge struct {
	scheme     string // lower case
	parameters map[string]string
}

// challenges reads the value of one WWW-Authenticate header, which may hold several. What makes no sense is left out.
func challenges(header string) []challenge {
	var found []challenge
	for rest := header; ; {
		rest = strings.TrimLeft(rest, " \t,")
		word := rest[:tokenEnd(rest)]
		if word == "" {
			return found
		}
		rest = strings.TrimLeft(rest[len(word):], " \t")
		if !strings.HasPrefix(rest, "=") {
			found = append(found, challenge{strings.ToLower(word), map[string]string{}})
			continue
		}
		var value string
		value, rest = parameterValue(strings.TrimLeft(rest[1:], " \t"))
		if len(found) > 0 {
			found[len(found)-1].parameters[strings.ToLower(word)] = value
		}
	}
}

// parameterValue reads a token or quoted text; what follows it up to a comma is skipped.
func parameterValue(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value = text[:tokenEnd(text)]
		rest = text[len(value):]
	} else {
		var b strings.Builder
		i := 1
		for ; i < len(text) && text[i] != '"'; i++ {
			if text[i] == '\\' && i+1 < len(text) {
				i++
			}
			b.WriteByte(text[i])
		}
		value, rest = b.String(), text[min(i+1, len(text)):]
	}
	if comma := strings.IndexByte(rest, ','); comma >= 0 {
		return value, rest[comma:]
	}
	return value, ""
}

// tokenEnd is the length of the token that text begins with.
func tokenEnd(text string) int {
	for i := range len(text) {
		c := text[i]
		letter := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return i
		}
	}
	return len(text)
}

// digest is a challenge that can be answered. Its owner's lock guards it.
type digest struct {
	realm, nonce, opaque string
	algorithm            string // as the server wrote it
	hash                 func() hash.Hash
	session, protected   bool // "-sess"; qop=auth
	uses                 uint32
}

// newDigest returns nil for challenges that ask for what isn't known here.
func newDigest(c challenge) *digest {
	d := &digest{
		realm: c.parameters["realm"], nonce: c.parameters["nonce"], opaque: c.parameters["opaque"], algorithm: c.parameters["algorithm"],
	}
	name, session := strings.CutSuffix(strings.ToUpper(d.algorithm), "-SESS")
	d.session = session
	switch name {
	case "", "MD5":
		d.hash = md5.New
	case "SHA-256":
		d.hash = sha256.New
	case "SHA-512-256":
		d.hash = sha512.New512_256
	default:
		return nil
	}
	if qop, given := c.parameters["qop"]; given {
		ways := strings.FieldsFunc(strings.ToLower(qop), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
		if !slices.Contains(ways, "auth") {
			return nil // auth-int would cover the body
		}
		d.protected = true
	}
	quotable := !strings.ContainsAny(d.realm+d.nonce+d.opaque, "\r\n\x00")
	if d.nonce == "" || !quotable || d.session && !d.protected {
		return nil
	}
	return d
}

// preferred reports whether c is the better one of two offers of digest.
func preferred(c, other challenge) bool {
	known, old := newDigest(c), newDigest(other)
	return known != nil && (old == nil || known.hash().Size() > old.hash().Size())
}

func (d *digest) sum(parts ...string) string {
	h := d.hash()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// answer is the value of an Authorization header for one request.
func (d *digest) answer(username, secret, method, uri string) string {
	d.uses++
	once, uses := rand.Text(), fmt.Sprintf("%08x", d.uses)
	user := d.sum(username, d.realm, secret)
	if d.session {
		user = d.sum(user, d.nonce, once)
	}
	request := d.sum(method, uri)
	fields := []string{
		"username=" + quote(username), "realm=" + quote(d.realm), "nonce=" + quote(d.nonce), "uri=" + quote(uri),
	}
	if d.algorithm != "" {
		fields = append(fields, "algorithm="+d.algorithm)
	}
	if d.opaque != "" {
		fields = append(fields, "opaque="+quote(d.opaque))
	}
	response := d.sum(user, d.nonce, request)
	if d.protected {
		response = d.sum(user, d.nonce, uses, once, "auth", request)
		fields = append(fields, "qop=auth", "nc="+uses, "cnonce="+quote(once))
	}
	return "Digest " + strings.Join(append(fields, "response="+quote(response)), ", ")
}

func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
