package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// readableHelp is what `export --help` says of --readable.
const readableHelp = "--readable writes conversations as plaintext into a folder of its own: as html (pages for a browser and for printing, nothing\n" +
	"in them runs or asks for anything), markdown, or jsonl (one message a line, as it is stored, with what became of it). Whoever\n" +
	"gets the folder can read it; it asks first, and without a terminal it wants --yes. A later export into the same folder takes\n" +
	"the place of the earlier one. --from and --until are times as `messages` takes them; --until is exclusive.\n\n" +
	"What messages only refer to is left out. --fetch-attachments fetches it, and keeps it sealed on this device: the servers,\n" +
	"which the senders chose, learn that and from where. --attachments takes along what was fetched before, and asks nobody.\n\n" +
	"Code 5 says that something may be missing; the folder says so, too."

// errNotExported is the answer no.
var errNotExported = errors.New("nothing was written")

// readableFlags are the flags of a readable export.
type readableFlags struct {
	format, to string
	selection  selectionFlags
	archived   bool
	fetch      bool
	fetching   fetchFlags
	yes        bool
}

// register adds the flags to a verb's.
func (f *readableFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "readable", "", "write plaintext in this `FORM`: html, markdown or jsonl")
	flags.StringVar(&f.to, "to", "", "with --readable: the `FOLDER` to write")
	flags.BoolVar(&f.archived, "attachments", false, "with --readable: attachments that were fetched before, too")
	flags.BoolVar(&f.fetch, "fetch-attachments", false, "with --readable: fetch attachments that messages only refer to, and take them along")
	flags.BoolVar(&f.yes, "yes", false, "with --readable: don't ask")
	f.selection.register(flags)
	f.fetching.register(flags)
}

// asked tells whether a readable export is wanted.
func (f *readableFlags) asked() bool { return f.format != "" }

// misplaced names a flag that was set and means nothing without --readable; empty where there is none.
func (f *readableFlags) misplaced(set *pflag.FlagSet) (name string) {
	ours := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&readableFlags{}).register(ours)
	set.Visit(func(flag *pflag.Flag) {
		if ours.Lookup(flag.Name) != nil {
			name = flag.Name
		}
	})
	return name
}

// selectionFlags say of which messages.
type selectionFlags struct {
	contacts    []string
	from, until string
	hidden      bool
}

func (f *selectionFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.contacts, "contact", nil, "only the conversation with this `NAME`; can be given several times")
	flags.StringVar(&f.from, "from", "", "from this `TIME` on")
	flags.StringVar(&f.until, "until", "", "before this `TIME`")
	flags.BoolVar(&f.hidden, "hidden", false, "hidden conversations, too")
}

// readableResult is what a readable export prints.
type readableResult struct {
	readable.Result
	Fetched *attachments.Report `json:"fetched,omitempty"`
}

// exportReadable writes conversations as plaintext, after a question.
func (p *program) exportReadable(ctx context.Context, flags *readableFlags) error {
	o, fetch, err := p.readableOptions(flags)
	if err != nil {
		return err
	}
	return p.with(ctx, func(s *session) error {
		if err := p.choose(ctx, s, &flags.selection, &o); err != nil {
			return err
		}
		if !flags.yes {
			if err := p.askPlaintext(&o, flags.fetch); err != nil {
				return err
			}
		}
		var result readableResult
		if flags.fetch {
			report, err := p.fetchAttachments(ctx, &o, fetch)
			if err != nil {
				return err
			}
			result.Fetched = &report
		}
		if flags.fetch || flags.archived {
			if o.Archived, err = p.archivedAttachments(); err != nil {
				return err
			}
		}
		shown := p.newProgress()
		o.Progress = shown.update
		result.Result, err = readable.Export(ctx, o)
		shown.finish()
		if err != nil && len(result.Conversations) == 0 {
			return err
		}
		if printed := p.printReadable(&result, flags.fetch); err == nil || printed != nil && !errors.Is(printed, errProblems) {
			err = printed
		}
		return err
	})
}

// readableOptions reads the flags, before anything is opened.
func (p *program) readableOptions(flags *readableFlags) (o readable.Options, fetch attachments.Options, err error) {
	o.Format = readable.Format(flags.format)
	switch {
	case !o.Format.Valid():
		return o, fetch, usagef("--readable %s: it can be html, markdown or jsonl", flags.format)
	case flags.to == "":
		return o, fetch, usagef("say where to write, with --to FOLDER: a folder that is not there yet, or is empty")
	}
	if o.Folder, err = filepath.Abs(flags.to); err != nil {
		return o, fetch, usagef("--to: %w", err)
	}
	if flags.fetch {
		if fetch, err = p.fetchOptions(&flags.fetching); err != nil {
			return o, fetch, err
		}
	}
	return o, fetch, p.selectMessages(&flags.selection, &o)
}

