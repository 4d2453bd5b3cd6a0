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
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) statusCommand() *cobra.Command {
	var check bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Say what waits, when the last pass succeeded, and what is wrong",
		Args:  nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			document, err := p.status(command.Context())
			if err != nil {
				return err
			}
			if err := p.print(document, func(w *strings.Builder) { p.writeStatus(w, document) }); err != nil {
				return err
			}
			if check && !healthy(document, p.now()) {
				return errProblems
			}
			return nil
		},
	}
	command.Flags().BoolVar(&check, "check", false, "end with code 5 when an account is stuck, blocked, has problems or needs a login, or when a mirror has problems or fails for an hour (for monitoring)")
	return command
}

// statusDocument is the agent's status, or what this process found without one.
type statusDocument struct {
	Agent    bool                `json:"agent"`
	PID      int                 `json:"pid,omitempty"`
	Version  string              `json:"version,omitempty"`
	Started  time.Time           `json:"started,omitzero"`
	Limits   []api.Limit         `json:"limits,omitempty"`
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
		return p.statusOfAgent(ctx, c, client)
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
		p.askPlace(ctx, s)
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

// placeWait is how long a status without an agent waits for the place.
const placeWait = 3 * time.Second

// askPlace lets the place tell its room, which also shows whether it can be reached.
func (p *program) askPlace(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	if err := s.askPlace(ctx); err != nil {
		p.warn(fmt.Sprintf("%s: the place did not tell its space: %v", s.name, err))
	}
}

func (p *program) statusOfAgent(ctx context.Context, c *config.Config, client *agent.Client) (statusDocument, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return statusDocument{}, err
	}
	document := statusDocument{Agent: true, PID: status.PID, Version: status.Version, Started: status.Started, Limits: status.Limits, Accounts: status.Accounts}
	if p.account == "" {
		return document, nil
	}
	one, err := client.Account(p.account).Status(ctx)
	if errors.Is(err, api.ErrNoAccount) {
		if account, chooseErr := c.Account(p.account); chooseErr != nil {
			return document, chooseErr // a name that is mistyped
		} else if account.Name != p.account {
			one, err = client.Account(account.Name).Status(ctx)
		}
	}
	document.Accounts = []api.AccountStatus{one}
	return document, err
}

// failingLong is how long a mirror may fail before somebody needs to look: nothing waits
// for it.
const failingLong = time.Hour

