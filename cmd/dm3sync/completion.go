package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completionHelp says, for each shell, how its script is used: for the shell that runs, and for those to come.
func completionHelp() map[string]string {
	return map[string]string{
		"bash": "bash's own package bash-completion has to be there.\n\n" +
			"  source <(dm3sync completion bash)         in this shell\n" +
			"  dm3sync completion bash > ~/.local/share/bash-completion/completions/dm3sync\n" +
			"                                            in each new one; the folder has to be there",
		"zsh": "`autoload -U compinit; compinit` has to stand in ~/.zshrc.\n\n" +
			"  source <(dm3sync completion zsh)          in this shell\n" +
			"  dm3sync completion zsh > \"${fpath[1]}/_dm3sync\"\n" +
			"                                            in each new one",
		"fish": "  dm3sync completion fish | source          in this shell\n" +
			"  dm3sync completion fish > ~/.config/fish/completions/dm3sync.fish\n" +
			"                                            in each new one",
		"powershell": "  dm3sync completion powershell | Out-String | Invoke-Expression\n\n" +
			"does it in this shell; the same line in the file that $PROFILE names, in each new one.",
	}
}

// speakCompletion gives cobra's verb for completion the voice of the rest, and lets it refuse a shell that it has no script for.
func speakCompletion(verb *cobra.Command) {
	const which = "bash, zsh, fish or powershell"
	verb.Annotations = map[string]string{argumentWord: "SHELL"}
	verb.Short = "Print the script that completes verbs and flags in a shell"
	verb.Long = verb.Short + ": " + which + ". `dm3sync completion bash --help` says how to use it."
	verb.Args = func(verb *cobra.Command, arguments []string) error {
		if len(arguments) == 0 {
			return fmt.Errorf("the SHELL is missing: %s", which)
		}
		return fmt.Errorf("there is no script for the shell %q; there are those for %s", arguments[0], which)
	}
	verb.RunE = func(*cobra.Command, []string) error { return nil } // never: Args refuses all that is no shell
	help := completionHelp()
	for _, shell := range verb.Commands() {
		shell.Short = "Print the script for " + shell.Name()
		shell.Long = shell.Short + ".\n\n" + help[shell.Name()]
		shell.Args = nothing
	}
}
