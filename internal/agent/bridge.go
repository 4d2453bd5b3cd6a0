package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

const (
	// nodeAnswer bounds one answer of a node in memory; a page of messages is well
	// below it. What waits at a delivery service comes as one answer.
	nodeAnswer     = 64 << 20
	deliveryAnswer = 256 << 20
	// nodeSilence is how long a node may think, or move nothing of a request or an
	// answer; nodeLongest how long one request may take in all, however slowly it moves.
	nodeSilence = 2 * time.Minute
	nodeLongest = 15 * time.Minute
	// nodeQuiet is the pause after a change of the tree before it is handed over.
	nodeQuiet = 2 * time.Second
	// nodeRetryLimit bounds the waits between passes that fail, unless the node asks
	// for more.
	nodeRetryLimit = 5 * time.Minute
	// roomPasses is after how many passes an append is given up: what was pushed is
	// confirmed by a later one.
	roomPasses = 10
)

// errNoNode says that there is nothing to bridge to.
var errNoNode = fmt.Errorf("agent: %w: the account has no [account.node] with a url or a delivery; add that table, with the address of the node's backend or of its delivery service", config.ErrConfig)

// openBridge prepares the account's bridge to its dm3 node; without one it does nothing.
func (a *Account) openBridge(key [32]byte, now func() time.Time) error {
	node := a.config.Node
	if !node.InUse() {
		return nil
	}
	a.node.Place = cmp.Or(node.URL, node.Delivery)
	profile := identity.FromStorageKey(key)
	tree := history.New(roomyEngine{notifyingEngine{a.engine, a}}, append([]string{a.name}, a.config.Aliases...))
	o := bridge.Options{
		Profile: profile, Name: node.Name, Names: append([]string{a.name}, a.config.Aliases...), Random: rand.Reader,
		Tree: tree, Records: a.cache.Records(), Place: node.URL, Pull: node.Pulls(), Push: node.Pushes(), Now: now, Log: a.log,
	}
	if node.URL != "" {
		client, err := nodeClient(node, node.URL, nodeAnswer, profile, now)
		if err != nil {
			return fmt.Errorf("agent: preparing the dm3 node: %w", err)
		}
		o.Node, o.Profiles = client, client
	}
	if node.Delivery != "" {
		client, err := nodeClient(node, node.Delivery, deliveryAnswer, profile, now)
		if err != nil {
			return fmt.Errorf("agent: preparing the delivery service: %w", err)
		}
		o.Delivery = client
		if node.DeliveryKey != "" {
			if o.DeliveryKey, err = identity.ParseKey(node.DeliveryKey); err != nil {
				return fmt.Errorf("agent: preparing the delivery service: %w", err)
			}
		}
		if o.Profiles == nil {
			o.Profiles = client
		}
	}
	var err error
	a.bridge, err = bridge.New(o)
	return err
}

// nodeClient speaks to one service. It signs nothing but challenges that package dm3api
// has read strictly: a signature over a bare name would be the root key's secret.
func nodeClient(node config.Node, address string, most int64, profile identity.Profile, now func() time.Time) (*dm3api.Client, error) {
	base, err := transport.New(&transport.Options{CAFile: node.CAFile, Proxy: node.Proxy, PerHost: 2})
	if err != nil {
		return nil, err
	}
	return dm3api.NewClient(&dm3api.ClientOptions{
		URL: address, Account: node.Name, Normalise: identity.Normalize, Now: now, MaxAnswer: most,
		Sign: func(_ context.Context, challenge string) (string, error) { return profile.Sign(challenge), nil },
		HTTP: &http.Client{Transport: &transport.Patience{Base: transport.Watched(base, nodeSilence)}, Timeout: nodeLongest},
	})
}

// roomyEngine waits while the journal is full: a node can hold more than it. In a
// running agent it asks for passes that make room, elsewhere it makes them.
type roomyEngine struct {
	notifyingEngine
}

// Append implements history.Engine.
func (r roomyEngine) Append(ctx context.Context, items ...engine.Item) error {
	if kick := r.account.kick.Load(); kick != nil {
		return patientEngine{r.notifyingEngine, *kick}.Append(ctx, items...)
	}
	for range roomPasses {
		err := r.notifyingEngine.Append(ctx, items...)
		if !errors.Is(err, cache.ErrJournalFull) {
			return err
		}
		// A pass that fails will not make room by being repeated.
		if _, passErr := r.Pass(ctx, engine.Work{}); passErr != nil {
			return errors.Join(err, passErr)
		}
	}
	return cache.ErrJournalFull
}

