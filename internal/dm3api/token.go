package dm3api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Claims are what a challenge or a session token says. A session token has no Challenge.
type Claims struct {
	Account   string `json:"account"`
	Challenge string `json:"challenge,omitempty"` // a UUID
	IssuedAt  int64  `json:"iat"`                 // seconds since 1970
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

// How long stock servers let them live.
const (
	ChallengeLife = 15 * time.Minute
	SessionLife   = time.Hour
)

// ErrToken is matched by errors about challenges and tokens that are not what they should be.
var ErrToken = errors.New("dm3api: not a valid token")

// tokenHeader is the header that stock servers write.
const tokenHeader = `{"alg":"HS256","typ":"JWT"}`

// MakeToken writes and signs a token as stock servers do (JWT with HS256).
func MakeToken(secret []byte, claims Claims) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic("dm3api: writing claims: " + err.Error()) // strings and numbers can always be written
	}
	signed := encodePart([]byte(tokenHeader)) + "." + encodePart(body)
	return signed + "." + encodePart(tokenSum(secret, signed))
}

func encodePart(part []byte) string { return base64.RawURLEncoding.EncodeToString(part) }

func tokenSum(secret []byte, signed string) []byte {
	sum := hmac.New(sha256.New, secret)
	sum.Write([]byte(signed)) // never fails: hash.Hash
	return sum.Sum(nil)
}

// CheckToken reads a token that this side made: the sum, the exact set of claims (with a challenge or without one), and the
// times against now. Errors match [ErrToken] and don't contain the token.
func CheckToken(secret []byte, token string, challenge bool, now time.Time) (Claims, error) {
	claims, err := parseToken(token, challenge)
	if err != nil {
		return Claims{}, err
	}
	last := strings.LastIndexByte(token, '.')
	sum, err := base64.RawURLEncoding.Strict().DecodeString(token[last+1:])
	if err != nil || !hmac.Equal(sum, tokenSum(secret, token[:last])) {
		return Claims{}, fmt.Errorf("%w: wrong sum", ErrToken)
	}
	second := now.Unix()
	if claims.IssuedAt > second || claims.NotBefore > second || claims.Expires <= second {
		return Claims{}, fmt.Errorf("%w: not now", ErrToken)
	}
	return claims, nil
}

const (
	// longestToken bounds a challenge or token, in bytes.
	longestToken = 4096
	// longestChallenge is the longest life of a challenge that a client signs: stock servers give 15 minutes.
	longestChallenge = 24 * time.Hour
	// clockSkew is how far the clocks of a node and of this machine may differ.
	clockSkew = 24 * time.Hour
)

// ParseChallenge decides whether a challenge may be signed with the profile's signing key. It must be what a stock server
// writes and nothing else: a JWT of three parts with HS256, exactly the claims account, challenge (a UUID), iat, nbf and
// exp, for the given normalised account, issued about now and for not more than a day. What passes can never be the
// signature's other use: the signature over a bare dm3 name is the secret of that account's root key, and a normalised
// name holds no capital letters, which every such header has. Errors match [ErrToken].
func ParseChallenge(challenge, account string, now time.Time) (Claims, error) {
	claims, err := parseToken(challenge, true)
	if err != nil {
		return Claims{}, err
	}
	switch {
	case challenge == strings.ToLower(challenge): // can't be with this header; the promise must not hang on that alone
		return Claims{}, fmt.Errorf("%w: it could be a name", ErrToken)
	case claims.Account != account:
		return Claims{}, fmt.Errorf("%w: the challenge is for another account", ErrToken)
	case claims.IssuedAt <= 0 || claims.NotBefore < claims.IssuedAt || claims.Expires <= claims.NotBefore:
		return Claims{}, fmt.Errorf("%w: the challenge's times contradict one another", ErrToken)
	case claims.Expires-claims.IssuedAt > int64(longestChallenge/time.Second):
		return Claims{}, fmt.Errorf("%w: the challenge lives too long", ErrToken)
	case claims.IssuedAt > now.Add(clockSkew).Unix() || claims.Expires < now.Add(-clockSkew).Unix():
		return Claims{}, fmt.Errorf("%w: the challenge's times and this machine's clock differ by more than a day", ErrToken)
	}
	return claims, nil
}

// parseToken reads a token's claims without looking at its sum and times.
func parseToken(token string, challenge bool) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(token) > longestToken || len(parts) != 3 {
		return Claims{}, fmt.Errorf("%w: not three parts", ErrToken)
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return Claims{}, fmt.Errorf("%w: part %d is not base64", ErrToken, i+1)
		}
	}
	header, err := members(decoded[0])
	if err != nil || len(header) != 2 || string(header["alg"]) != `"HS256"` || string(header["typ"]) != `"JWT"` {
		return Claims{}, fmt.Errorf("%w: not a JWT with HS256", ErrToken)
	}
	if len(decoded[2]) != sha256.Size {
		return Claims{}, fmt.Errorf("%w: its sum is cut", ErrToken)
	}
	return parseClaims(decoded[1], challenge)
}

// parseClaims reads exactly the known claims.
func parseClaims(text []byte, challenge bool) (claims Claims, err error) {
	body, err := members(text)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: its claims are no object", ErrToken)
	}
	want := []string{"account", "exp", "iat", "nbf"}
	if challenge {
		want = append(want, "challenge")
	}
	if len(body) != len(want) {
		return Claims{}, fmt.Errorf("%w: %d claims, not %d", ErrToken, len(body), len(want))
	}
	for _, name := range want {
		value, ok := body[name]
		if !ok {
			return Claims{}, fmt.Errorf("%w: claim %s is missing", ErrToken, name)
		}
		switch name {
		case "account":
			err = json.Unmarshal(value, &claims.Account)
		case "challenge":
			err = json.Unmarshal(value, &claims.Challenge)
		case "iat":
			claims.IssuedAt, err = seconds(value)
		case "nbf":
			claims.NotBefore, err = seconds(value)
		case "exp":
			claims.Expires, err = seconds(value)
		}
		if err != nil {
			return Claims{}, fmt.Errorf("%w: claim %s is of another kind", ErrToken, name)
		}
	}
	if claims.Account == "" || challenge && !isUUID(claims.Challenge) {
		return Claims{}, fmt.Errorf("%w: a claim is empty or of another form", ErrToken)
	}
	return claims, nil
}

// seconds reads a claim's time; JWT allows fractions.
func seconds(value json.RawMessage) (int64, error) {
	var number float64
	if err := json.Unmarshal(value, &number); err != nil {
		return 0, err
	}
	if math.Abs(number) > 1<<53 || string(value) == "null" {
		return 0, ErrToken
	}
	return int64(number), nil
}

// isUUID knows the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hex.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		digit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if hyphen != (c == '-') || !hyphen && !digit {
			return false
		}
	}
	return true
}

// errObject: no JSON object, or one with doubles.
var errObject = errors.New("not an object of distinct members")

// members reads a JSON object's members exactly: names by their case, no doubles, nothing after it.
func members(text []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return nil, errObject
	}
	found := make(map[string]json.RawMessage)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errObject
		}
		key, ok := name.(string)
		if _, double := found[key]; !ok || double {
			return nil, errObject
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errObject
		}
		found[key] = slices.Clone(value)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errObject
	}
	return found, nil
}
