package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) statusCommand() *cobra.Command {
	var check bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Say what waits, when the last pass succeeded, and what is wrong",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			document, err := p.status(command.Context())
			if err != nil {
				return err
			}
			if err := p.print(document, func(w *strings.Builder) { p.writeStatus(w, document) }); err != nil {
				return err
			}
			if check && !healthy(document) {
				return errProblems
			}
			return nil
		},
	}
	command.Flags().BoolVar(&check, "check", false, "end with code 5 when an account is stuck, blocked or has problems (for monitoring)")
	return command
}

// statusDocument is the agent's status, or what this process found without one.
type statusDocument struct {
	Agent    bool                `json:"agent"`
	PID      int                 `json:"pid,omitempty"`
	Version  string              `json:"version,omitempty"`
	Started  time.Time           `json:"started,omitzero"`
	Accounts []api.AccountStatus `json:"accounts"`
}

func (p *program) status(ctx context.Context) (statusDocument, error) {
	c, err := p.load()
	if err != nil {
		return statusDocument{}, err
	}
	client, err := agent.Dial(c.Socket)
	if err == nil {
		defer func() { _ = client.Close() }() // returns nil, always
		return p.statusOfAgent(ctx, client)
	}
	if !errors.Is(err, api.ErrNoAgent) {
		return statusDocument{}, err
	}
	document := statusDocument{}
	for i := range c.Accounts {
		account := &c.Accounts[i]
		if p.account != "" {
			if account, err = c.Account(p.account); err != nil {
				return document, err
			}
		}
		s, err := p.openHere(ctx, c, account)
		if err != nil {
			return document, err
		}
		status, err := s.Status(ctx)
		if err := errors.Join(err, s.close()); err != nil {
			return document, err
		}
		document.Accounts = append(document.Accounts, status)
		if p.account != "" {
			break
		}
	}
	return document, nil
}

func (p *program) statusOfAgent(ctx context.Context, client *agent.Client) (statusDocument, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return statusDocument{}, err
	}
	document := statusDocument{Agent: true, PID: status.PID, Version: status.Version, Started: status.Started, Accounts: status.Accounts}
	if p.account == "" {
		return document, nil
	}
	one, err := client.Account(p.account).Status(ctx)
	document.Accounts = []api.AccountStatus{one}
	return document, err
}

// healthy tells whether nobody needs to look.
func healthy(document statusDocument) bool {
	for _, a := range document.Accounts {
		if !a.Open || a.Stuck || a.State == "blocked" || len(a.Problems) > 0 || a.JournalDamaged > 0 || a.SpoolError != "" {
			return false
		}
	}
	return true
}

func (p *program) writeStatus(w *strings.Builder, document statusDocument) {
	if document.Agent {
		fmt.Fprintf(w, "agent: running, process %d, started %s\n", document.PID, ago(document.Started, p.now()))
	} else {
		fmt.Fprintln(w, "agent: not running")
	}
	for _, a := range document.Accounts {
		fmt.Fprintf(w, "\n%s (%s)\n", plain(a.Name), a.Provider)
		table(w, p.statusRows(a, document.Agent))
		p.writeProblems(w, &a.Status)
	}
}

// healedLately is how long a problem that is over is spoken of.
const healedLately = 7 * 24 * time.Hour

// writeProblems says what is wrong and since when, what was healed lately, and
// how often the provider misbehaved in all.
func (p *program) writeProblems(w *strings.Builder, status *engine.Status) {
	for _, problem := range status.Problems {
		fmt.Fprintf(w, "  problem: %s\n", p.problemText(problem))
	}
	lately := make(map[string]int)
	for _, healed := range status.Healed {
		if p.now().Sub(healed.Until) <= healedLately {
			lately[healed.Kind]++
		}
	}
	if len(lately) > 0 {
		newest := status.Healed[0]
		fmt.Fprintf(w, "  healed in the last days: %s; the last one %s: %s\n", countsText(lately), ago(newest.Until, p.now()), plain(newest.How))
	}
	if len(status.Alarms.Raised) > 0 {
		fmt.Fprintf(w, "  alarms in all: %s", countsText(status.Alarms.Raised))
		if len(status.Alarms.Healed) > 0 {
			fmt.Fprintf(w, "; healed: %s", countsText(status.Alarms.Healed))
		}
		fmt.Fprintln(w)
	}
}

// problemText is one line: what it is and where, for whom, and since when.
func (p *program) problemText(problem engine.Problem) string {
	text := problem.Kind
	if problem.Container != "" && problem.Container != problem.Object {
		text += " " + problem.Container
	}
	if problem.Object != "" {
		text += " " + problem.Object
	}
	if problem.Contact != "" {
		text += " (" + plain(problem.Contact) + ")"
	}
	text += ": " + plain(problem.Detail)
	if !problem.Since.IsZero() {
		text += fmt.Sprintf("; since %s, noticed %s", problem.Since.Local().Format(time.DateTime), plural(problem.Count, "time"))
	}
	return text
}

// countsText lists counts by name, like "2 damaged, 1 missing".
func countsText[N int | int64](counts map[string]N) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	return strings.Join(parts, ", ")
}

func (p *program) statusRows(a api.AccountStatus, byAgent bool) [][]string {
	rows := [][]string{
		{"  state", stateText(a)},
		{"  waiting", fmt.Sprintf("%s (%s)", plural(a.Pending, "message"), humanize.Bytes(uint64(max(a.PendingBytes, 0))))},
		{"  holds", fmt.Sprintf("%s in %s, %s", plural(a.Conversations, "conversation"), plural(a.Chunks, "chunk"), plural(a.Heads, "head"))},
	}
	if byAgent || !a.LastPass.IsZero() { // else nobody knows
		rows = append(rows, []string{"  last pass", ago(a.LastPass, p.now())}, []string{"  last success", ago(a.LastSuccess, p.now())})
	}
	if a.LastError != "" {
		rows = append(rows, []string{"  last error", plain(a.LastError)})
	}
	if a.SpoolError != "" {
		rows = append(rows, []string{"  spool error", plain(a.SpoolError)})
	}
	if !a.NextPass.IsZero() {
		rows = append(rows, []string{"  next pass", "in " + a.NextPass.Sub(p.now()).Round(time.Second).String()})
	}
	if a.SpoolRejected > 0 {
		rows = append(rows, []string{"  spool", plural(a.SpoolRejected, "rejected line")})
	}
	if a.JournalDamaged > 0 {
		rows = append(rows, []string{"  journal", plural(a.JournalDamaged, "damaged frame") + ", set aside in the data folder"})
	}
	if a.CacheRebuilt {
		rows = append(rows, []string{"  cache", "was damaged or missing, and is being rebuilt from the provider"})
	}
	return rows
}

func stateText(a api.AccountStatus) string {
	switch {
	case !a.Open:
		return "not open: " + plain(a.Reason)
	case a.Stuck:
		return "STUCK since " + a.Since.Local().Format(time.DateTime)
	case a.Paused:
		return "paused"
	}
	return a.State
}
