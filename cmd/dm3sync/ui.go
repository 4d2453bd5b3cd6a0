package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/login"
)

func (p *program) uiCommand() *cobra.Command {
	var only, numeric bool
	command := &cobra.Command{
		Use:   "ui",
		Short: "Open the page of the running agent in the browser",
		Long: "Ask the running agent for a link and open it in the browser ($BROWSER, else the system's). The link is good once, for\n" +
			"two minutes; the browser stays in until it has rested for 12 hours, or until the agent ends.\n\n" +
			"With --print the link is only shown: whoever opens it first is in. Over ssh nothing is opened either, and it is said\n" +
			"how to forward the port. Where no agent runs, one runs here until ctrl-C; that is how a new machine is set up.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error { return p.ui(command.Context(), only, numeric) },
	}
	command.Flags().BoolVar(&only, "print", false, "only print the link")
	command.Flags().BoolVar(&numeric, "numeric", false, "a link to 127.0.0.1, for browsers that don't find names under localhost")
	return command
}

func (p *program) ui(ctx context.Context, only, numeric bool) error {
	c, err := p.loadForAgent()
	if err != nil {
		return err
	}
	client, err := agent.Dial(c.Socket)
	if errors.Is(err, api.ErrNoAgent) && !p.json {
		return p.uiWithAgent(ctx, c, only, numeric)
	}
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // it always succeeds
	return p.openPage(ctx, client, only, numeric)
}

// uiWithAgent runs an agent here, and the page with it, until ctx ends or the agent does.
func (p *program) uiWithAgent(ctx context.Context, c *config.Config, only, numeric bool) error {
	a, err := p.newAgent()
	if err != nil {
		return err
	}
	p.note("no agent is running, so one runs here until you press ctrl-C; `dm3sync run` runs one without the page")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	client, err := agent.Dial(c.Socket)
	for errors.Is(err, api.ErrNoAgent) {
		select {
		case err := <-ended:
			return err
		case <-time.After(agentSoon):
		}
		client, err = agent.Dial(c.Socket)
	}
	if err == nil {
		err = errors.Join(p.openPage(ctx, client, only, numeric), client.Close())
	}
	if err != nil {
		stop()
	}
	return errors.Join(err, <-ended)
}

// agentSoon is how long is waited between two looks for an agent that starts.
const agentSoon = 20 * time.Millisecond

// openPage asks an agent for a link, and opens or prints it.
func (p *program) openPage(ctx context.Context, client *agent.Client, only, numeric bool) error {
	remote := p.getenv("SSH_CONNECTION") != "" && p.getenv("DISPLAY") == "" && p.getenv("WAYLAND_DISPLAY") == ""
	if !only && !remote && !p.json {
		// Other users can read the arguments of the browser: for them, this link is
		// worth nothing.
		link, err := client.NewLink(ctx, api.LinkOptions{Numeric: numeric, OwnUser: true})
		if err != nil {
			return err
		}
		err = login.SystemBrowser(p.getenv)(ctx, link.URL)
		if err == nil {
			p.note("the page opens in the browser; if it does not, run `dm3sync ui --print` and open the link yourself")
			return nil
		}
		p.note("no browser can be started: %s", reason(err.Error()))
	}
	link, err := client.NewLink(ctx, api.LinkOptions{Numeric: numeric})
	if err != nil {
		return err
	}
	if remote {
		p.note("%s", forwarding(link.Address, p.getenv("SSH_CONNECTION")))
	}
	p.note("the link is good once, until %s; keep it to yourself", link.Expires.Local().Format("15:04:05"))
	return p.print(link, func(w *strings.Builder) { fmt.Fprintln(w, link.URL) })
}

// forwarding says how a browser on another machine reaches the agent here.
// connection is what ssh tells of the two ends: address and port of each.
func forwarding(address, connection string) string {
	_, port, _ := net.SplitHostPort(address) // the agent's own word for its listener
	host := "this-host"
	if parts := strings.Fields(connection); len(parts) == 4 {
		host = plain(parts[2])
	}
	return fmt.Sprintf("you are here over ssh. On the machine with the browser run `ssh -N -L %s:%s %s`, then open the link there", port, address, host)
}