// PullNode moves messages between the account and its dm3 node; see [bridge.Bridge.Pass].
func (a *Account) PullNode(ctx context.Context, w bridge.Work) (report bridge.Report, err error) {
	if a.bridge == nil {
		return report, errNoNode
	}
	job := a.job(activity.JobPull, "Exchanging messages with the dm3 node", nil)
	defer func() { job.end(err) }()
	return a.pullNode(ctx, w)
}

func (a *Account) pullNode(ctx context.Context, w bridge.Work) (report bridge.Report, err error) {
	report, err = a.bridge.Pass(ctx, w)
	if !w.DryRun {
		a.noteNode(report, err)
	}
	return report, err
}

// noteNode keeps what the status tells of the node.
func (a *Account) noteNode(report bridge.Report, err error) {
	a.nodeMu.Lock()
	defer a.nodeMu.Unlock()
	if a.node.Place == "" {
		a.node.Place = a.config.Node.URL
		if a.node.Place == "" {
			a.node.Place = a.config.Node.Delivery
		}
	}
	a.node.Last, a.node.Error, a.node.Obstacle = report, "", obstacle.Of(err)
	a.node.Moved += report.Taken + report.Fetched + report.Handed
	a.node.Forged += report.Forged
	if err != nil {
		a.node.Error = err.Error()
		return
	}
	a.node.LastSuccess = a.now().Round(0)
}

// nodeStatus never waits for the node; nil where there is none.
func (a *Account) nodeStatus() *api.NodeStatus {
	if a.bridge == nil {
		return nil
	}
	a.nodeMu.Lock()
	defer a.nodeMu.Unlock()
	status := a.node
	return &status
}

// bridgeOf moves messages between an account and its node until ctx ends: at intervals,
// and soon after something new came into the tree.
func (r *runner) bridgeOf(ctx context.Context, account *Account) {
	kick := func() { r.schedule.Kick() }
	account.kick.Store(&kick)
	node := r.config.Node
	interval, failures := time.Duration(node.Interval), 0
	var due time.Time // of the next look at the node: changes of the tree don't put it off
	limited := false  // the node asked for patience
	for {
		changed := account.engine.Changed()
		if !node.Pushes() || failures > 0 {
			changed = nil
		}
		if !r.resting() {
			work := bridge.Work{Push: time.Now().Before(due)}
			work.Full = !work.Push && account.bridge.FullDue(time.Duration(node.Full))
			err := r.bridgePass(ctx, account, work)
			limited = nodeWait(err) > 0
			if failures++; err == nil {
				failures = 0
			}
			if wait := max(min(interval<<min(failures, 10), max(interval, nodeRetryLimit)), nodeWait(err)); err != nil || !work.Push {
				due = time.Now().Add(wait)
			}
		} else {
			due = time.Now().Add(interval)
		}
		kicked := r.nodeNow
		if limited {
			kicked = nil
		}
		now, err := waitForNode(ctx, time.Until(due), changed, kicked)
		if err != nil {
			return
		}
		if now {
			due = time.Time{}
		}
	}
}

// waitForNode returns when a look is due, or a moment after a change; now says that somebody asked for a look.
func waitForNode(ctx context.Context, wait time.Duration, changed, kicked <-chan struct{}) (now bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, ctx.Err()
	case <-kicked:
		return true, ctx.Err()
	case <-changed:
		return false, providers.Sleep(ctx, min(wait, nodeQuiet))
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// kickNode asks for a look at the dm3 node at once, or right after the running one.
func (r *runner) kickNode() {
	select {
	case r.nodeNow <- struct{}{}:
	default: // one is enough
	}
}

// nodeWait is what a node asked to wait.
func nodeWait(err error) time.Duration {
	if status := (*dm3api.StatusError)(nil); errors.As(err, &status) {
		return transport.RetryAfter(status.Header)
	}
	return 0
}

// bridgePass is one pass that is due.
func (r *runner) bridgePass(ctx context.Context, account *Account, work bridge.Work) error {
	report, err := account.pullNode(ctx, work)
	log := r.log.With("taken", report.Taken, "fetched", report.Fetched, "handed", report.Handed)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		log.Warn("dm3 node: pass failed", "error", err)
	case report.Moved():
		log.Info("dm3 node: pass done")
	}
	if report.Forged > 0 {
		r.log.Warn("dm3 node: messages came with signatures that are not their senders'; they are kept, and flagged", "forged", report.Forged)
	}
	return err
}
