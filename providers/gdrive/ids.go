package gdrive

import (
	"context"
	"fmt"
	"io"
)

// idBatch is how many ids one request asks for: up to 1,000 are allowed, and those that are not used are lost.
const idBatch = 200

// ids are generated ones that wait for their file.
type ids struct {
	spare []string
}

// newID gives an id for a new file; a request is made for every idBatch of them.
func (s *Store) newID(ctx context.Context) (string, error) {
	unlock, err := s.locks.lock(ctx, "ids")
	if err != nil {
		return "", err
	}
	defer unlock()
	if len(s.ids.spare) == 0 {
		answer, err := s.service.Files.GenerateIds().Context(ctx).Count(idBatch).Space(s.space()).Type("files").Fields("ids").Do()
		if err != nil {
			return "", err
		}
		if len(answer.Ids) == 0 {
			return "", fmt.Errorf("no ids were generated: %w", io.ErrUnexpectedEOF)
		}
		s.ids.spare = answer.Ids
	}
	id := s.ids.spare[0]
	s.ids.spare = s.ids.spare[1:]
	return id, nil
}

// space is Drive's word for the options' one.
func (s *Store) space() string {
	if s.options.Space == SpaceAppData {
		return appData
	}
	return "drive"
}

// appData is the name of the hidden space and of its root.
const appData = "appDataFolder"
