package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageText is how a verb's help ends: cobra's own, in the words of the rest.
const usageText = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} {{or .Annotations.argument "VERB"}}{{else}}{{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{$verbs := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $verbs}}{{if and .IsAvailableCommand (eq .GroupID $group.ID)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableSubCommands}}

{{if .Groups}}More{{else if .Annotations.argument}}Shells{{else}}Verbs{{end}}:{{range $verbs}}{{if and (eq .GroupID "") .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every verb:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

` + "`{{.CommandPath}} {{or .Annotations.argument \"VERB\"}} --help`" + ` says more about one.{{end}}
`

// argumentWord is the annotation of what stands behind a verb that has others, where that is no VERB.
const argumentWord = "argument"

// speak gives cobra's own texts the voice of the rest: help, usage, completion, and what is wrong with arguments.
func speak(root *cobra.Command) {
	for _, verb := range append(root.Commands(), root) {
		if verb.HasSubCommands() {
			verb.SuggestionsMinimumDistance = 2
			verb.Args = verbOf
		}
	}
	root.SetUsageTemplate(usageText)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [VERB]",
		Short: "Say more about a verb",
		RunE: func(_ *cobra.Command, arguments []string) error {
			verb, rest, err := root.Find(arguments)
			if err == nil && verb == root {
				err = verbOf(root, rest)
			}
			if err != nil {
				return usageError{err}
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	})
	root.SetCompletionCommandGroupID("Other programs:")
	root.InitDefaultCompletionCmd()
	for _, verb := range root.Commands() {
		if verb.Name() == "completion" {
			speakCompletion(verb)
		}
	}
}

// verbOf refuses a verb that there is not, and names those that look like it.
func verbOf(above *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no verb %q", arguments[0])
	if above.HasParent() {
		text = fmt.Sprintf("`%s` has no verb %q", above.CommandPath(), arguments[0])
	}
	if near := above.SuggestionsFor(arguments[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// flagError says what is wrong with a flag.
func flagError(verb *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		text := fmt.Sprintf("`%s` has no flag --%s", verb.CommandPath(), unknown.GetSpecifiedName())
		if near := nearFlag(verb, unknown.GetSpecifiedName()); near != "" {
			text += "; did you mean --" + near + "?"
		}
		return usageError{errors.New(text)}
	case errors.As(err, &unknown):
		return usagef("`%s` has no flag -%s", verb.CommandPath(), unknown.GetSpecifiedName())
	case errors.As(err, &bare) && bare.GetFlag() != nil:
		return usagef("--%s needs a value behind it", bare.GetFlag().Name)
	case errors.As(err, &wrong):
		return usagef("--%s: %q is no %s", wrong.GetFlag().Name, wrong.GetValue(), valueWord(wrong.GetFlag().Value.Type()))
	}
	return err
}

// valueWord is what a flag of a type takes, for people.
func valueWord(kind string) string {
	switch kind {
	case "int", "int64", "uint", "uint16":
		return "whole number"
	case "duration":
		return "duration; write 2s, 15m or 24h"
	case "bool":
		return "yes or no; write true or false"
	}
	return "value for it"
}

// nearFlag is a flag of the verb that has the same letters or begins with what was typed; "" where there is none.
func nearFlag(verb *cobra.Command, typed string) (near string) {
	verb.Flags().VisitAll(func(flag *pflag.Flag) {
		if near == "" && !flag.Hidden && len(typed) > 1 && (strings.HasPrefix(flag.Name, typed) || strings.HasPrefix(typed, flag.Name) || sameLetters(flag.Name, typed)) {
			near = flag.Name
		}
	})
	return near
}

// sameLetters tells whether two words differ by one letter that is missing, too many, another, or by two that changed places.
func sameLetters(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
