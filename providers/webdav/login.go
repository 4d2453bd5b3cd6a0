package webdav

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// The ways to log in.
const (
	// AuthAuto does as the server asks: digest where it is offered, as it keeps the password secret, else basic; with a
	// secret and no user name, bearer.
	AuthAuto = "auto"
	// AuthBasic sends user name and password with every request.
	AuthBasic = "basic"
	// AuthDigest proves to know the password (RFC 7616), and sends it to no one.
	AuthDigest = "digest"
	// AuthBearer sends the secret as a token with every request.
	AuthBearer = "bearer"
	// AuthNone never logs in.
	AuthNone = "none"
)

// most is how often one request is sent because of logins: with what is remembered, by the server's new challenge, and
// once more where the challenge had grown old on the way.
const most = 3

// login adds credentials to requests, and remembers how the server wants them.
type login struct {
	auth             string
	username, secret string

	mutex  sync.Mutex
	way    string  // AuthBasic, AuthDigest, AuthBearer, or "" while nothing was asked for
	digest *digest // with AuthDigest
}

func newLogin(auth, username, secret string) (*login, error) {
	if auth == "" {
		auth = AuthAuto
	}
	l := &login{auth: auth, username: username, secret: secret}
	for _, text := range []string{username, secret} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, errors.New("user name and secret must not hold line ends or other control characters")
		}
	}
	switch auth {
	case AuthAuto:
		if username == "" && secret == "" {
			l.auth = AuthNone
		}
	case AuthNone:
	case AuthBasic, AuthDigest:
		if username == "" {
			return nil, fmt.Errorf("auth %q needs a user name", auth)
		}
	case AuthBearer:
		if secret == "" {
			return nil, fmt.Errorf("auth %q needs a token", auth)
		}
	default:
		return nil, fmt.Errorf("auth is none of auto, basic, digest, bearer, none: %q", auth)
	}
	if l.username != "" && auth != AuthDigest && strings.Contains(username, ":") {
		return nil, errors.New("a user name with a colon goes only with digest")
	}
	if l.auth == AuthBasic || l.auth == AuthBearer {
		l.way = l.auth
	}
	return l, nil
}

// proof is what a request was sent with.
type proof struct {
	way   string
	nonce string
}

// add gives the request what is known to be wanted.
func (l *login) add(request *http.Request) proof {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	switch l.way {
	case AuthBasic:
		request.SetBasicAuth(l.username, l.secret)
	case AuthBearer:
		request.Header.Set("Authorization", "Bearer "+l.secret)
	case AuthDigest:
		request.Header.Set("Authorization", l.digest.answer(l.username, l.secret, request.Method, request.URL.RequestURI()))
		return proof{AuthDigest, l.digest.nonce}
	}
	return proof{way: l.way}
}

// challenged reads the answer 401 to a request with the given proof, and reports whether sending it again makes sense.
// Fresh says that the proof was made for a challenge of the same call.
func (l *login) challenged(answer *http.Response, sent proof, fresh bool) bool {
	if l.auth == AuthNone || l.auth == AuthBasic || l.auth == AuthBearer {
		return false
	}
	offered := make(map[string]challenge)
	for _, header := range answer.Header.Values("WWW-Authenticate") {
		for _, c := range challenges(header) {
			if _, better := offered[c.scheme]; !better || c.scheme == AuthDigest && preferred(c, offered[c.scheme]) {
				offered[c.scheme] = c
			}
		}
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if c, ok := offered[AuthDigest]; ok && l.username != "" {
		if wanted := newDigest(c); wanted != nil {
			stale := strings.EqualFold(c.parameters["stale"], "true")
			l.way, l.digest = AuthDigest, wanted
			return sent.way != AuthDigest || stale || !fresh
		}
	}
	if l.auth == AuthDigest {
		return false
	}
	way := AuthBasic
	if l.username == "" {
		way = AuthBearer
	}
	if _, ok := offered[way]; !ok || sent.way == way {
		return false
	}
	l.way, l.digest = way, nil
	return true
}