// healthy tells whether nobody needs to look.
func healthy(document statusDocument, now time.Time) bool {
	for _, a := range document.Accounts {
		if !a.Open || a.Stuck || a.State == "blocked" || len(a.Problems) > 0 || a.JournalDamaged > 0 || a.SpoolError != "" || a.Warning != "" {
			return false
		}
		for _, m := range a.Mirrors {
			if m.LastError != "" && now.Sub(m.LastSuccess) > failingLong || len(m.Problems) > 0 || m.Warning != "" {
				return false
			}
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
	writeLimits(w, document.Limits)
	for _, a := range document.Accounts {
		fmt.Fprintf(w, "\n%s (%s)\n", plain(a.Name), a.Provider)
		table(w, p.statusRows(a, document.Agent))
		p.writeProblems(w, &a.Status)
		p.writeMirrors(w, a.Name, a.Mirrors)
	}
}

// healedLately is how long a problem that is over is spoken of.
const healedLately = 7 * 24 * time.Hour

// writeProblems says what is wrong and since when, what was healed lately, and
// how often the provider misbehaved in all.
func (p *program) writeProblems(w *strings.Builder, status *engine.Status) {
	for i, problem := range status.Problems {
		fmt.Fprintf(w, "  problem: %s\n", p.problemText(problem))
		explain(w, "    ", status.Problems[:i], problem, display.AccountProblem)
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

// explain says what a kind of problem means and what to do, once for all of that kind.
func explain(w *strings.Builder, indent string, before []engine.Problem, problem engine.Problem, words func(kind string) (display.Problem, bool)) {
	said := slices.ContainsFunc(before, func(b engine.Problem) bool { return b.Kind == problem.Kind })
	known, ok := words(problem.Kind)
	if said || !ok || providertest.IsLeftover(problem.Object) {
		return
	}
	fmt.Fprintf(w, "%s%s\n%s%s\n", indent, strings.TrimSpace(known.Title+". "+known.Meaning), indent, known.Way)
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
	text += ": " + problemDetail(problem)
	if !problem.Since.IsZero() {
		text += fmt.Sprintf("; since %s, noticed %s", problem.Since.Local().Format(time.DateTime), plural(problem.Count, "time"))
	}
	return text
}

// problemDetail says what is wrong. What a check left is not what it looks like.
func problemDetail(problem engine.Problem) string {
	if providertest.IsLeftover(problem.Object) {
		return "`dm3sync check` wrote this object; it runs now, or was interrupted: run it once more, and it removes what is left"
	}
	return reason(problem.Detail)
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
	conversations := plural(a.Conversations, "conversation")
	if a.HiddenConversations > 0 {
		conversations = fmt.Sprintf("%s and %s", conversations, plural(a.HiddenConversations, "hidden one"))
	}
	rows := [][]string{
		{"  place", plain(a.Place)},
		{"  state", stateText(a)},
		{"  waiting", fmt.Sprintf("%s (%s)", plural(a.Pending, "message"), humanize.Bytes(uint64(max(a.PendingBytes, 0))))},
		{"  holds", fmt.Sprintf("%s in %s, of %s", conversations, plural(a.Chunks, "chunk"), plural(max(a.Devices, 1), "device"))},
	}
	if byAgent || !a.LastPass.IsZero() { // else nobody knows
		rows = append(rows, []string{"  last pass", ago(a.LastPass, p.now())}, []string{"  last success", ago(a.LastSuccess, p.now())})
	}
	if a.Space != nil {
		rows = append(rows, []string{"  space", spaceText(a.Space)})
	}
	if a.Warning != "" {
		rows = append(rows, []string{"  warning", reason(a.Warning)})
	}
	if a.LastError != "" {
		rows = append(rows, []string{"  last error", reason(a.LastError)})
	}
	rows = append(rows, p.nodeRows(a.Node, byAgent)...)
	if a.SpoolError != "" {
		rows = append(rows, []string{"  spool error", reason(a.SpoolError)})
	}
	if !a.NextPass.IsZero() {
		rows = append(rows, []string{"  next pass", "in " + span(max(a.NextPass.Sub(p.now()), 0))})
	}
	if a.SpoolRejected > 0 {
		rows = append(rows, []string{"  spool", plural(a.SpoolRejected, "rejected line")})
	}
	if a.JournalDamaged > 0 {
		rows = append(rows, []string{"  journal", plural(a.JournalDamaged, "damaged frame") + ", set aside in the data folder"})
	}
	if a.CacheRebuilt {
		rows = append(rows, []string{"  cache", "was damaged or missing, and is being rebuilt from the place"})
	}
	return rows
}

// spaceText says what is used and left.
func spaceText(s *api.Space) string {
	var parts []string
	if s.Left >= 0 {
		parts = append(parts, humanize.Bytes(uint64(s.Left))+" left")
	}
	if s.Used >= 0 {
		parts = append(parts, humanize.Bytes(uint64(s.Used))+" used")
	}
	return strings.Join(parts, ", ")
}

func stateText(a api.AccountStatus) string {
	switch {
	case !a.Open:
		return "not open: " + reason(a.Reason)
	case a.Stuck:
		return "stuck since " + a.Since.Local().Format(time.DateTime)
	case a.Paused && !a.PausedUntil.IsZero():
		return "paused until " + a.PausedUntil.Local().Format(time.DateTime)
	case a.Held:
		return "paused by a limit"
	case a.Paused:
		return "paused until `dm3sync resume`"
	case a.Small:
		return a.State + ", uploads only"
	}
	return a.State
}
