package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/watch"
)

const (
	littleRoom = 1 << 30   // bytes; below it is a note
	noRoom     = 64 << 20  // bytes; below it is wrong
	fewFiles   = 1024      // open files
	fewWatches = 8192      // of inotify
	fewMemory  = 192 << 20 // bytes; an agent with a large account takes less
	heartLate  = 24 * time.Hour
)

// born is a moment before which no clock can be right: this program is younger.
var born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Disk is a file system.
type Disk struct {
	Free    int64  // bytes; -1: unknown
	Kind    string // as the system calls it; empty: unknown
	Network bool   // it lies on another machine
	Memory  bool   // it is gone at the next start
}

// Limits are what the system allows this user; 0 is unknown, or no limit.
type Limits struct {
	Files, Watches uint64
	Memory         uint64 // bytes that this program may take
}

func (s *Surroundings) configuration(context.Context) []Finding {
	if s.Config == nil {
		reason, way := strings.TrimPrefix(s.Failure.Error(), "configuration: "), "change what it names; `dm3sync init` makes a new configuration"
		if errors.Is(s.Failure, fs.ErrNotExist) {
			way = "`dm3sync ui` begins, in a browser" // the reason names the file, and the other ways
		}
		return []Finding{wrong(way, "%s", reason)}
	}
	if s.Config.File == "" {
		return append([]Finding{fine("from the environment alone")}, s.warnings()...)
	}
	found := []Finding{fine("%s has %s", s.Config.File, counted(len(s.Config.Accounts), "account"))}
	info, err := os.Stat(s.Config.File)
	switch {
	case err != nil:
		found[0] = wrong("", "%v", err)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		found[0] = wrong("run `chmod go-w "+s.Config.File+"`", "others can change %s (mode %04o): they can send your history elsewhere", s.Config.File, info.Mode().Perm())
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o044 != 0 && s.Config.Notice.Heartbeat != "":
		found = append(found, note("run `chmod 600 "+s.Config.File+"`", "others can read the heartbeat's address in it"))
	}
	return append(found, s.warnings()...)
}

func (s *Surroundings) warnings() (found []Finding) {
	for _, sentence := range s.Config.Warnings {
		found = append(found, note("", "%s", sentence))
	}
	return found
}

// environment names the variables that change settings, and no values.
func (s *Surroundings) environment(context.Context) []Finding {
	var names []string
	for _, entry := range s.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "DM3SYNC_") && value != "" && !strings.HasPrefix(name, "DM3SYNC_TEST_") && !strings.HasPrefix(name, "DM3SYNC_REQUIRE_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return []Finding{fine("no variable overrides a setting")}
	}
	return []Finding{note("an agent that runs as a service does not see them, unless its unit sets them too", "these variables are set and may override settings: %s", strings.Join(names, ", "))}
}

// clock looks whether this device's clock can be right; places tell more.
func (s *Surroundings) clock(context.Context) []Finding {
	now := s.Now()
	if now.Before(born) {
		return []Finding{wrong("set the clock, or let it be set by the network", "this device's clock says %s, which is before this program was made: certificates and logins will be refused", now.Format(time.DateTime))}
	}
	if s.Config != nil {
		if info, err := os.Stat(s.Config.Data); err == nil && info.ModTime().Sub(now) > 24*time.Hour {
			return []Finding{wrong("set the clock, or let it be set by the network", "this device's clock says %s, and the data folder was changed after that, on %s", now.Format(time.DateTime), info.ModTime().Format(time.DateOnly))}
		}
	}
	return []Finding{fine("%s", now.Format("2006-01-02 15:04:05 -07:00"))}
}

func (s *Surroundings) limits(context.Context) []Finding {
	l := s.Limits()
	var found []Finding
	if l.Files > 0 && l.Files < fewFiles {
		found = append(found, note("raise it with ulimit -n, or LimitNOFILE= in the unit", "only %d files may be open at once", l.Files))
	}
	if l.Watches > 0 && l.Watches < fewWatches {
		found = append(found, note("raise fs.inotify.max_user_watches with sysctl", "only %d folders may be watched; changes by other programs may be seen late", l.Watches))
	}
	if l.Memory > 0 && l.Memory < fewMemory {
		found = append(found, note("raise it with MemoryMax= in a drop-in of the unit, with ulimit -v, or for the container", "only %s of memory may be taken: an agent with a large account may be ended for it", humanize.IBytes(l.Memory)))
	}
	if len(found) > 0 {
		return found
	}
	var texts []string
	if l.Files > 0 {
		texts = append(texts, fmt.Sprintf("%d open files", l.Files))
	}
	if l.Memory > 0 {
		texts = append(texts, humanize.IBytes(l.Memory)+" of memory")
	}
	if len(texts) == 0 {
		return []Finding{fine("this system tells of none")}
	}
	return []Finding{fine("%s", strings.Join(texts, ", "))}
}

