package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/transfer"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) exportCommand() *cobra.Command {
	var compact bool
	var flags readableFlags
	command := &cobra.Command{
		Use:   "export FILE | export --readable FORMAT --to FOLDER",
		Short: "Write the whole history, sealed, into one file; or conversations, for people to read",
		Long: "Write the whole history of an account into FILE, sealed as it is at the place: a backup, for a stick, or to take\n" +
			"it to another place with `dm3sync import`. A FILE that is there is brought up to date: only what it lacks is\n" +
			"added. An export that was interrupted is gone on with by the next one. - writes to the standard output.\n" +
			"`dm3sync messages`, `conversations` and `verify` read a file with --file, without the place and the agent.\n" +
			"The file is of no use without the account's key: keep that, too, somewhere else.\n" +
			"Where the place can't be reached, what this device has in its cache is written, and code 5 says that\n" +
			"something is missing.\n\n" + readableHelp,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			if flags.asked() {
				if len(arguments) > 0 || compact {
					return usagef("--readable writes to the folder that --to names, and takes neither a FILE nor --compact")
				}
				return p.exportReadable(command.Context(), &flags)
			}
			name := flags.misplaced(command.Flags())
			switch {
			case name != "":
				return usagef("--%s goes only with --readable html, markdown or jsonl; a sealed export takes everything", name)
			case len(arguments) == 0:
				return usagef("name the FILE to write, or say --readable html, markdown or jsonl")
			}
			return p.exportSealed(command.Context(), arguments[0], compact)
		},
	}
	command.Flags().BoolVar(&compact, "compact", false, "write the file anew: nothing is left in it of what was deleted since the last export, and damaged objects are replaced")
	flags.register(command.Flags())
	return command
}

// exportSealed writes the account's objects into a file.
func (p *program) exportSealed(ctx context.Context, path string, compact bool) error {
	if err := p.oneAccount(); err != nil {
		return err
	}
	if err := p.notThePlace(path); err != nil {
		return err
	}
	// A file in a folder that is made where a stick should be would be taken for the backup.
	if folder := filepath.Dir(path); path != "-" {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			return usagef("there is no folder %s; is the drive mounted? A new folder has to be made first", folder)
		}
	}
	return p.with(ctx, func(s *session) error { return p.export(ctx, s, path, compact) })
}

// notThePlace refuses the files in which accounts live, as their own place or as a mirror, there or not: an export takes out
// what nothing names, and there others may just have written that.
func (p *program) notThePlace(path string) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	for i := range c.Accounts {
		account := &c.Accounts[i]
		for _, place := range account.Places() {
			if place.Kind == config.KindFile && sameFile(path, place.Path) {
				return usagef("%s is %s of %s; export to another file, or copy that one", path, placeWord(account, place), account.Name)
			}
		}
	}
	return nil
}

// sameFile tells whether two paths lead to one file, which need not be there.
func sameFile(path, other string) bool {
	if absolute, err := filepath.Abs(path); err == nil && absolute == filepath.Clean(other) {
		return true
	}
	one, err := os.Stat(path)
	if err != nil {
		return false // what is not there is no place
	}
	two, err := os.Stat(other)
	return err == nil && os.SameFile(one, two)
}

// placeWord names one of an account's places.
func placeWord(account *config.Account, place *config.Provider) string {
	for i := range account.Mirrors {
		if place == &account.Mirrors[i].Provider {
			return "the mirror " + account.Mirrors[i].Name
		}
	}
	return "the place"
}

// exportResult is what an export did.
type exportResult struct {
	Account string `json:"account"`
	File    string `json:"file"`
	transfer.Result
	Waiting int `json:"waiting,omitempty"` // messages that are not at the provider yet, and not in the file
}

func (p *program) export(ctx context.Context, s *session, path string, compact bool) error {
	if path == "-" && p.json {
		return usagef("--json and an export to the standard output don't go together")
	}
	if path == "-" && p.isTerminal(p.out) {
		return usagef("the export is no text for a terminal; send the standard output elsewhere, or name a FILE")
	}
	objects, err := objectsOf(s)
	if err != nil {
		return err
	}
	result := exportResult{Account: s.name, File: path}
	if result.Cached, err = p.lookFirst(ctx, s); err != nil {
		return err
	}
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	result.Waiting = status.Pending
	copying := &transfer.Copier{From: objects, Result: &result.Result, Look: func() error {
		_, err := s.Sync(ctx, engine.Work{}, nil)
		return err
	}}
	err = p.showing(ctx, s, activity.JobExport, exporting(path), func(progress func(engine.Progress)) error {
		copying.Progress = progress
		if path == "-" {
			return p.exportToPipe(ctx, copying)
		}
		return exportToFile(ctx, copying, path, compact)
	})
	switch {
	case err != nil:
		return err
	case path == "-":
		p.tellExport(&result, p.note)
		return missing(&result)
	}
	return p.printExport(&result)
}

