package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers/local"
)

func (p *program) initCommand() *cobra.Command {
	answers := &initAnswers{}
	var messageFor string
	command := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration, or prepare the folders that one names",
		Long: "Without a configuration file, init writes one from the flags; with one, it takes that. Then it makes the folders\n" +
			"that the configuration names (the provider's too) and tries whether the secrets can be read.\n\n" +
			"For a wallet elsewhere: `dm3sync init --message-for ADDRESS` prints the text to sign; put the signature into a\n" +
			"file and give it as --secret-file with --form signature. To try things out: --new-wallet makes a wallet.",
		Example: "  dm3sync init --name alice.eth --secret-file alice.key --folder /mnt/backup/dm3sync\n" +
			"  dm3sync init --new-wallet --secret-file wallet.key --folder ~/Sync/dm3sync --carried\n" +
			"  dm3sync init --name alice.eth --form signature --secret-file alice.sig --bucket dm3 --endpoint https://s3.example.org \\\n" +
			"      --access-key-id alice --s3-secret-file s3.secret",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if messageFor != "" {
				return p.printCreationMessage(messageFor, answers.Nonce)
			}
			return p.init(command.Context(), answers, answered(command))
		},
	}
	flags := command.Flags()
	answers.register(flags)
	flags.StringVar(&messageFor, "message-for", "", "only print the text that the wallet with this address signs")
	return command
}

// answered tells whether any of init's own flags was given.
func answered(command *cobra.Command) (any bool) {
	command.Flags().Visit(func(flag *pflag.Flag) { any = any || command.InheritedFlags().Lookup(flag.Name) == nil })
	return any
}

// printCreationMessage prints the text, without a line end of its own: every
// byte counts for the signature.
func (p *program) printCreationMessage(address, nonce string) error {
	checked, err := identity.ChecksumAddress(address)
	if err != nil {
		return usagef("--message-for: %w", err)
	}
	if nonce == "" {
		nonce = identity.DefaultNonce
	}
	message := identity.CreationMessage(nonce, checked)
	return p.print(struct {
		Message string `json:"message"`
	}{message}, func(w *strings.Builder) { fmt.Fprint(w, message) })
}

// initDocument says what init did.
type initDocument struct {
	Config  string   `json:"config"`
	Written bool     `json:"written"` // the file was made now
	Done    []string `json:"done"`
}

func (p *program) init(ctx context.Context, answers *initAnswers, answered bool) error {
	file := p.configFile
	if file == "" {
		file = config.DefaultFile(&config.Options{Environ: p.environ})
	}
	document := initDocument{Config: file, Done: []string{}}
	_, err := os.Stat(file)
	switch {
	case err == nil && answered:
		return usagef("%s is there already; run `dm3sync init` without flags to prepare what it names, or choose another file with --config", file)
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		sentences, err := p.writeConfig(file, answers)
		if err != nil {
			return err
		}
		document.Written = true
		document.Done = append(document.Done, sentences...)
	}
	p.configFile = file
	c, err := p.load()
	if err != nil {
		return err
	}
	for i := range c.Accounts {
		sentences, err := p.prepare(c, &c.Accounts[i])
		document.Done = append(document.Done, sentences...)
		if err != nil {
			return err
		}
	}
	return p.print(document, func(w *strings.Builder) {
		for _, sentence := range document.Done {
			fmt.Fprintln(w, sentence)
		}
		fmt.Fprintln(w, "next: `dm3sync check` asks the provider for what dm3sync needs, `dm3sync run` starts the agent")
	})
}

// prepare makes the folders of one account and reads its secrets, to find now
// what would stop the agent later.
func (p *program) prepare(c *config.Config, account *config.Account) (done []string, err error) {
	for _, folder := range []string{c.Data, account.Spool} {
		if folder == "" {
			continue
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return done, err
		}
	}
	done = append(done, fmt.Sprintf("%s: data folder %s", account.Name, c.Data))
	if account.Provider.Kind == "folder" {
		if err := local.Create(account.Provider.Path); err != nil {
			return done, err
		}
		done = append(done, fmt.Sprintf("%s: provider folder %s", account.Name, account.Provider.Path))
	}
	secret := account.Secret
	if _, err := keyring.StorageKey(secret.Source(), keyring.Form(secret.Form), secret.Nonce, p.keyring()); err != nil {
		return done, fmt.Errorf("account %s: %w", account.Name, err)
	}
	if source := account.Provider.Source(); !source.IsZero() {
		if _, err := keyring.Read(source, p.keyring()); err != nil {
			return done, fmt.Errorf("account %s: %w", account.Name, err)
		}
	}
	return append(done, fmt.Sprintf("%s: secrets are readable", account.Name)), nil
}

// keyring are the options for reading secrets in this program's surroundings.
func (p *program) keyring() *keyring.Options {
	return &keyring.Options{Warn: p.warn, LookupEnv: func(name string) (string, bool) {
		value := p.getenv(name)
		return value, value != ""
	}}
}
