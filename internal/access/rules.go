package access

import "golang.org/x/time/rate"

// Rules are what of a Gate's Options may change while it works.
type Rules struct {
	Origins   []string
	PerSecond float64
	Burst     int
	Page      bool
}

// Change lets other rules hold from the next request on. Browsers that are in stay in, unless there is no page any more:
// then they and all links are refused. Requests under way end as they began.
func (g *Gate) Change(rules Rules) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rules.Store(&rules)
	g.token.hold(&rules)
	for _, s := range g.sessions {
		s.hold(&rules)
	}
	if rules.Page {
		return
	}
	clear(g.links)
	for key, s := range g.sessions {
		g.drop(key, s)
	}
}

// hold bounds the requests of a credential.
func (c *credential) hold(rules *Rules) {
	if rules.PerSecond == 0 {
		c.limit.SetLimit(rate.Inf)
		return
	}
	c.limit.SetLimit(rate.Limit(rules.PerSecond))
	c.limit.SetBurst(rules.Burst)
}
