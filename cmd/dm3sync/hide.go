package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/identity"
)

func (p *program) hideCommand() *cobra.Command {
	var show bool
	command := &cobra.Command{
		Use:   "hide NAME",
		Short: "Hide a conversation on all devices, or show it again",
		Long: "Hide the conversation with NAME on all devices: `conversations` leaves it out, and nothing else changes. A new message does\n" +
			"not show it again; --show does.",
		Args: one("the NAME of a conversation", listsThem),
		RunE: func(command *cobra.Command, arguments []string) error {
			contact, err := identity.Normalize(arguments[0])
			if err != nil || contact == "" {
				return usagef("%q is no dm3 name", arguments[0])
			}
			return p.with(command.Context(), func(s *session) error {
				if err := s.Hide(command.Context(), contact, !show); err != nil {
					return fmt.Errorf("%s: %w", plain(contact), err)
				}
				return p.printHidden(contact, !show)
			})
		},
	}
	command.Flags().BoolVar(&show, "show", false, "show it again")
	return command
}

func (p *program) printHidden(contact string, hidden bool) error {
	document := struct {
		Contact string `json:"contact"`
		Hidden  bool   `json:"hidden"`
	}{contact, hidden}
	return p.print(document, func(w *strings.Builder) {
		state := "shown"
		if hidden {
			state = "hidden"
		}
		fmt.Fprintf(w, "%s is %s\n", plain(contact), state)
	})
}
