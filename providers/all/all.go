// Package all turns settings into stores: one line for each kind of place, written out, so that adding a provider means
// writing its package and adding its lines here. In the import order it stands above the providers and below the agent,
// which applies the decorators (count, limit, retry) to what Open returns, once.
package all

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/dm3node"
	"github.com/dm3sync/dm3sync/providers/gdrive"
	"github.com/dm3sync/dm3sync/providers/ipfs"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/postgres"
	"github.com/dm3sync/dm3sync/providers/s3"
	"github.com/dm3sync/dm3sync/providers/webdav"
)

// ErrUnknownKind is returned for a kind that isn't among [Kinds].
var ErrUnknownKind = errors.New("all: unknown kind of provider")

// Settings says which place to open; only the part that belongs to Kind is read.
type Settings struct {
	Kind     string // one of Kinds
	Local    Local
	S3       S3
	WebDAV   webdav.Options
	Drive    gdrive.Options
	IPFS     ipfs.Options
	Postgres postgres.Options
	Node     dm3node.Options
	File     File
}

// Local is a folder.
type Local struct {
	Path    string // without a marker file it is refused, see [Create]
	Options local.Options
}

// S3 is a bucket.
type S3 struct {
	Bucket  string
	Options s3.Options
}

// File is a single file.
type File struct {
	Path    string // it must be there, see [Create]
	Options archive.Options
}

// Kinds returns the kinds that Open knows, in the order of its lines.
func Kinds() []string {
	return []string{local.Kind, s3.Kind, webdav.Kind, gdrive.Kind, ipfs.Kind, postgres.Kind, dm3node.Kind, archive.Kind, memory.Kind}
}

// Open makes the store. It is bare: the caller adds decorators. No request is made, except that a folder or file must be
// there (local.ErrNoFolder, archive.ErrNoFile, which are transient). A memory store is new and empty each time.
func Open(ctx context.Context, settings Settings) (providers.Store, error) {
	switch settings.Kind {
	case local.Kind:
		return opened(local.New(settings.Local.Path, &settings.Local.Options))
	case s3.Kind:
		return opened(s3.New(ctx, settings.S3.Bucket, &settings.S3.Options))
	case webdav.Kind:
		return opened(webdav.New(&settings.WebDAV))
	case gdrive.Kind:
		return opened(gdrive.New(&settings.Drive))
	case ipfs.Kind:
		return opened(ipfs.New(&settings.IPFS))
	case postgres.Kind:
		return opened(postgres.New(&settings.Postgres))
	case dm3node.Kind:
		return opened(dm3node.New(&settings.Node))
	case archive.Kind:
		return opened(archive.Open(settings.File.Path, &settings.File.Options))
	case memory.Kind:
		return memory.New(nil), nil
	}
	return nil, unknown(settings.Kind)
}

// Creates tells whether [Create] does anything for a kind.
func Creates(kind string) bool {
	return slices.Contains([]string{local.Kind, webdav.Kind, gdrive.Kind, ipfs.Kind, postgres.Kind, archive.Kind}, kind)
}

// Create makes the place ready for its first use, where that can be done for the user: a folder is made and marked, on a
// disk, a WebDAV server, Drive or an IPFS node, or the tables of a database, or an empty file. It may be repeated, and does
// nothing for other kinds.
func Create(ctx context.Context, settings Settings) error {
	switch settings.Kind {
	case local.Kind:
		return local.Create(settings.Local.Path)
	case webdav.Kind:
		return webdav.Create(ctx, &settings.WebDAV)
	case gdrive.Kind:
		return gdrive.Create(ctx, &settings.Drive)
	case ipfs.Kind:
		return ipfs.Create(ctx, &settings.IPFS)
	case postgres.Kind:
		return postgres.Create(ctx, &settings.Postgres)
	case archive.Kind:
		return archive.Create(settings.File.Path)
	case s3.Kind, dm3node.Kind, memory.Kind:
		return nil
	}
	return unknown(settings.Kind)
}

// opened keeps a nil pointer from becoming a store that is not nil.
func opened[S providers.Store](store S, err error) (providers.Store, error) {
	if err != nil {
		return nil, err
	}
	return store, nil
}

func unknown(kind string) error {
	return fmt.Errorf("%w %q; known are %s", ErrUnknownKind, kind, strings.Join(Kinds(), ", "))
}
