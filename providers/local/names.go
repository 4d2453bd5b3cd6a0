package local

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// Temporary names hold "~", so they are no valid object names; and most programs that carry folders leave files alone
// whose names begin with "~" or end in ".tmp".
const (
	temporaryPrefix = "~dm3sync-"
	temporarySuffix = ".tmp"
)

func isTemporary(part string) bool {
	return strings.HasPrefix(part, temporaryPrefix) && strings.HasSuffix(part, temporarySuffix)
}

// validate accepts the names that a folder can keep: valid ones that don't look like another program's file.
func validate(name string) error {
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	for part := range strings.SplitSeq(name, "/") {
		if foreign(part) {
			return fmt.Errorf("%w: %q looks like a file of another program", providers.ErrInvalidName, part)
		}
	}
	return nil
}

// Whole names and endings of files that operating systems and sync programs put into any folder, lower case. Most of
// their files need no rule, as a leading dot, "~", "!", blanks and brackets are invalid in names anyway
// (".stfolder", ".syncthing.x.tmp", ".dropbox.cache", "x (conflicted copy).y", "x.!sync").
var (
	foreignNames   = []string{"desktop.ini", "thumbs.db", "ehthumbs.db", "aux", "con", "nul", "prn", "_vti_"}
	foreignEndings = []string{
		".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".lock", ".bak", ".swp", ".lnk",
		".syncpart", ".synctemp", ".syncold", ".insyncdl", ".icloud",
	}
)

// foreign reports whether a valid part of a name is, by its look, another program's: a file that operating systems leave
// in folders, a download under way, or a conflict copy ("x.sync-conflict-20261121-101500-ABCDEFG.y" of Syncthing,
// "x_conflict-20261121-101500" of ownCloud).
func foreign(part string) bool {
	lower := strings.ToLower(part)
	return strings.Contains(lower, "conflict") || slices.Contains(foreignNames, lower) ||
		slices.Contains(foreignEndings, path.Ext(lower))
}

// dropCopies removes from the sorted names of one folder OneDrive's conflict copies: "name-HOST" beside "name", where
// HOST has a capital letter, as Windows' host names do. An immutable file has no conflicts, but a folder restored from
// elsewhere may bring copies; what they hold is in the original too.
func dropCopies(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		for i := 1; i < len(name); i++ {
			if name[i] != '-' || strings.ToLower(name[i:]) == name[i:] {
				continue
			}
			if _, original := slices.BinarySearch(names, name[:i]); original {
				return true
			}
		}
		return false
	})
}
