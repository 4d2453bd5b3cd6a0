package agent

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/webui"
)

var (
	_ webui.Named   = (*Account)(nil)
	_ webui.Archive = (*Account)(nil)
)

// Names implements [webui.Named].
func (a *Account) Names() []string { return append([]string{a.name}, a.config.Aliases...) }

// openAttachments prepares reading what `dm3sync fetch-attachments` keeps in the account's folder, which need not be there.
func (a *Account) openAttachments(key [32]byte, folder string) (err error) {
	a.attachments, err = attachments.Open(filepath.Join(folder, "attachments"), key, nil)
	return err
}

// Archived implements [webui.Archive]. A copy that is damaged counts as missing: the next fetch-attachments mends it.
func (a *Account) Archived(ctx context.Context, uri string) (data []byte, found bool, err error) {
	file, err := a.attachments.Get(ctx, uri)
	if errors.Is(err, attachments.ErrNotFound) || errors.Is(err, attachments.ErrDamaged) {
		return nil, false, nil
	}
	return file.Data, err == nil, err
}
