package gdrive

import (
	"context"

	"github.com/dm3sync/dm3sync/providers"
)

// Space implements providers.Spacer. Google counts Gmail and Photos too. A shared drive tells nothing.
func (s *Store) Space(ctx context.Context) (providers.Space, error) {
	unknown := providers.Space{Used: -1, Total: -1}
	if s.options.SharedDrive != "" {
		return unknown, nil
	}
	answer, err := s.service.About.Get().Context(ctx).Fields("storageQuota(limit,usage)").Do()
	if err != nil {
		return unknown, translate(ctx, "ask for", "space", err)
	}
	quota := answer.StorageQuota
	if quota == nil {
		return unknown, nil
	}
	space := providers.Space{Used: quota.Usage, Total: -1}
	if quota.Limit > 0 { // some accounts have none
		space.Total = quota.Limit
	}
	return space, nil
}
