//go:build unix

package acceptance

import "time"

// fault is something that breaks and comes back.
type fault struct {
	kind       string
	begin, end func()
}

// kinds are all faults that a round can have.
func (c *chaos) kinds() []fault {
	heal := func() { c.network.reset() }
	net := func(kind string, draw func() []toxic) fault {
		return fault{kind, func() { c.network.add(draw()...) }, heal}
	}
	kinds := []fault{
		net("two of the network", c.two),
		{"network down", func() { c.network.down() }, heal},
		{"server killed", c.killServer, c.minio.start},
		{"server frozen", func() { freeze(c.t, c.minio.command) }, func() { thaw(c.t, c.minio.command) }},
		{"agent killed", c.killAgent, c.startAgent},
		{"agent killed again and again", c.killAgentOften, c.startAgent},
		{"agent frozen", func() { freeze(c.t, c.agent.command) }, func() { thaw(c.t, c.agent.command) }},
		{"agent frozen, server killed", c.sleep, c.wake},
		{"both killed", func() { c.killServer(); c.killAgent() }, func() { c.minio.start(); c.startAgent() }},
		{"network and agent killed", func() { c.network.add(c.two()...); c.killAgentOften(); c.startAgent() }, heal},
		{"network and server killed", func() { c.network.add(c.two()...); c.killServer(); c.minio.start() }, heal},
	}
	for _, kind := range toxicKinds {
		kinds = append(kinds, net(kind, func() []toxic { return []toxic{c.toxic(kind, c.stream())} }))
	}
	return kinds
}

func (c *chaos) killAgent() {
	c.agentKills++
	c.agent.kill()
}

// killAgentOften kills agents that live for less and less time.
func (c *chaos) killAgentOften() {
	c.killAgent()
	for life := longest / 4; life > shortest/4; life /= 2 {
		c.startAgent()
		time.Sleep(c.between(0, life))
		c.killAgent()
	}
}

func (c *chaos) killServer() {
	c.serverKills++
	c.minio.kill()
}

// sleep and wake are a laptop that finds all its connections dead.
func (c *chaos) sleep() {
	freeze(c.t, c.agent.command)
	c.killServer()
}

func (c *chaos) wake() {
	c.minio.start()
	thaw(c.t, c.agent.command)
}

// toxicKinds are what toxiproxy can do that matters here.
var toxicKinds = []string{"latency", "bandwidth", "reset_peer", "limit_data", "black hole", "timeout", "slicer"}

func (c *chaos) stream() string {
	if c.fate.IntN(2) == 0 {
		return "upstream"
	}
	return "downstream"
}

// two are two toxics, one for each direction.
func (c *chaos) two() []toxic {
	one, other := toxicKinds[c.fate.IntN(len(toxicKinds))], toxicKinds[c.fate.IntN(len(toxicKinds))]
	return []toxic{c.toxic(one, "upstream"), c.toxic(other, "downstream")}
}

// toxic draws how bad it gets; times are in ms.
func (c *chaos) toxic(kind, stream string) toxic {
	attributes := map[string]int{}
	switch kind {
	case "latency":
		attributes["latency"], attributes["jitter"] = 50+c.fate.IntN(800), c.fate.IntN(400)
	case "bandwidth":
		attributes["rate"] = 1 + c.fate.IntN(16) // kB/s
	case "reset_peer":
		attributes["timeout"] = c.fate.IntN(200)
	case "limit_data":
		attributes["bytes"] = 1 + c.fate.IntN(20_000) // in the midst of a header or a body
	case "black hole":
		kind, attributes["timeout"] = "timeout", 0
	case "timeout":
		attributes["timeout"] = 50 + c.fate.IntN(1000)
	case "slicer":
		attributes["average_size"], attributes["size_variation"], attributes["delay"] = 64, 32, 1000+c.fate.IntN(10_000) // µs
	}
	return toxic{Type: kind, Stream: stream, Attributes: attributes}
}
