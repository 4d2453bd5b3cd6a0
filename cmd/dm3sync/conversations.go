package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/sync/engine"
)

func (p *program) conversationsCommand() *cobra.Command {
	var hidden bool
	command := &cobra.Command{
		Use:   "conversations",
		Short: "List the conversations that this device knows",
		Args:  nothing,
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
	p.fileFlag(command)
	command.Flags().BoolVar(&hidden, "hidden", false, "the hidden ones too")
	return command
}

func (p *program) printConversations(list []engine.Conversation, hidden bool) error {
	list = api.ForPeople(list)
	known := len(list)
	list = slices.DeleteFunc(list, func(c engine.Conversation) bool { return c.Hidden && !hidden })
	hiding := known - len(list)
	slices.SortFunc(list, func(a, b engine.Conversation) int { return strings.Compare(a.Contact, b.Contact) })
	document := struct {
		Conversations []engine.Conversation `json:"conversations"`
	}{list} // never null
	return p.print(document, func(w *strings.Builder) {
		switch {
		case len(list) == 0 && hiding > 0:
			fmt.Fprintf(w, "no conversations but %s; --hidden lists hidden ones too\n", plural(hiding, "hidden one"))
			return
		case len(list) == 0:
			fmt.Fprintln(w, "no conversations known here; `dm3sync sync` looks at the place, `dm3sync append` takes messages over")
			return
		}
		rows := [][]string{{"CONTACT", "MESSAGES", "CHUNKS", "WAITING", "FIRST", "LAST"}}
		for _, c := range list {
			messages := strconv.Itoa(c.Messages)
			if c.Estimated {
				messages = "about " + messages
			}
			rows = append(rows, []string{plain(c.Contact), messages, strconv.Itoa(c.Chunks), strconv.Itoa(c.Pending), when(c.First), when(c.Last)})
		}
		table(w, rows)
	})
}