// keyring is only needed for logins that are kept there.
func (s *Surroundings) keyring(ctx context.Context) []Finding {
	err := s.Keyring(ctx)
	needed := s.Config != nil && slices.ContainsFunc(s.Config.Accounts, func(a config.Account) bool {
		return slices.ContainsFunc(a.Places(), func(p *config.Provider) bool { return p.Kind == config.KindDrive })
	})
	switch {
	case err == nil || errors.Is(err, keyring.ErrNoEntry):
		return []Finding{fine("the system's keyring answers")}
	case !needed:
		return []Finding{fine("there is no keyring here, and nothing needs one")}
	}
	return []Finding{note("log in on the desktop, or unlock it; without one the login is kept sealed in the data folder", "%v", err)}
}

func (s *Surroundings) dataFolder(context.Context) []Finding {
	folder := s.Config.Data
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{note("it is made at the first use", "%s is not there yet", folder)}
	}
	if err != nil {
		return []Finding{wrong("", "%v", err)}
	}
	if !info.IsDir() {
		return []Finding{wrong("set another one as `data`", "%s is no folder", folder)}
	}
	var found []Finding
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		found = append(found, note("run `chmod 700 "+folder+"`", "others can look into %s (mode %04o); what lies there is sealed", folder, info.Mode().Perm()))
	}
	if err := writable(folder); err != nil {
		found = append(found, wrong("give this user the right to write there, or mount the disk anew", "%s can't be written: %v", folder, err))
	}
	disk, err := s.Disk(folder)
	switch {
	case err != nil:
		found = append(found, note("", "the file system of %s tells nothing: %v", folder, err))
	case disk.Free >= 0 && disk.Free < noRoom:
		found = append(found, wrong("make room; nothing that was acknowledged is lost", "only %s are free in %s", humanize.Bytes(uint64(disk.Free)), folder))
	case disk.Free >= 0 && disk.Free < littleRoom:
		found = append(found, note("make room, or set cache.blob_budget lower", "%s are free in %s", humanize.Bytes(uint64(disk.Free)), folder))
	}
	if disk.Network {
		found = append(found, note("set `data` to a folder on a disk of this machine", "%s is on a network file system (%s): locks and syncs may not hold there", folder, disk.Kind))
	}
	if disk.Memory {
		found = append(found, wrong("set `data` to a folder on a disk", "%s is in memory (%s): what waits there is lost at the next start", folder, disk.Kind))
	}
	if len(found) == 0 {
		return []Finding{fine("%s, %s", folder, freeText(disk.Free))}
	}
	return found
}

func freeText(free int64) string {
	if free < 0 {
		return "free room unknown"
	}
	return humanize.Bytes(uint64(free)) + " free"
}

// writable writes and removes a file.
func writable(folder string) error {
	file, err := os.CreateTemp(folder, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = file.WriteString("x")
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

func (s *Surroundings) spool(folder string) []Finding {
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return []Finding{wrong("make the folder, or take `spool` out of the configuration", "%v", err)}
	case !info.IsDir():
		return []Finding{wrong("set a folder as `spool`", "%s is no folder", folder)}
	}
	if err := writable(folder); err != nil {
		return []Finding{wrong("give this user the right to write there: files that were taken are moved", "%s can't be written: %v", folder, err)}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.ndjson"))
	if err != nil {
		return []Finding{note("", "%v", err)}
	}
	return []Finding{fine("%s, %s", folder, counted(len(files), "file")+" waiting")}
}

// heartbeats tells how the last calls went, as the agent noted them.
func (s *Surroundings) heartbeats(context.Context) []Finding {
	if s.Kept == nil {
		return nil
	}
	keys := map[string]string{}
	kept, err := s.Kept()
	if err != nil {
		return []Finding{note("", "%v", err)}
	}
	if s.Config.Notice.Heartbeat != "" {
		keys[watch.BeatOfAll] = ""
	}
	for i := range s.Config.Accounts {
		if a := &s.Config.Accounts[i]; a.Notice.Heartbeat != "" {
			keys[kept.Number(a.Name)] = a.Name
		}
	}
	var found []Finding
	for key, account := range keys {
		f := s.heartbeat(kept.Heartbeats[key])
		f.Account = account
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Account, b.Account) })
	return found
}

func (s *Surroundings) heartbeat(b watch.Beat) Finding {
	age := s.Now().Sub(b.At)
	switch {
	case b.At.IsZero():
		return note("it is called after the first pass that succeeds in a running agent", "the heartbeat was never called")
	case b.Error != "":
		return wrong("check notice.heartbeat, and the network", "the heartbeat could not be called: %s", b.Error)
	case age > heartLate:
		return note("what keeps passes from succeeding is said below", "the heartbeat was called last %s", humanize.RelTime(b.At, s.Now(), "ago", "from now"))
	}
	return fine("called %s", humanize.RelTime(b.At, s.Now(), "ago", "from now"))
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
