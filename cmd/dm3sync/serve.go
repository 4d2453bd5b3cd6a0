package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers/memory"
)

func (p *program) serveCommand() *cobra.Command {
	var create bool
	command := &cobra.Command{
		Use:   "serve",
		Short: "Be the storage service of dm3 apps",
		Long: "Answer the storage interface of a dm3 node, as [serve] of the configuration says, until interrupted.\n\n" +
			"mode = \"accounts\" (the default): dm3 apps use the accounts of this configuration as their storage. What they\n" +
			"store is in the account's history, at its place and on its devices, and what comes from there is shown to them.\n" +
			"A running agent is used; without one, an agent runs with the service. --account serves one account only.\n\n" +
			"mode = \"operator\": keep the storage of many accounts whose keys are not here on one place ([serve.provider]).\n" +
			"Any number of instances may run side by side. --create makes the place ready for its first use.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.serve(command.Context(), create) },
	}
	command.Flags().BoolVar(&create, "create", false, "operator: make the folder, or the tables of the database, if they are not there")
	return command
}

// positions bounds what the service of the tree remembers of an app's order, about
// 60 MB.
const positions = 1_000_000

// sweepEvery is how often claims of old challenges are removed.
const sweepEvery = 10 * time.Minute

func (p *program) serve(ctx context.Context, create bool) (err error) {
	c, err := p.load()
	if err != nil {
		return err
	}
	if create && c.Serve.Mode != config.ServeOperator {
		return usagef("--create goes only with serve.mode = \"operator\"; `dm3sync init` makes the places of accounts")
	}
	log, err := agent.NewLogger(p.err, c.Log, p.isTerminal(p.err) && p.getenv("NO_COLOR") == "")
	if err != nil {
		return err
	}
	// What answers requests ends first, then what it needs; and when that fails, all
	// ends.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	needed, stopNeeded := context.WithCancel(context.WithoutCancel(ctx))
	group, needed := errgroup.WithContext(needed)
	defer context.AfterFunc(needed, stop)()
	defer func() {
		stopNeeded()
		if failed := group.Wait(); err == nil {
			err = failed
		}
	}()
	var service served
	if c.Serve.Mode == config.ServeOperator {
		service, err = p.serveOperator(ctx, c, create, log)
	} else {
		service, err = p.serveAccounts(ctx, needed, group, c, log)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Serve.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %s", errListen, c.Serve.Listen)
	}
	if err != nil {
		return fmt.Errorf("opening serve.listen: %w", err)
	}
	scheme := "http"
	if c.Serve.CertificateFile != "" {
		scheme = "https"
	}
	p.note("serving dm3 apps at %s://%s", scheme, listener.Addr())
	group.Go(func() error {
		service.login.SweepEvery(needed, sweepEvery, log)
		return nil
	})
	return storage.Serve(ctx, listener, service.handler, storage.ServerOptions{
		CertificateFile: c.Serve.CertificateFile, KeyFile: c.Serve.KeyFile, MaxConnections: c.Serve.MaxConnections,
		Proxies: c.Serve.Networks(), Log: log,
	})
}

// Errors of serve that have a way out of their own.
var (
	errListen     = errors.New("the address of serve.listen is in use")
	errServePlace = errors.New("the place of the service can't be used")
)

// served is a service that is ready, and how to let go what it needs.
type served struct {
	handler http.Handler
	login   *storage.Login
	close   func() error
}

// serviceOptions is what the configuration says of a service's limits.
func (p *program) serviceOptions(s *config.Serve, log *slog.Logger) storage.Options {
	return storage.Options{
		Guard: storage.GuardOptions{
			Origins: s.Origins, Proxies: s.Networks(), MaxBody: int64(s.MaxBody),
			PerSecond: s.AddressPerSecond, Burst: s.AddressBurst, Log: log, Now: p.now,
		},
		AccountPerSecond: s.AccountPerSecond, AccountBurst: s.AccountBurst,
	}
}

// serveAccounts prepares the service of the configuration's accounts.
func (p *program) serveAccounts(ctx, needed context.Context, group *errgroup.Group, c *config.Config, log *slog.Logger) (served, error) {
	client, err := p.agentFor(ctx, needed, group, c, log)
	if err != nil {
		return served{}, err
	}
	tree, err := p.openTree(c, client, log)
	if err != nil {
		return served{}, errors.Join(err, client.Close())
	}
	// One process answers, so what it remembers is enough: a restart makes another
	// secret, and ends all sessions and challenges.
	secret := make([]byte, storage.MinSecret)
	if _, err := io.ReadFull(rand.Reader, secret); err != nil {
		return served{}, errors.Join(fmt.Errorf("drawing the token secret: %w", err), client.Close())
	}
	login, err := storage.NewLogin(storage.LoginOptions{
		Secret: secret, Claims: memory.New(nil), SigningKey: tree.SigningKey, Now: p.now, Random: rand.Reader,
	})
	if err != nil {
		return served{}, errors.Join(err, client.Close())
	}
	o := p.serviceOptions(&c.Serve, log)
	o.Backend, o.Login, o.Profiles = tree, login, tree.Profiles(login)
	return served{handler: storage.NewHandler(o), login: login, close: client.Close}, nil
}

func (p *program) openTree(c *config.Config, client *agent.Client, log *slog.Logger) (*storage.Tree, error) {
	accounts := c.Accounts
	if p.account != "" {
		account, err := c.Account(p.account)
		if err != nil {
			return nil, err
		}
		accounts = []config.Account{*account}
	}
	o := storage.TreeOptions{Positions: positions, Now: p.now, Random: rand.Reader, Log: log}
	for i := range accounts {
		account := &accounts[i]
		key, err := keyring.StorageKey(account.Secret.Source(), keyring.Form(account.Secret.Form), account.Secret.Nonce, p.keyring())
		if err != nil {
			return nil, fmt.Errorf("reading the secret of %s: %w", account.Name, err)
		}
		o.Accounts = append(o.Accounts, storage.TreeAccount{
			Account: client.Account(account.Name), Names: append([]string{account.Name}, account.Aliases...), Profile: identity.FromStorageKey(key),
		})
	}
	return storage.NewTree(o)
}

// agentFor is a connection to the running agent, or to one that runs with the
// service: somebody has to bring to the place what apps store.
func (p *program) agentFor(ctx, needed context.Context, group *errgroup.Group, c *config.Config, log *slog.Logger) (*agent.Client, error) {
	client, err := agent.Dial(c.Socket)
	if !errors.Is(err, api.ErrNoAgent) {
		return client, err
	}
	own, err := agent.New(c, agent.Options{AccountOptions: agent.AccountOptions{Log: log, Now: p.now}, Version: buildVersion().Version, Environ: p.environ})
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	group.Go(func() error {
		err := own.Run(needed)
		ended <- err
		return err
	})
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
		if client, err := agent.Dial(c.Socket); !errors.Is(err, api.ErrNoAgent) {
			return client, err
		}
	}
}
