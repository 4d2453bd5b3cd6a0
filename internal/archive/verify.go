package archive

import (
	"context"
	"fmt"
	"os"
)

// Findings is what [Verify] found in a file.
type Findings struct {
	Objects int      `json:"objects"`
	Bytes   int64    `json:"bytes"` // of the whole file
	Idle    int64    `json:"idle"`  // of it, what was removed, and old indexes
	Torn    int64    `json:"torn"`  // at its end, what was not written whole; the next writer cuts it off
	Indexed bool     `json:"indexed"`
	Damaged []Damage `json:"damaged"` // objects and parts that are not what was written
}

// Verify reads all objects of the file at path and compares their checksums; it needs no key. progress, which may be nil,
// is told bytes. That a file is damaged is no error.
func Verify(ctx context.Context, path string, progress func(done, total int64)) (Findings, error) {
	f, err := os.Open(path)
	if err != nil {
		return Findings{}, translate("verify", path, err)
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return Findings{}, translate("verify", path, err)
	}
	c, err := load(f, info.Size())
	if err != nil {
		return Findings{}, translate("verify", path, err)
	}
	found := Findings{
		Objects: c.table.count, Bytes: info.Size(), Idle: c.end - c.table.live, Torn: info.Size() - c.end,
		Indexed: c.indexed == c.end, Damaged: append([]Damage{}, c.damage...),
	}
	done := int64(0)
	for _, name := range c.table.inOrder() {
		if err := ctx.Err(); err != nil {
			return found, fmt.Errorf("archive: verify: %w", err)
		}
		at, _ := c.table.get(name)
		whole, err := isWhole(f, name, at)
		if err != nil {
			return found, translate("verify", name, err)
		}
		if !whole && len(found.Damaged) < maxDamage {
			found.Damaged = append(found.Damaged, Damage{Name: name, Offset: at.offset, Length: at.size(name), Detail: "the object is not what was written"})
		}
		if done += at.size(name); progress != nil {
			progress(done, c.table.live)
		}
	}
	return found, nil
}
