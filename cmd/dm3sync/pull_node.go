package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
)

func (p *program) pullNodeCommand() *cobra.Command {
	var dryRun bool
	command := &cobra.Command{
		Use:   "pull-node",
		Short: "Take what a dm3 app keeps at its node, and what waits for it, into the history",
		Long: "Take the conversations and messages that a dm3 app keeps at its node into the history, and messages that wait at the\n" +
			"delivery service, as [account.node] says; with directions \"push\" or \"both\", hand over what the node lacks. All of it is\n" +
			"looked at, and running it again changes nothing. Signatures are checked: messages whose signature is not their\n" +
			"sender's are kept and flagged. A running agent does this by itself.",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			work := bridge.Work{Full: true, DryRun: dryRun}
			return p.with(command.Context(), func(s *session) error { return p.pullNode(command.Context(), s, work) })
		},
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "count only: nothing is written, nothing acknowledged")
	return command
}

// pullNodeDocument is what pull-node prints.
type pullNodeDocument struct {
	Account string `json:"account"`
	DryRun  bool   `json:"dry_run"`
	bridge.Report
}

func (p *program) pullNode(ctx context.Context, s *session, work bridge.Work) error {
	puller, ok := s.Account.(api.NodePuller)
	if !ok {
		return usagef("this account can't be bridged to a dm3 node")
	}
	report, failed := puller.PullNode(ctx, work)
	if failed != nil && report == (bridge.Report{}) {
		return failed
	}
	// What was done is told even when the rest failed.
	err := p.print(pullNodeDocument{s.name, work.DryRun, report}, func(w *strings.Builder) {
		writePullNode(w, work, report)
		if !s.byAgent && !work.DryRun && report.Taken+report.Fetched+report.Hidden > 0 {
			fmt.Fprintln(w, "durable on this device; `dm3sync sync` uploads, or a running agent does")
		}
	})
	if err = errors.Join(failed, err); err == nil && report.Refused+report.Left+report.Unfit > 0 {
		return errRejected
	}
	return err
}

// writePullNode prints a report; what is nought is left out, but for what was asked for.
func writePullNode(w *strings.Builder, work bridge.Work, r bridge.Report) {
	if work.DryRun {
		fmt.Fprintln(w, "dry run: nothing was written; this is what would be done")
	}
	fmt.Fprintf(w, "from the node: %s taken, of %s in %s\n", plural(r.Taken, "new message"), plural(r.Read, "record"), plural(r.Conversations, "conversation"))
	for _, line := range []struct {
		number   int
		sentence string
	}{
		{r.Fetched, "picked up from the delivery service"},
		{r.Acknowledged, "of them acknowledged there"},
		{r.Left, "at the delivery service can't be read or acknowledged, and stay there"},
		{r.Handed, "handed to the node"},
		{r.Present, "were at the node already"},
		{r.Unfit, "the node does not take"},
		{r.Refused, "at the node can't be read and were left alone"},
		{r.Forged, "have a signature that is not their sender's: they are kept, and flagged"},
		{r.Unknown, "come from senders whose key is not known"},
		{r.Doubtful, "contradict themselves or how they came: they are kept, and flagged"},
	} {
		if line.number > 0 {
			fmt.Fprintf(w, "%d %s\n", line.number, line.sentence)
		}
	}
	if r.Hidden > 0 {
		fmt.Fprintf(w, "%s hidden, as at the node\n", plural(r.Hidden, "conversation"))
	}
	if r.Unlisted > 0 {
		fmt.Fprintf(w, "%s at the node not listed: hidden ones are found once the history knows their names\n", plural(r.Unlisted, "conversation"))
	}
}

// nodeRows are the lines of the status about the dm3 node.
func (p *program) nodeRows(status *api.NodeStatus, byAgent bool) (rows [][]string) {
	if status == nil {
		return nil
	}
	row := plain(status.Place)
	if byAgent || !status.LastSuccess.IsZero() { // else nobody knows
		row += "; last success " + ago(status.LastSuccess, p.now())
	}
	rows = append(rows, []string{"  dm3 node", row})
	if status.Error != "" {
		rows = append(rows, []string{"  dm3 node fails", reason(status.Error)})
	}
	if status.Forged > 0 {
		rows = append(rows, []string{"  forged", plural(status.Forged, "message") + " came with a signature that is not the sender's"})
	}
	return rows
}

// distrust is what a reader must know of a message before its text; "" is nothing.
func distrust(notes bridge.Notes) (text string) {
	if notes.Verdict() == bridge.Forged {
		text = "[FORGED] "
	}
	if len(notes.Doubts) > 0 {
		text += "[doubtful: " + plain(strings.Join(notes.Doubts, ", ")) + "] "
	}
	return text
}
