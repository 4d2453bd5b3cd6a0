package access

import (
	"net/http"
	"strconv"
	"time"
)

// link waits for its one use.
type link struct {
	expires time.Time
	own     bool    // only for programs of the user that the agent runs as
	used    *digest // the session that it made; nil: not used yet
}

// session is one browser that came in.
type session struct {
	*credential
	last time.Time
}

// NewLink makes a code for /enter that is good once, until the moment given.
// Whoever has it gets in: it must reach nobody but the user. With ownUser it is
// refused to programs of other users, where the system tells whose they are.
func (g *Gate) NewLink(ownUser bool) (code string, expires time.Time, err error) {
	if code, err = newSecret(g.o.Random); err != nil {
		return "", time.Time{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	if len(g.links) >= maxLinks {
		var oldest digest
		for key, l := range g.links {
			if first, ok := g.links[oldest]; !ok || l.expires.Before(first.expires) {
				oldest = key
			}
		}
		delete(g.links, oldest)
	}
	expires = g.o.Now().Add(LinkLife)
	g.links[digestOf(code)] = link{expires: expires, own: ownUser}
	return code, expires, nil
}

// redeem makes a session of a code, and returns its cookie's value; empty when
// the code is none, or was used, or is too old. A code that comes twice went
// through other hands: then nobody knows who of the two is the user, so the
// session that it made ends, unless it comes from that session's own browser.
func (g *Gate) redeem(code string, by *credential, foreign bool) (cookie string, err error) {
	if cookie, err = newSecret(g.o.Random); err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	key := digestOf(code)
	l, known := g.links[key]
	if !known || foreign && l.own {
		return "", nil
	}
	if l.used != nil {
		if s := g.sessions[*l.used]; s != nil && s.credential != by {
			g.drop(*l.used, s)
			g.counts["link-twice"]++
		}
		return "", nil
	}
	made := digestOf(cookie)
	l.used = &made
	g.links[key] = l
	if len(g.sessions) >= MaxSessions {
		var oldest digest
		for key, s := range g.sessions {
			if first, ok := g.sessions[oldest]; !ok || s.last.Before(first.last) {
				oldest = key
			}
		}
		g.drop(oldest, g.sessions[oldest])
	}
	g.sessions[made] = &session{credential: g.newCredential(cookie), last: g.o.Now()}
	return cookie, nil
}

// session finds the credential of a cookie's value, and notes that it is in
// use; nil when there is no such session.
func (g *Gate) session(cookie string) *credential {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	s := g.sessions[digestOf(cookie)]
	if s == nil {
		return nil
	}
	s.last = g.o.Now()
	return s.credential
}

// leave ends a session.
func (g *Gate) leave(c *credential) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.sessions[c.digest]; s != nil {
		g.drop(c.digest, s)
	}
}

// Waiting is how many sessions there are, and links that may still become one.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	count := len(g.sessions)
	for _, l := range g.links {
		if l.used == nil {
			count++
		}
	}
	return count
}

// sweep drops what is too old. The caller holds the lock.
func (g *Gate) sweep() {
	now := g.o.Now()
	for key, l := range g.links {
		if !now.Before(l.expires) {
			delete(g.links, key)
		}
	}
	for key, s := range g.sessions {
		if now.Sub(s.last) >= SessionIdle {
			g.drop(key, s)
		}
	}
}

// drop ends a session and what is under way in it. The caller holds the lock.
func (g *Gate) drop(key digest, s *session) {
	s.end()
	delete(g.sessions, key)
}

// cookieName differs by port: browsers keep one set of cookies for all ports of
// a host, so two agents would overwrite each other's.
func cookieName(port uint16) string { return "dm3sync-" + strconv.Itoa(int(port)) }

// newCookie is a session's cookie, which the browser forgets when it ends; an
// empty value removes it.
func newCookie(port uint16, value string) *http.Cookie {
	cookie := &http.Cookie{
		Name: cookieName(port), Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, // Secure would keep Safari from storing it: this is plain HTTP
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	return cookie
}
