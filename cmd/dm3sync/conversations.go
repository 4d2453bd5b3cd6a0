package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) conversationsCommand() *cobra.Command {
	var hidden bool
	command := &cobra.Command{
		Use:   "conversations",
		Short: "List the conversations that this device knows",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.with(command.Context(), func(s *session) error {
				list, err := s.Conversations(command.Context())
				if err != nil {
					return err
				}
				return p.printConversations(list, hidden)
			})
		},
	}
	command.Flags().BoolVar(&hidden, "hidden", false, "the hidden ones too")
	return command
}

func (p *program) printConversations(list []engine.Conversation, hidden bool) error {
	list = slices.DeleteFunc(append([]engine.Conversation{}, list...), func(c engine.Conversation) bool { return c.Hidden && !hidden })
	slices.SortFunc(list, func(a, b engine.Conversation) int { return strings.Compare(a.Contact, b.Contact) })
	document := struct {
		Conversations []engine.Conversation `json:"conversations"`
	}{list} // never null
	return p.print(document, func(w *strings.Builder) {
		if len(list) == 0 {
			fmt.Fprintln(w, "no conversations known here; `dm3sync sync` looks at the provider")
			return
		}
		rows := [][]string{{"CONTACT", "MESSAGES", "CHUNKS", "WAITING", "FIRST", "LAST"}}
		for _, c := range list {
			rows = append(rows, []string{plain(c.Contact), strconv.Itoa(c.Messages), strconv.Itoa(c.Chunks), strconv.Itoa(c.Pending), when(c.First), when(c.Last)})
		}
		table(w, rows)
	})
}
