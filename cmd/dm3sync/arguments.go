package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dm3sync/dm3sync/internal/config"
)

// nothing takes no arguments.
func nothing(verb *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("`%s` takes flags only, not %q", verb.CommandPath(), arguments[0])
	}
	return nil
}

// one takes exactly one argument: what, such as "the FILE". hint says how to find it.
func one(what, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, arguments []string) error {
		switch {
		case len(arguments) == 0:
			return errors.New(what + " is missing" + hint)
		case len(arguments) > 1:
			return fmt.Errorf("more was given than %s: %q", what, arguments[1])
		}
		return nil
	}
}

// some takes one argument or more: what, such as "WORDS".
func some(what, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, arguments []string) error {
		if len(arguments) == 0 {
			return errors.New(what + hint)
		}
		return nil
	}
}

// listsThem says where names of conversations come from.
const listsThem = "; `dm3sync conversations` lists them"

// placeOfLogin takes the kind of place that login and logout are for.
func placeOfLogin(verb *cobra.Command, arguments []string) error {
	const which = "it is drive, for Google Drive"
	if err := one("the kind of place", ": "+which)(verb, arguments); err != nil {
		return err
	}
	if arguments[0] != config.KindDrive {
		return fmt.Errorf("%q is no kind of place that takes a login; %s", arguments[0], which)
	}
	return nil
}
