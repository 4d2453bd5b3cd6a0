package search

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dm3sync/dm3sync/cache"
)

// pieceID stands for a piece of the history, as [Piece.ID].
type pieceID = [16]byte

// manifest says which segments there are, and what of the history they hold. It is one sealed file, written anew each time.
type manifest struct {
	budget  int64 // of bytes on disk, when floor was set
	floor   int64 // messages before it are not indexed, for want of room; 0: all are
	journal uint64
	purged  int64 // when segments were last rewritten to be rid of deleted messages, Unix milliseconds
	covered map[pieceID]uint32
	infos   []segmentInfo
}

const (
	manifestFile    = "manifest"
	temporarySuffix = ".new"
	manifestPurpose = formatVersion + " manifest"
)

func (m *manifest) encode() []byte {
	var e encoder
	e.signed(m.budget)
	e.signed(m.floor)
	e.number(m.journal)
	e.signed(m.purged)
	e.number(uint64(len(m.infos)))
	for i := range m.infos {
		s := &m.infos[i]
		e.raw(s.name[:])
		for _, n := range []int64{s.size, s.footer, int64(s.documents), int64(s.messages), int64(s.cut), int64(s.tombstones), int64(s.dead), s.first, s.last} {
			e.signed(n)
		}
	}
	e.number(uint64(len(m.covered)))
	for id, items := range m.covered {
		e.raw(id[:])
		e.number(uint64(items))
	}
	return e.bytes
}

func decodeManifest(plain []byte) (*manifest, error) {
	d := decoder{bytes: plain}
	m := &manifest{budget: d.signed(), floor: d.signed(), journal: d.number(), purged: d.signed(), covered: map[pieceID]uint32{}}
	for range d.count() {
		s := segmentInfo{name: segmentName(d.raw(16)[:16])}
		s.size, s.footer = d.signed(), d.signed()
		for _, to := range []*int{&s.documents, &s.messages, &s.cut, &s.tombstones, &s.dead} {
			*to = int(d.signed())
		}
		s.first, s.last = d.signed(), d.signed()
		m.infos = append(m.infos, s)
	}
	for range d.count() {
		id := pieceID(d.raw(16)[:16])
		m.covered[id] = uint32(d.number())
	}
	if d.bad || len(d.bytes) > 0 {
		return nil, errDamaged
	}
	return m, nil
}

// readManifest reads what a folder holds. Without a manifest it is empty; errDamaged is one that does not open, another
// key's and another version's too.
func readManifest(disk cache.Disk, folder string, aead cipher.AEAD) (*manifest, error) {
	sealed, err := disk.ReadFile(filepath.Join(folder, manifestFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &manifest{covered: map[pieceID]uint32{}}, nil
	case err != nil:
		return nil, fmt.Errorf("search: read manifest: %w", err)
	case len(sealed) < chacha20poly1305.NonceSizeX:
		return nil, errDamaged
	}
	plain, err := aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], []byte(manifestPurpose))
	if err != nil {
		return nil, errDamaged
	}
	return decodeManifest(plain)
}

// writeManifest puts a manifest in place of the last one, so that a crash leaves the one or the other.
func writeManifest(disk cache.Disk, folder string, aead cipher.AEAD, random io.Reader, m *manifest) error {
	sealed := make([]byte, chacha20poly1305.NonceSizeX)
	if _, err := io.ReadFull(random, sealed); err != nil {
		return fmt.Errorf("search: write manifest: %w", err)
	}
	sealed = aead.Seal(sealed, sealed, m.encode(), []byte(manifestPurpose))
	path := filepath.Join(folder, manifestFile)
	if err := writeWhole(disk, path+temporarySuffix, sealed); err != nil {
		return fmt.Errorf("search: write manifest: %w", err)
	}
	if err := disk.Rename(path+temporarySuffix, path); err != nil {
		return fmt.Errorf("search: write manifest: %w", err)
	}
	if err := disk.SyncFolder(folder); err != nil {
		return fmt.Errorf("search: write manifest: %w", err)
	}
	return nil
}

// writeWhole makes a file durable but for its name.
func writeWhole(disk cache.Disk, path string, data []byte) error {
	file, err := disk.OpenSegment(path)
	if err != nil {
		return err
	}
	err = file.Truncate(int64(len(data)))
	if err == nil {
		_, err = file.WriteAt(data, 0)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
