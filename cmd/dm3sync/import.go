package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/internal/transfer"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) importCommand() *cobra.Command {
	var from string
	command := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring what an exported file holds into an account",
		Long: "Bring what `dm3sync export` wrote into FILE back to the place of the account, united with what is there:\n" +
			"nothing that is newer is lost, what was deleted since stays deleted, and what is there already costs nothing. So\n" +
			"it restores a place that lost something, and fills a new one. It can be interrupted and repeated. - reads\n" +
			"the standard input.\n" +
			"A file of another account that stands in the configuration, too, is taken with --from NAME: it is opened with\n" +
			"the key of that one, and its messages are appended to this one.",
		Args: one("the FILE of an export", ""),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := p.oneAccount(); err != nil {
				return err
			}
			return p.withInput(arguments[0], func(path string) error {
				return p.with(command.Context(), func(s *session) error {
					if from != "" {
						return p.importFrom(command.Context(), s, from, path, arguments[0])
					}
					return p.importObjects(command.Context(), s, path, arguments[0])
				})
			})
		},
	}
	command.Flags().StringVar(&from, "from", "", "the file is of the other account of the configuration with this `NAME`; append its messages")
	return command
}

// withInput calls work with a file that can be read from its end.
func (p *program) withInput(path string, work func(path string) error) (err error) {
	if path != "-" {
		return work(path)
	}
	path, remove, err := p.spool()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return work(path)
}

// importResult is what an import did.
type importResult struct {
	Account string   `json:"account"`
	File    string   `json:"file"`
	Objects int      `json:"objects"` // in the file
	Written int      `json:"written"`
	Bytes   int64    `json:"bytes"`
	Missing []string `json:"missing,omitempty"`  // named, and neither at the provider nor whole in the file
	Torn    int64    `json:"torn,omitempty"`     // bytes at the file's end that were not written whole
	NoHeads bool     `json:"no_heads,omitempty"` // the file ends before what is written last
}

// cutOff tells whether the end of the file is missing.
func (r *importResult) cutOff() bool { return r.Torn > 0 || r.NoHeads }

// errForeignFile is a file in which nothing is of the account.
var errForeignFile = errors.New("the file holds nothing of this account: it was exported by another one, or with another key; if that account stands in the configuration, add --from and its name")

// importObjects puts the objects of the file at path, which the user calls by name, back to the provider.
func (p *program) importObjects(ctx context.Context, s *session, path, name string) (err error) {
	objects, err := objectsOf(s)
	if err != nil {
		return err
	}
	store, err := archive.Open(path, &archive.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	im := &importer{from: store, to: objects, result: importResult{Account: s.name, File: name}}
	err = p.showing(ctx, s, activity.JobImport, importing(name), func(progress func(engine.Progress)) error {
		im.progress = progress
		return im.takeIn(ctx, s)
	})
	if err != nil {
		return err
	}
	err = p.print(&im.result, func(w *strings.Builder) {
		fmt.Fprintf(w, "%s: %s; %d written to the place (%s)\n", plain(name), plural(im.result.Objects, "object"), im.result.Written, humanize.Bytes(uint64(im.result.Bytes)))
		for _, name := range im.result.Missing {
			fmt.Fprintf(w, "missing: %s\n", name)
		}
		if len(im.result.Missing) > 0 {
			fmt.Fprintf(w, "%s neither at the place nor whole in this file; `dm3sync verify` says what they belong to\n", plural(len(im.result.Missing), "object"))
		}
		if im.result.cutOff() {
			fmt.Fprintln(w, "the file was cut off, or its export did not end: what came behind is missing in it; `dm3sync verify` says whether the account is whole")
		}
	})
	if err == nil && (len(im.result.Missing) > 0 || im.result.cutOff()) {
		return errProblems
	}
	return err
}

// importing says in a few words what an import of the file that the user calls by name is.
func importing(name string) string {
	if name == "-" {
		return "Importing from the standard input"
	}
	return "Importing " + filepath.Base(name)
}

// importer puts objects of a file back to an account's provider.
type importer struct {
	from     *archive.Store
	to       api.Objects
	progress func(engine.Progress)
	result   importResult
}

// takeIn puts back what the place lacks, and lets the account take it in.
func (i *importer) takeIn(ctx context.Context, s *session) (err error) {
	if err := i.run(ctx); err != nil {
		return err
	}
	if i.result.Torn, err = i.from.Torn(); err != nil {
		return err
	}
	if _, err := s.Sync(ctx, engine.Work{Settle: true, Scrub: true}, i.progress); err != nil {
		return fmt.Errorf("taking in what was imported: %w", err)
	}
	put := int64(i.result.Written + len(i.result.Missing))
	i.progress(engine.Progress{Step: "import", Done: put, Total: put, Unit: "objects"}) // what stays to be read of it
	return nil
}

func (i *importer) run(ctx context.Context) error {
	list, err := i.to.Inventory(ctx)
	if err != nil {
		return err
	}
	prefix := list.Containers[0] + "/"
	heads, others := make(map[string][]byte), []string(nil)
	for object, err := range i.from.List(ctx, "") {
		if err != nil {
			return err
		}
		i.result.Objects++
		if !strings.HasPrefix(object.Name, prefix) {
			others = append(others, object.Name)
			continue
		}
		if heads[object.Name], err = i.from.Get(ctx, object.Name); err != nil {
			return err
		}
	}
	if len(heads) == 0 {
		return i.withoutHeads(ctx, others)
	}
	names, err := i.to.Lacking(ctx, heads)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) })
	if at < 0 {
		at = len(names)
	}
	if err := i.put(ctx, names[:at], len(names)); err != nil { // heads name what must be there before
		return err
	}
	return i.put(ctx, names[at:], len(names))
}

// withoutHeads takes a file that was cut off before its heads: what opens is put there, and a scrub adopts it. Nothing of
// the account among it is an error.
func (i *importer) withoutHeads(ctx context.Context, names []string) error {
	slices.Sort(names)
	if err := i.put(ctx, names, len(names)); err != nil {
		return err
	}
	if i.result.Missing = nil; i.result.Written == 0 {
		return errForeignFile
	}
	i.result.NoHeads = true
	return nil
}

// put puts objects back, side by side: some of all that there are to put. Those that the file does not have whole are noted.
func (i *importer) put(ctx context.Context, names []string, all int) error {
	var mutex sync.Mutex
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(transfer.Parallel)
	done := int64(i.result.Written + len(i.result.Missing))
	for _, name := range names {
		group.Go(func() error {
			sealed, err := i.from.Get(groupContext, name)
			if err == nil {
				err = i.to.PutBack(groupContext, name, sealed)
			}
			mutex.Lock()
			defer mutex.Unlock()
			done++
			i.progress(engine.Progress{Step: "import", Done: done, Total: int64(all), Unit: "objects"})
			switch {
			case err == nil:
				i.result.Written++
				i.result.Bytes += int64(len(sealed))
			case errors.Is(err, providers.ErrNotFound) || errors.Is(err, seal.ErrDamaged) || errors.Is(err, seal.ErrOtherKey):
				i.result.Missing = append(i.result.Missing, name)
			default:
				return err
			}
			return nil
		})
	}
	err := group.Wait()
	slices.Sort(i.result.Missing)
	return err
}
