package api

import (
	"context"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// NodeStatus is how the bridge to the account's dm3 node is. It names no contact.
type NodeStatus struct {
	Place       string        `json:"place,omitempty"` // address of the node, or of the delivery service; empty before the first pass
	LastSuccess time.Time     `json:"last_success,omitzero"`
	Error       string        `json:"error,omitempty"` // of the last pass
	Obstacle    obstacle.Kind `json:"obstacle,omitempty" doc:"What kind of thing error is"`
	Last        bridge.Report `json:"last"`   // what the last pass did
	Moved       int           `json:"moved"`  // messages moved since the start, both ways
	Forged      int           `json:"forged"` // messages that came with a wrong signature since the start
}

// NodePuller is an [Account] with a bridge to a dm3 node.
type NodePuller interface {
	// PullNode runs one pass; see [bridge.Bridge.Pass]. The report also comes with an
	// error.
	PullNode(ctx context.Context, w bridge.Work) (bridge.Report, error)
}

// PullNode runs one pass between an account and its dm3 node. The report also comes with
// an error.
func (c *Client) PullNode(ctx context.Context, account string, w bridge.Work) (report bridge.Report, err error) {
	return report, c.work(ctx, pathOf(pathPullNode, account), w, nil, &report)
}

func (r remote) PullNode(ctx context.Context, w bridge.Work) (bridge.Report, error) {
	return r.client.PullNode(ctx, r.name, w)
}

var _ NodePuller = remote{}

var _ NodePuller = remote{}