// selectMessages reads which messages are wanted.
func (p *program) selectMessages(flags *selectionFlags, o *readable.Options) (err error) {
	for i, name := range flags.contacts {
		normal, err := identity.Normalize(name)
		if err != nil || normal == "" {
			return usagef("--contact: %q is no dm3 name", name)
		}
		flags.contacts[i] = normal
	}
	if flags.from != "" {
		if o.From, err = parseMoment(flags.from, p.now()); err != nil {
			return usagef("--from: %w", err)
		}
	}
	if flags.until != "" {
		if o.To, err = parseMoment(flags.until, p.now()); err != nil {
			return usagef("--until: %w", err)
		}
		if o.To <= o.From {
			return usagef("--until must lie after --from")
		}
	}
	o.Now, o.Location = p.now(), p.now().Location()
	_, account, err := p.chosen()
	if err != nil {
		return err
	}
	o.Account, o.Own = account.Name, append([]string{account.Name}, account.Aliases...)
	return nil
}

// choose picks the conversations. A name that is not known is an error: a plaintext without it would look complete.
func (p *program) choose(ctx context.Context, s *session, flags *selectionFlags, o *readable.Options) error {
	all, err := s.Conversations(ctx)
	if err != nil {
		return err
	}
	known := api.ForPeople(all)
	if o.Doubts, err = api.Doubts(ctx, s); err != nil {
		return err
	}
	o.Source = s
	for _, name := range flags.contacts {
		if !slices.ContainsFunc(known, func(c engine.Conversation) bool { return c.Contact == name }) {
			return fmt.Errorf("%s: %w", plain(name), engine.ErrNoConversation)
		}
	}
	for _, c := range known {
		if slices.Contains(flags.contacts, c.Contact) || len(flags.contacts) == 0 && (flags.hidden || !c.Hidden) {
			o.Conversations = append(o.Conversations, c)
		}
	}
	return nil
}

// askPlaintext says what is about to happen, and asks.
func (p *program) askPlaintext(o *readable.Options, fetch bool) error {
	unasked := usagef("this writes plaintext, and nobody can be asked here; nothing was written; to write it without a question, use --yes")
	if !p.canAsk() {
		return unasked
	}
	question := fmt.Sprintf("Write %s as plaintext into %s?\nIt is not encrypted there: whoever gets the folder, a backup or a copy of it can read everything.\n",
		plural(len(o.Conversations), "conversation"), plain(o.Folder))
	if fetch {
		question += fetchWarning + "\n"
	}
	_, _ = fmt.Fprint(p.err, question+"Write? [y/N] ") // when that fails, there is no terminal, and no answer
	err := readAnswer(p.in, unasked)
	if errors.Is(err, errDeclined) {
		return errNotExported
	}
	return err
}

// printReadable says what was written, and what may be missing from it.
func (p *program) printReadable(result *readableResult, fetched bool) error {
	for _, doubt := range result.Doubts {
		p.note("conversations may be missing: %s", plain(doubt))
	}
	for _, c := range result.Conversations {
		for _, reason := range c.Reasons {
			p.note("%s: something may be missing: %s", plain(c.Contact), plain(reason))
		}
	}
	if result.Missing > 0 && !fetched {
		p.note("not in the folder, since messages only refer to such: %s; --fetch-attachments fetches what can be had", plural(result.Missing, "attachment"))
	}
	err := p.print(result, func(w *strings.Builder) {
		entries := 0
		for _, c := range result.Conversations {
			entries += c.Entries
		}
		writeFetched(w, result.Fetched)
		fmt.Fprintf(w, "%s, %s, %s in %s\n", plural(len(result.Conversations), "conversation"), plural(entries, "message"), plural(result.Files, "file"), plain(result.Folder))
		if result.Removed > 0 {
			fmt.Fprintf(w, "%s of an earlier export removed\n", plural(result.Removed, "file"))
		}
		fmt.Fprintln(w, "plaintext: whoever gets the folder can read it")
	})
	if err == nil && result.Provisional {
		err = errProblems
	}
	return err
}