// exporting says in a few words what an export to path is.
func exporting(path string) string {
	if path == "-" {
		return "Exporting to the standard output"
	}
	return "Exporting to " + filepath.Base(path)
}

// objectsOf is the account as one whose objects can be copied.
func objectsOf(s *session) (api.Objects, error) {
	objects, ok := s.Account.(api.Objects)
	if !ok {
		return nil, fmt.Errorf("the account %s gives no objects", s.name)
	}
	return objects, nil
}

// lookFirst uploads what waits and looks for what others wrote. cached says that the provider can't be asked.
func (p *program) lookFirst(ctx context.Context, s *session) (cached bool, err error) {
	shown := p.newProgress()
	_, err = s.Sync(ctx, engine.Work{Settle: true}, shown.update)
	shown.finish()
	if !transfer.Unreachable(err) {
		return false, err
	}
	p.note("the place can't be asked, so this takes what the cache of this device holds: %s", reason(err.Error()))
	return true, nil
}

// exportToPipe writes a whole file to the standard output.
func (p *program) exportToPipe(ctx context.Context, copying *transfer.Copier) error {
	w, err := archive.NewWriter(p.out)
	if err != nil {
		return err
	}
	copying.To = transfer.NewPipe(w)
	if err := copying.Run(ctx); err != nil {
		return err
	}
	return w.Finish()
}

// exportToFile brings a file up to date.
func exportToFile(ctx context.Context, copying *transfer.Copier, path string, compact bool) (err error) {
	if err := archive.Create(path); err != nil {
		return err
	}
	store, err := archive.Open(path, &archive.Options{Relaxed: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	file := &file{Store: store, names: make(map[string]bool)}
	for object, err := range store.List(ctx, "") {
		if err != nil {
			return err
		}
		file.names[object.Name] = true
	}
	if compact {
		if err := forgetDamaged(ctx, path, file, copying.Progress); err != nil {
			return err
		}
	}
	copying.To = file
	if err := copying.Run(ctx); err != nil {
		return err
	}
	if err := store.Sync(ctx); err != nil || !compact {
		return err
	}
	return store.Compact(ctx)
}

// forgetDamaged lets damaged objects of a file count as absent, so that they are written anew.
func forgetDamaged(ctx context.Context, path string, file *file, progress func(engine.Progress)) error {
	found, err := archive.Verify(ctx, path, func(done, total int64) {
		progress(engine.Progress{Step: "checksums", Done: done, Total: total, Unit: "bytes"})
	})
	for _, damage := range found.Damaged {
		delete(file.names, damage.Name)
	}
	return err
}

func (p *program) printExport(result *exportResult) error {
	err := p.print(result, func(w *strings.Builder) {
		p.tellExport(result, func(format string, arguments ...any) { fmt.Fprintf(w, format+"\n", arguments...) })
	})
	return errors.Join(err, missing(result))
}

func missing(result *exportResult) error {
	if len(result.Missing) > 0 {
		return errProblems
	}
	return nil
}

// tellExport says in words what came of an export.
func (p *program) tellExport(r *exportResult, say func(format string, arguments ...any)) {
	say("%s: %s; %d added (%s), %d removed", r.File, plural(r.Objects, "object"), r.Added, humanize.Bytes(uint64(r.Bytes)), r.Removed)
	if r.Waiting > 0 {
		say("not in it: %s not at the place yet; run `dm3sync sync`, then this again", plural(r.Waiting, "waiting message"))
	}
	for _, name := range r.Missing {
		say("missing: %s", name)
	}
	if len(r.Missing) > 0 {
		say("%s neither at the place nor in the cache of this device; run this again when the place can be reached", plural(len(r.Missing), "object"))
	}
}

// spool copies what is piped in to a file of its own, since its end has to be read first; it is sealed.
func (p *program) spool() (path string, remove func() error, err error) {
	folder, err := os.MkdirTemp("", "dm3sync-import-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(folder, "input")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = out.ReadFrom(p.in)
		err = errors.Join(err, out.Close())
	}
	remove = func() error { return os.RemoveAll(folder) }
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("keeping what is piped in: %w", err), remove())
	}
	return path, remove, nil
}
