package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/readable"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fetchWarning is what everybody should know who fetches.
const fetchWarning = "Attachments are fetched from servers that the senders chose: these learn that, when, and from which network address."

// fetchFlags bound what is fetched.
type fetchFlags struct {
	size, total   string
	count         int
	wait          time.Duration
	types         []string
	gateway, node string
	withoutProxy  bool
}

// register adds the flags to a verb's.
func (f *fetchFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.size, "attachment-size", "25MB", "the largest `SIZE` of an attachment that is fetched")
	flags.StringVar(&f.total, "attachment-total", "1GB", "the largest `SIZE` of all that one run fetches; the next one goes on")
	flags.IntVar(&f.count, "attachment-count", attachments.DefaultMaxCount, "the largest `NUMBER` of attachments that one run asks for")
	flags.DurationVar(&f.wait, "attachment-wait", attachments.DefaultWait, "the longest `DURATION` of one")
	flags.StringSliceVar(&f.types, "attachment-types", nil, "only these media `TYPES`, such as image/*,application/pdf (default: all)")
	flags.StringVar(&f.gateway, "ipfs-gateway", "", "`ADDRESS` of an IPFS gateway, for ipfs: attachments")
	flags.StringVar(&f.node, "ipfs-node", "", "RPC `ADDRESS` of a Kubo node, such as http://127.0.0.1:5001 (default: the one that keeps the account, if one does)")
	flags.BoolVar(&f.withoutProxy, "without-proxy", false, "fetch directly, though HTTPS_PROXY or ALL_PROXY is set")
}

func (p *program) fetchAttachmentsCommand() *cobra.Command {
	var selection selectionFlags
	var fetching fetchFlags
	var prune bool
	command := &cobra.Command{
		Use:   "fetch-attachments",
		Short: "Keep attachments that messages only refer to",
		Long: "Fetch attachments that messages only refer to (https: and, by a gateway or node, ipfs:), and keep them sealed on this\n" +
			"device. " + fetchWarning + "\nThis is the only verb that asks them, and `export --fetch-attachments`. Nothing is fetched from\n" +
			"private networks. What is kept already is not asked for again; a run that ends early is gone on with by the next.\n" +
			"`export --readable FORMAT --attachments` takes along what is kept.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			var o readable.Options
			fetch, err := p.fetchOptions(&fetching)
			if err == nil {
				err = p.selectMessages(&selection, &o)
			}
			if err != nil {
				return err
			}
			return p.with(command.Context(), func(s *session) error {
				return p.fetchAndPrint(command.Context(), s, &selection, &o, fetch, prune)
			})
		},
	}
	command.Flags().BoolVar(&prune, "prune", false, "then remove what is kept for messages that are gone")
	selection.register(command.Flags())
	fetching.register(command.Flags())
	return command
}

// fetchOptions reads the flags.
func (p *program) fetchOptions(f *fetchFlags) (o attachments.Options, err error) {
	var size, total config.Size
	if err := size.UnmarshalText([]byte(f.size)); err != nil || size <= 0 {
		return o, usagef("--attachment-size: %q is no size; write 500kB, 25MB or 1GiB", f.size)
	}
	if err := total.UnmarshalText([]byte(f.total)); err != nil || total <= 0 {
		return o, usagef("--attachment-total: %q is no size; write 500kB, 25MB or 1GiB", f.total)
	}
	if f.count <= 0 || f.wait <= 0 {
		return o, usagef("--attachment-count and --attachment-wait must be positive")
	}
	for _, pattern := range f.types {
		if group, rest, ok := strings.Cut(pattern, "/"); !ok || group == "" || rest == "" || strings.Contains(group, "*") {
			return o, usagef("--attachment-types: %q is no media type; write image/png or image/*", pattern)
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		if p.getenv(name) != "" && !f.withoutProxy {
			return o, usagef("%s is set, and attachments are never fetched by a proxy, which would hide whether an address is private; to fetch them directly, use --without-proxy", name)
		}
	}
	o = attachments.Options{MaxFile: int64(size), MaxTotal: int64(total), MaxCount: f.count, Wait: f.wait, Types: f.types, Now: p.now}
	if o.Gateway, err = webAddress("--ipfs-gateway", f.gateway); err != nil {
		return o, err
	}
	if o.Node, err = webAddress("--ipfs-node", f.node); err != nil {
		return o, err
	}
	_, account, err := p.chosen()
	if err != nil {
		return o, err
	}
	if place := account.Provider; o.Node == nil && o.Gateway == nil && place.Kind == config.KindIPFS && place.Username == "" && place.Source().IsZero() {
		o.Node, err = webAddress("provider.endpoint", place.Endpoint)
	}
	return o, err
}

// webAddress reads the address of a server that the user names; an empty one is nil.
func webAddress(flag, text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, usagef("%s must be an address like http://127.0.0.1:8080", flag)
	}
	return u, nil
}

// attachmentStore opens the account's store: beside its cache, under its key.
func (p *program) attachmentStore() (*attachments.Store, error) {
	_, account, err := p.chosen()
	if err != nil {
		return nil, err
	}
	secret := account.Secret
	key, err := keyring.StorageKey(secret.Source(), keyring.Form(secret.Form), secret.Nonce, p.keyring())
	if err != nil {
		return nil, err
	}
	return attachments.Open(p.attachmentFolder(account), key, nil)
}

