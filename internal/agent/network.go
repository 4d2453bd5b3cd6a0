package agent

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	// networkEvery is how often the machine's addresses are compared.
	networkEvery = 10 * time.Second
	// asleepFor is how far the clock on the wall must be ahead of the time that this device was awake, to have slept.
	asleepFor = 30 * time.Second
)

// watchNetwork makes all accounts try at once when the machine's addresses
// change: a network came back, whatever they were waiting for. After sleep the bridges try, whose waits count only time
// awake; schedules notice that by themselves.
func (a *Agent) watchNetwork(ctx context.Context) {
	ticker := time.NewTicker(networkEvery)
	defer ticker.Stop()
	last, looked, wall := a.addresses(), time.Now(), a.options.Now().Round(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, awake := a.addresses(), time.Since(looked)
		slept := a.options.Now().Round(0).Sub(wall) - awake
		looked, wall = looked.Add(awake), a.options.Now().Round(0)
		switch changed := now != last && now != ""; {
		case changed:
			a.log.Debug("network changed")
			for _, r := range a.all() {
				r.kick()
			}
		case slept > asleepFor:
			for _, r := range a.all() {
				r.kickNode()
			}
		}
		last = now
	}
}

// machineAddresses are the machine's own addresses, in a form to compare; empty when
// there are none but those of the machine to itself.
func machineAddresses() string {
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
