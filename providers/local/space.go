package local

import (
	"context"
	"fmt"

	"github.com/dm3sync/dm3sync/providers"
)

var _ providers.Spacer = (*Store)(nil)

var unknownSpace = providers.Space{Used: -1, Total: -1}

// Space is what the file system of the folder says: its size and what is used of it, by whomever.
func (s *Store) Space(ctx context.Context) (providers.Space, error) {
	if err := ctx.Err(); err != nil {
		return unknownSpace, fmt.Errorf("local: %w", err)
	}
	root, err := s.open()
	if err != nil {
		return unknownSpace, err
	}
	defer root.Close()
	space, err := spaceOf(s.base)
	if err != nil {
		return unknownSpace, translate("asking for the room of", s.base, err)
	}
	return space, nil
}
