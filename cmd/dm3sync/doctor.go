package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/doctor"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/providers"
)

func (p *program) doctorCommand() *cobra.Command {
	var patience time.Duration
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that dm3sync needs, and say what to do",
		Long: "Look at the configuration, this machine, the running agent and each account's places, side by side, and say in a line\n" +
			"each what is as it should be, what is worth a note, and what is wrong and what to do about it. It works with a broken\n" +
			"configuration and without an agent, changes nothing, and prints no secret. Code 5 says that something is wrong.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if patience <= 0 {
				return usagef("--timeout must be positive")
			}
			return p.doctor(command.Context(), patience)
		},
	}
	command.Flags().DurationVar(&patience, "timeout", 15*time.Second, "the longest `DURATION` of each check, such as 30s")
	return command
}

// doctorDocument is what was found.
type doctorDocument struct {
	Healthy  bool             `json:"healthy"`
	Findings []doctor.Finding `json:"findings"`
}

func (p *program) doctor(ctx context.Context, patience time.Duration) error {
	s := p.surroundings()
	findings := doctor.Examine(ctx, doctor.Checks(s), patience)
	document := doctorDocument{Healthy: doctor.Healthy(findings), Findings: findings}
	if err := p.print(document, document.write); err != nil {
		return err
	}
	if !document.Healthy {
		return errProblems
	}
	return nil
}

// surroundings are what the checks look at. The configuration may be broken.
func (p *program) surroundings() *doctor.Surroundings {
	options := &config.Options{Environ: p.environ}
	c, err := config.Load(p.configFile, options)
	built := buildVersion()
	s := &doctor.Surroundings{
		File: p.configFile, Config: c, Failure: err, Environ: p.environ, Now: p.now,
		Version: built.Version, Build: doctor.Build{Revision: built.Revision, Go: built.Go, Cache: cache.Format, Objects: seal.Version},
		Credstore: "/etc/credstore",
		Advice:    func(err error) string { return wayOut(err, p.verb) }, Disk: doctor.SystemDisk, Limits: doctor.SystemLimits,
		Probe: doctor.Probe(http.ProxyFromEnvironment, p.now),
		Keyring: func(ctx context.Context) error {
			_, err := keyring.System(p.silentKeyring()).Get(ctx, "nothing")
			return err
		},
	}
	if c == nil {
		return s
	}
	s.Agent = func(ctx context.Context) (api.Status, error) { return askAgent(ctx, c.Socket) }
	s.Holder = func() int { return agent.Holder(c.Data) }
	s.Kept = func() (*watch.Kept, error) { return watch.Load(filepath.Join(c.Data, watch.FileName), rand.Reader) }
	key := func(account config.Account) ([32]byte, error) {
		return keyring.StorageKey(account.Secret.Source(), keyring.Form(account.Secret.Form), account.Secret.Nonce, p.silentKeyring())
	}
	s.Unlock = func(_ context.Context, account config.Account) error {
		_, err := key(account)
		return err
	}
	s.NodeKeys = func(ctx context.Context, account config.Account, address string) error {
		own, err := key(account)
		if err != nil {
			return err
		}
		return nodeFinding(agent.CheckNodeKeys(ctx, account, address, own, p.now))
	}
	s.Open = func(ctx context.Context, account config.Account) (api.AccountStatus, error) {
		return folderStatus(ctx, c, account, key)
	}
	s.Place = func(ctx context.Context, account config.Account) (providers.Store, error) {
		return agent.OpenProvider(ctx, account, agent.PlaceOptions{Config: c, Unlock: func() ([32]byte, error) { return key(account) }})
	}
	return s
}

// nodeFinding says in the doctor's words how the keys that a service knows compare.
func nodeFinding(err error) error {
	switch {
	case errors.Is(err, agent.ErrOtherProfile):
		return fmt.Errorf("%w: %w", doctor.ErrOtherKeys, err)
	case errors.Is(err, dm3api.ErrNoProfile):
		return fmt.Errorf("%w: %w", doctor.ErrNoKeys, err)
	}
	return err
}

// silentKeyring is keyring without warnings: findings say what there is to say.
func (p *program) silentKeyring() *keyring.Options {
	o := p.keyring()
	o.Warn = nil
	return o
}

func askAgent(_ context.Context, socket string) (status api.Status, err error) {
	client, err := agent.Dial(socket)
	if err != nil {
		return status, err
	}
	defer func() { _ = client.Close() }() // returns nil, always
	ctx, cancel := context.WithTimeout(context.Background(), placeWait)
	defer cancel()
	return client.Status(ctx)
}

// folderStatus opens an account without its place, with what key gives, and closes it again. A folder that
// is not there is not made.
func folderStatus(ctx context.Context, c *config.Config, account config.Account, key func(config.Account) ([32]byte, error)) (status api.AccountStatus, err error) {
	if _, err := os.Stat(c.Folder(&account)); os.IsNotExist(err) {
		return status, doctor.ErrNoFolder
	}
	opened, err := agent.OpenAccount(ctx, account, agent.AccountOptions{
		Config: c, Unlock: func(_ context.Context, account config.Account) ([32]byte, error) { return key(account) },
		Open: func(context.Context, config.Account) (providers.Store, error) {
			return nil, fmt.Errorf("doctor: %w", providers.ErrTransient) // it is looked at by a check of its own
		},
	})
	if err != nil {
		return status, err
	}
	status, err = opened.Status(ctx)
	if closeErr := opened.Close(); err == nil {
		err = closeErr
	}
	return status, err
}

// write prints a line for each finding, and another for what to do.
func (d doctorDocument) write(w *strings.Builder) {
	var notes, faults int
	for _, f := range d.Findings {
		what := f.Check
		if f.Account != "" {
			what = f.Account + " " + what
		}
		fmt.Fprintf(w, "%-5s  %s: %s\n", f.Level, plain(what), reason(f.Says))
		if f.Do != "" && f.Level != doctor.OK {
			fmt.Fprintf(w, "         %s\n", plain(f.Do))
		}
		switch f.Level {
		case doctor.Note:
			notes++
		case doctor.Wrong:
			faults++
		}
	}
	switch {
	case faults > 0:
		fmt.Fprintf(w, "\n%s to put right, %s\n", plural(faults, "thing"), plural(notes, "note"))
	case notes > 0:
		fmt.Fprintf(w, "\nnothing is wrong; %s\n", plural(notes, "note"))
	default:
		fmt.Fprintln(w, "\nnothing is wrong")
	}
}