// archivedAttachments gives what was fetched before. A copy that is damaged counts as missing; the next run fetches it again.
func (p *program) archivedAttachments() (func(context.Context, string) ([]byte, bool, error), error) {
	store, err := p.attachmentStore()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, uri string) ([]byte, bool, error) {
		file, err := store.Get(ctx, uri)
		switch {
		case errors.Is(err, attachments.ErrDamaged):
			p.note("a kept attachment is damaged; `dm3sync fetch-attachments` fetches it again")
			return nil, false, nil
		case errors.Is(err, attachments.ErrNotFound):
			return nil, false, nil
		}
		return file.Data, err == nil, err
	}, nil
}

// fetchAttachments fetches what messages of the options' conversations refer to.
func (p *program) fetchAttachments(ctx context.Context, o *readable.Options, fetch attachments.Options) (report attachments.Report, err error) {
	store, err := p.attachmentStore()
	if err != nil {
		return report, err
	}
	unlock, err := store.Lock()
	if err != nil {
		return report, err
	}
	defer func() {
		if unlockErr := unlock(); unlockErr != nil {
			err = errors.Join(err, unlockErr)
		}
	}()
	return p.fetchInto(ctx, store, o, fetch)
}

// fetchInto is fetchAttachments with a store that is locked.
func (p *program) fetchInto(ctx context.Context, store *attachments.Store, o *readable.Options, fetch attachments.Options) (report attachments.Report, err error) {
	fetcher, err := attachments.NewFetcher(fetch)
	if err != nil {
		return report, err
	}
	defer fetcher.Close()
	shown := p.newProgress()
	defer shown.finish()
	references := readable.References{Options: *o}
	report, err = attachments.Archive(ctx, fetcher, store, references.All(ctx), func(done int) {
		shown.update(engine.Progress{Step: "fetching", Done: int64(done), Total: int64(done), Unit: "attachments"})
	})
	for _, failure := range report.Failures {
		p.note("%s: %s", plain(failure.URI), reason(failure.Reason))
	}
	if unlisted := report.Failed - len(report.Failures); unlisted > 0 {
		p.note("and %s more", plural(unlisted, "attachment"))
	}
	return report, err
}

// fetchAndPrint is the verb.
func (p *program) fetchAndPrint(ctx context.Context, s *session, selection *selectionFlags, o *readable.Options, fetch attachments.Options, prune bool) (err error) {
	if err := p.choose(ctx, s, selection, o); err != nil {
		return err
	}
	store, err := p.attachmentStore()
	if err != nil {
		return err
	}
	unlock, err := store.Lock()
	if err != nil {
		return err
	}
	defer func() {
		if unlockErr := unlock(); unlockErr != nil {
			err = errors.Join(err, unlockErr)
		}
	}()
	var document struct {
		attachments.Report
		Removed int `json:"removed"`
	}
	if document.Report, err = p.fetchInto(ctx, store, o, fetch); err != nil {
		return err
	}
	var unsure error
	if prune {
		if document.Removed, unsure = p.pruneAttachments(ctx, s, store, o.Own); unsure != nil && !errors.Is(unsure, errProblems) {
			return unsure
		}
	}
	if err := p.print(document, func(w *strings.Builder) {
		writeFetched(w, &document.Report)
		if prune {
			fmt.Fprintf(w, "%s removed\n", plural(document.Removed, "file"))
		}
	}); err != nil {
		return err
	}
	return unsure
}

// pruneAttachments removes what no message of the whole account refers to any more. While messages may be missing, nothing goes.
func (p *program) pruneAttachments(ctx context.Context, s *session, store *attachments.Store, own []string) (int, error) {
	all := readable.Options{Own: own}
	if err := p.choose(ctx, s, &selectionFlags{hidden: true}, &all); err != nil {
		return 0, err
	}
	references := readable.References{Options: all}
	live := map[[sha256.Size]byte]bool{}
	for uri, err := range references.All(ctx) {
		if err != nil {
			return 0, err
		}
		live[sha256.Sum256([]byte(uri))] = true
	}
	if references.Provisional || len(all.Doubts) > 0 {
		p.note("some messages can't be read now, so nothing was removed")
		return 0, errProblems
	}
	return store.Prune(ctx, live)
}

// keptAttachments are the addresses that messages of a range refer to and of which this device keeps a copy; none where
// nothing was ever fetched, without reading anything.
func (p *program) keptAttachments(ctx context.Context, s *session, contact string, from, to int64) (kept map[string]bool, err error) {
	_, account, err := p.chosen()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(p.attachmentFolder(account)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none, and that is no error
	}
	store, err := p.attachmentStore()
	if err != nil {
		return nil, err
	}
	kept = make(map[string]bool)
	references := readable.References{Options: readable.Options{
		Source: s, Own: append([]string{account.Name}, account.Aliases...), Conversations: []engine.Conversation{{Contact: contact}}, From: from, To: to,
	}}
	for uri, err := range references.All(ctx) {
		if err != nil {
			return nil, err
		}
		if !kept[uri] && store.Has(ctx, uri) {
			kept[uri] = true
		}
	}
	return kept, nil
}

// attachmentFolder is where an account's attachments are kept.
func (p *program) attachmentFolder(account *config.Account) string {
	return filepath.Join(p.loaded.Folder(account), "attachments")
}

// writeFetched says what was fetched; nil is nothing to say.
func writeFetched(w *strings.Builder, r *attachments.Report) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "%s fetched (%s), %d kept already, %d not to be had\n", plural(r.Fetched, "attachment"), humanize.Bytes(uint64(r.Bytes)), r.Kept, r.Failed)
	if r.Stopped != "" {
		fmt.Fprintf(w, "%s; run it again to go on\n", r.Stopped)
	}
}
