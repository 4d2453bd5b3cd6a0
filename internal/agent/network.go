package agent

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// networkEvery is how often the machine's addresses are compared.
const networkEvery = 10 * time.Second

// watchNetwork makes all accounts try at once when the machine's addresses
// change: a network came back, whatever they were waiting for.
func (a *Agent) watchNetwork(ctx context.Context) {
	ticker := time.NewTicker(networkEvery)
	defer ticker.Stop()
	last := addresses()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := addresses()
		if now != last && now != "" {
			a.log.Debug("network changed")
			for _, r := range a.runners {
				r.schedule.Kick()
			}
		}
		last = now
	}
}

// addresses are the machine's own addresses, in a form to compare; empty when
// there are none but those of the machine to itself.
func addresses() string {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var texts []string
	for _, address := range list {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLoopback() && !network.IP.IsLinkLocalUnicast() {
			texts = append(texts, address.String())
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}
