package dm3api_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

const (
	alice = "0x71cb05ee1b1f506ff321da3dac38f25c0c9ce6e1.addr.dm3.eth"
	uuid  = "9d0b5f0a-3a5c-4a53-9a4e-0c5a0d6a1f11"
)

var (
	noon   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	secret = []byte("0xsecret")
)

// challengeOf writes a challenge of any header, claims and sum.
func challengeOf(header, claims string, sum int) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, sum))
}

// TestParseChallenge: a client signs what a stock server writes and nothing else.
func TestParseChallenge(t *testing.T) {
	second := noon.Unix()
	claims := func(account, challenge string, issued, before, expires int64) string {
		return fmt.Sprintf(`{"account":%q,"challenge":%q,"iat":%d,"nbf":%d,"exp":%d}`, account, challenge, issued, before, expires)
	}
	good := claims(alice, uuid, second, second, second+900)
	const header = `{"alg":"HS256","typ":"JWT"}`
	if parsed, err := dm3api.ParseChallenge(challengeOf(header, good, 32), alice, noon); err != nil || parsed.Challenge != uuid || parsed.Expires != second+900 {
		t.Fatal(parsed, err)
	}
	for name, bad := range map[string]string{
		"a bare name":           alice,
		"a name of three parts": "alice.user.eth",
		"nothing":               "",
		"dots":                  "..",
		"other header":          challengeOf(`{"alg":"none","typ":"JWT"}`, good, 32),
		"longer header":         challengeOf(`{"alg":"HS256","typ":"JWT","kid":"1"}`, good, 32),
		"cut sum":               challengeOf(header, good, 31),
		"four parts":            challengeOf(header, good, 32) + ".",
		"padded":                challengeOf(header, good, 32) + "=",
		"another account":       challengeOf(header, claims("bob.eth", uuid, second, second, second+900), 32),
		"no uuid":               challengeOf(header, claims(alice, alice, second, second, second+900), 32),
		"another claim":         challengeOf(header, strings.Replace(good, "{", `{"sub":"x",`, 1), 32),
		"a claim twice":         challengeOf(header, strings.Replace(good, "{", `{"account":"x",`, 1), 32),
		"a claim in capitals":   challengeOf(header, strings.Replace(good, `"nbf"`, `"NBF"`, 1), 32),
		"a claim less":          challengeOf(header, strings.Replace(good, fmt.Sprintf(`,"nbf":%d`, second), "", 1), 32),
		"a time as text":        challengeOf(header, strings.Replace(good, fmt.Sprintf(`"nbf":%d`, second), `"nbf":"1"`, 1), 32),
		"null":                  challengeOf(header, strings.Replace(good, fmt.Sprintf(`"nbf":%d`, second), `"nbf":null`, 1), 32),
		"more after it":         challengeOf(header, good+"{}", 32),
		"an array":              challengeOf(header, "[]", 32),
		"backwards":             challengeOf(header, claims(alice, uuid, second, second, second), 32),
		"for ever":              challengeOf(header, claims(alice, uuid, second, second, second+25*3600), 32),
		"last year":             challengeOf(header, claims(alice, uuid, second-1e7, second-1e7, second-1e7+900), 32),
		"next year":             challengeOf(header, claims(alice, uuid, second+1e7, second+1e7, second+1e7+900), 32),
		"huge":                  challengeOf(header, claims(alice, uuid, second, second, second+900)+strings.Repeat(" ", 4096), 32),
	} {
		if parsed, err := dm3api.ParseChallenge(bad, alice, noon); !errors.Is(err, dm3api.ErrToken) {
			t.Errorf("%s: %+v %v", name, parsed, err)
		}
	}
}

// TestTokens: what this side makes it knows again, for its time and by its sum.
func TestTokens(t *testing.T) {
	second := noon.Unix()
	session := dm3api.Claims{Account: alice, IssuedAt: second, NotBefore: second, Expires: second + 3600}
	challenge := session
	challenge.Challenge = uuid
	for _, claims := range []dm3api.Claims{session, challenge} {
		token, kind := dm3api.MakeToken(secret, claims), claims.Challenge != ""
		if got, err := dm3api.CheckToken(secret, token, kind, noon); err != nil || got != claims {
			t.Errorf("%+v %v", got, err)
		}
		for name, err := range map[string]error{
			"another secret": check(dm3api.CheckToken([]byte("other"), token, kind, noon)),
			"another kind":   check(dm3api.CheckToken(secret, token, !kind, noon)),
			"too early":      check(dm3api.CheckToken(secret, token, kind, noon.Add(-time.Second))),
			"too late":       check(dm3api.CheckToken(secret, token, kind, noon.Add(time.Hour))),
			"cut":            check(dm3api.CheckToken(secret, token[:len(token)-1], kind, noon)),
			"changed":        check(dm3api.CheckToken(secret, strings.Replace(token, ".", "x.", 1), kind, noon)),
		} {
			if !errors.Is(err, dm3api.ErrToken) || strings.Contains(err.Error(), token[:20]) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := dm3api.ParseChallenge(dm3api.MakeToken(secret, challenge), alice, noon); err != nil {
		t.Error(err)
	}
}

func check(_ dm3api.Claims, err error) error { return err }

func FuzzParseChallenge(f *testing.F) {
	f.Add(dm3api.MakeToken(secret, dm3api.Claims{Account: alice, Challenge: uuid, IssuedAt: noon.Unix(), NotBefore: noon.Unix(), Expires: noon.Unix() + 900}))
	f.Add(alice)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := dm3api.ParseChallenge(text, alice, noon)
		if err == nil && (strings.Count(text, ".") != 2 || text == strings.ToLower(text) || len(text) < 100) {
			t.Errorf("%q may be signed", text)
		}
		if err != nil && !errors.Is(err, dm3api.ErrToken) {
			t.Error(err)
		}
	})
}

func TestNames(t *testing.T) {
	fold := func(name string) (string, error) {
		if strings.Contains(name, "😀") {
			return "", errors.New("no form")
		}
		return strings.ToLower(name), nil
	}
	for name, want := range map[string]bool{
		alice: true, "alice.eth": true, "a_b": true, "": false, "-a": false, "a-": false, "ab--c": false, ".": false, "..": false,
		"Alice.eth": false, "al ice": false, "a/b": false, "é.eth": false, strings.Repeat("a", 1025): false,
	} {
		if err := dm3api.CheckName(name, nil); (err == nil) != want || err != nil && !errors.Is(err, dm3api.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, want := range map[string]bool{"é.eth": true, "É.eth": false, "😀.eth": false, "Alice.eth": false} {
		if err := dm3api.CheckName(name, fold); (err == nil) != want || err != nil && !errors.Is(err, dm3api.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	want, err := identity.ServerMessageID(alice, "0x12") // under vectors there
	if got := dm3api.StoredID(alice, "0x12"); got != want || err != nil {
		t.Error(got, want, err)
	}
}
