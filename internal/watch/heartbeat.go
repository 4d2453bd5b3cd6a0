package watch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	heartbeatWait      = 20 * time.Second
	heartbeatRedirects = 3
	heartbeatBody      = 16 << 10 // read so that the connection can be used again
	allAccounts        = ""       // as the name of an account
)

var (
	errLeadsOn   = errors.New("it leads on and on")
	errLeadsAway = errors.New("it leads away from https")
)

// hearts calls heartbeats: only after passes that succeeded.
type hearts struct {
	o      Options
	client *http.Client
	calls  sync.WaitGroup

	mu    sync.Mutex
	beats map[string]*heart // by account
}

// heart is one address to call.
type heart struct {
	seen    map[string]time.Time // last successes, by account, when it was called last
	next    time.Time
	calling bool
	failure string // of the last call, so that it is logged once
}

func newHearts(o Options) *hearts {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: heartbeatBody, DisableKeepAlives: true}
	return &hearts{o: o, beats: make(map[string]*heart), client: &http.Client{
		Transport: transport,
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			switch {
			case len(via) > heartbeatRedirects:
				return errLeadsOn
			case via[0].URL.Scheme == "https" && request.URL.Scheme != "https":
				return errLeadsAway
			}
			return nil
		},
	}}
}

// look calls what is due.
func (h *hearts) look(ctx context.Context, now time.Time, readings []Reading, s Settings, keep func(string, Beat)) {
	h.one(ctx, now, allAccounts, s.Heartbeat, readings, s, keep)
	for i := range readings {
		r := &readings[i]
		h.one(ctx, now, r.Name, r.Heartbeat, readings[i:i+1], s, keep)
	}
}

// one calls one address where each of its accounts has had a success since the last
// call, and none fails.
func (h *hearts) one(ctx context.Context, now time.Time, account, address string, readings []Reading, s Settings, keep func(string, Beat)) {
	if address == "" || len(readings) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	beat := h.beats[account]
	if beat == nil { // what succeeded before this start is no news
		beat = &heart{seen: successes(readings)}
		h.beats[account] = beat
	}
	if beat.calling || now.Before(beat.next) && beat.next.Sub(now) <= 2*s.Interval || !allFresh(readings, beat.seen) {
		return
	}
	beat.calling, beat.seen = true, successes(readings)
	beat.next = now.Add(s.Interval + rand.N(s.Interval/10+1)) // so that many devices do not call at once
	h.calls.Go(func() {
		err := h.call(ctx, address)
		h.ended(beat, account, err, keep)
	})
}

// ended notes how a call went.
func (h *hearts) ended(beat *heart, account string, err error, keep func(string, Beat)) {
	result := Beat{At: h.o.Now().Round(0)}
	if errors.Is(err, context.Canceled) {
		return // the agent stops
	}
	if err != nil {
		result.Error = err.Error()
	}
	keep(account, result)
	h.mu.Lock()
	defer h.mu.Unlock()
	beat.calling = false
	switch {
	case result.Error == beat.failure:
	case err != nil:
		h.o.Log.Warn("the heartbeat could not be called; sync goes on", "error", err)
	default:
		h.o.Log.Info("the heartbeat can be called again")
	}
	beat.failure = result.Error
}

// call asks for the address once. Errors do not name it: its path is a secret.
func (h *hearts) call(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("watch: the heartbeat's address is none")
	}
	request.Header.Set("User-Agent", "dm3sync")
	response, err := h.client.Do(request)
	if err != nil {
		return fmt.Errorf("watch: calling the heartbeat: %w", hideAddress(err))
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, heartbeatBody) // nobody reads what it says
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("watch: calling the heartbeat: it answered %d", response.StatusCode)
	}
	return nil
}

// hideAddress takes the address from an error of net/http, at every depth.
func hideAddress(err error) error {
	for {
		var of *url.Error
		if !errors.As(err, &of) {
			break
		}
		err = of.Err
	}
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.As(err, &lookup):
		return errors.New("its name is not known to DNS")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("it did not answer in time")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, errLeadsOn), errors.Is(err, errLeadsAway), errors.As(err, &certificate), errors.As(err, &network):
		return err
	}
	return errors.New("it gave no proper answer")
}

// wait waits for calls under way; they end with the context that they were given.
func (h *hearts) wait() { h.calls.Wait() }

func successes(readings []Reading) map[string]time.Time {
	seen := make(map[string]time.Time, len(readings))
	for i := range readings {
		seen[readings[i].Name] = readings[i].LastSuccess
	}
	return seen
}

func allFresh(readings []Reading, seen map[string]time.Time) bool {
	for i := range readings {
		r := &readings[i]
		if !r.Open || r.Stuck || r.State == "blocked" || !succeeded(r, seen[r.Name]) {
			return false
		}
	}
	return true
}
