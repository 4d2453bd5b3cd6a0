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

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/internal/setup"
)

func (p *program) initCommand() *cobra.Command {
	answers := &initAnswers{}
	var messageFor string
	var newPassword bool
	command := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration, or prepare the folders that one names",
		Long: "Without a configuration file, init writes one from the flags, or from what it asks on a terminal; with one, or with\n" +
			"variables that describe an account, it takes that. Then it makes the folders that the configuration names (the\n" +
			"place's too), tries whether the secrets can be read, and asks the place for what dm3sync needs. A secret that is\n" +
			"typed is written sealed; --new-password takes another one later.\n\n" +
			"For a wallet elsewhere: `dm3sync init --message-for ADDRESS` prints the text to sign; put the signature into a\n" +
			"file and give it as --secret-file with --form signature. To try things out: --new-wallet makes a wallet.",
		Example: "  dm3sync init --name alice.eth --secret-file alice.key --folder /mnt/backup/dm3sync\n" +
			"  dm3sync init --new-wallet --secret-file wallet.key --folder ~/Sync/dm3sync --carried\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --url https://cloud.example.org/remote.php/dav/files/alice/dm3sync \\\n" +
			"      --username alice --password-file app-password\n" +
			"  dm3sync init --name alice.eth --form signature --secret-file alice.sig --bucket dm3 --endpoint https://s3.example.org \\\n" +
			"      --access-key-id alice --s3-secret-file s3.secret\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --dsn postgres://alice@db.example.org/history --password-file db-password\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --ipfs local --device 1\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --node https://node.example.org/api\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --file /media/alice/stick/alice.dm3sync\n" +
			"  dm3sync init --name alice.eth --secret-file alice.key --client-id 123.apps.googleusercontent.com --client-secret-file client.secret",
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if messageFor != "" {
				return p.printCreationMessage(messageFor, answers.Nonce)
			}
			if newPassword {
				return p.newPassword()
			}
			return p.init(command.Context(), answers, answered(command))
		},
	}
	flags := command.Flags()
	answers.register(flags)
	flags.StringVar(&messageFor, "message-for", "", "only print the text that the wallet with this `ADDRESS` signs")
	flags.BoolVar(&newPassword, "new-password", false, "only type the place's sealed secret anew: a password, secret access key or client secret")
	return command
}

// answered tells whether a flag was given that says what to write.
func answered(command *cobra.Command) (any bool) {
	command.Flags().Visit(func(flag *pflag.Flag) {
		any = any || flag.Name != "no-check" && command.InheritedFlags().Lookup(flag.Name) == nil
	})
	return any
}

// printCreationMessage prints the text, without a line end of its own: every
// byte counts for the signature.
func (p *program) printCreationMessage(address, nonce string) error {
	checked, err := identity.ChecksumAddress(address)
	if err != nil {
		return usagef("--message-for: %q is no address: 0x and 40 hex digits", address)
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
	Config  string   `json:"config"`  // the file; "" where variables alone are the configuration
	Written bool     `json:"written"` // the file was made now
	Done    []string `json:"done"`
	// Checks tell of the places, unless that was not wanted or not possible yet.
	Checks []checkDocument `json:"checks,omitempty"`
	// Next says what the user does now.
	Next string `json:"next"`
}

func (p *program) init(ctx context.Context, answers *initAnswers, answered bool) error {
	file := p.configFile
	if file == "" {
		file = config.DefaultFile(&config.Options{Environ: p.environ})
	}
	document := initDocument{Config: file, Done: []string{}}
	again, run, where := p.line("init"), p.line("run"), file
	if !answered && !answers.Ask && p.byVariables(file) {
		document.Config, where = "", "the variables"
	} else {
		if err := p.initFile(file, answers, answered, &document); err != nil {
			return err
		}
		p.configFile = file
	}
	c, err := p.load()
	if err != nil {
		return err
	}
	err = p.prepareAll(ctx, c, answers.NoCheck, &document)
	switch {
	case err == nil:
		if document.Next, err = p.handOver(ctx, c, run); err != nil {
			p.warn(err.Error())
			err = nil
		}
	case errors.Is(err, login.ErrNeeded):
		document.Next = "`dm3sync login drive`, then `dm3sync check` asks the place for what dm3sync needs"
	case errors.Is(err, context.Canceled):
		document.Next = fmt.Sprintf("run just `%s`: it was interrupted", again)
	default:
		document.Next = fmt.Sprintf("mend what is wrong, in %s or at the place, then run just `%s`", where, again)
	}
	return errors.Join(p.print(document, document.write), err)
}

// byVariables tells whether the environment alone is the configuration, as in a container.
func (p *program) byVariables(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist) && p.configFile == "" && p.getenv("DM3SYNC_CONFIG") == "" && p.getenv("DM3SYNC_ACCOUNT_1_NAME") != ""
}

// initFile takes the configuration file that is there, or writes one from flags or answers.
func (p *program) initFile(file string, answers *initAnswers, answered bool, document *initDocument) error {
	_, err := os.Stat(file)
	switch {
	case err == nil && answered:
		return usagef("%s is there already; run just `%s` to prepare what it names, or choose another file with --config", file, p.line("init"))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if answers.Ask || !answered && p.canAsk() {
		if err := p.askAll(answers, file); err != nil {
			return err
		}
	}
	sentences, err := p.writeConfig(file, answers)
	if err != nil {
		return err
	}
	document.Written = true
	if answers.Device > config.DefaultDevices {
		p.warn(fmt.Sprintf("a device looks at the numbers 1 to %d unless told otherwise, so others would never see number %d: set provider.devices = %d on every device of the account",
			config.DefaultDevices, answers.Device, answers.Device))
	}
	document.Done = append(document.Done, sentences...)
	return nil
}

// line is how a verb is called with the configuration that this one was called with.
func (p *program) line(verb string) string {
	if p.configFile == "" {
		return "dm3sync " + verb
	}
	return "dm3sync " + verb + " --config " + p.configFile
}

// handOver lets an agent that runs already take the configuration up, and says what is next: run, where none does.
func (p *program) handOver(ctx context.Context, c *config.Config, run string) (next string, err error) {
	next = fmt.Sprintf("`%s` starts the agent", run)
	client, err := agent.Dial(c.Socket)
	if err != nil {
		return next, nil // none runs
	}
	defer func() { _ = client.Close() }() // returns nil, always
	if err := client.Reload(ctx); err != nil {
		return "restart the agent that runs", fmt.Errorf("the agent that runs did not take the configuration up: %w", err)
	}
	return "the agent that runs has taken this up; `dm3sync status` says how it does", nil
}

// prepareAll prepares all accounts and checks their places. What was done before an
// error stands in the document.
func (p *program) prepareAll(ctx context.Context, c *config.Config, noCheck bool, document *initDocument) error {
	for i := range c.Accounts {
		account := &c.Accounts[i]
		sentences, err := p.prepare(ctx, c, account)
		document.Done = append(document.Done, sentences...)
		if errors.Is(err, login.ErrNeeded) {
			// What the place promises can be told without a login.
			check, promiseErr := p.askPromises(ctx, account)
			document.Checks = append(document.Checks, check)
			err = errors.Join(err, promiseErr)
		}
		if err != nil {
			return err
		}
	}
	if noCheck {
		return nil
	}
	return p.checkPlaces(ctx, c, document)
}

// askPromises tells what the place of an account promises, and asks it nothing.
func (p *program) askPromises(ctx context.Context, account *config.Account) (checkDocument, error) {
	document := newCheckDocument(account)
	store, err := agent.OpenProvider(ctx, *account, agent.PlaceOptions{Config: p.loaded})
	if err != nil {
		return document, err
	}
	document.Promises = setup.Promises(store.Properties())
	return document, store.Close()
}

// checkPlaces asks the place of each account for what dm3sync needs.
func (p *program) checkPlaces(ctx context.Context, c *config.Config, document *initDocument) error {
	var bad error
	for i := range c.Accounts {
		check, err := p.checkPlace(ctx, &c.Accounts[i])
		if err != nil {
			check.Results = []setup.CheckResult{} // what it promises can be told all the same
		}
		if len(check.Promises) > 0 {
			document.Checks = append(document.Checks, check)
		}
		if err != nil {
			return fmt.Errorf("account %s: %w", c.Accounts[i].Name, err)
		}
		if err := check.problems(); err != nil {
			bad = err
		}
	}
	return bad
}

func (d *initDocument) write(w *strings.Builder) {
	for _, sentence := range d.Done {
		fmt.Fprintln(w, sentence)
	}
	for i := range d.Checks {
		fmt.Fprintln(w)
		d.Checks[i].write(w, true)
	}
	fmt.Fprintf(w, "next: %s\n", d.Next)
}

// prepare makes the folders of one account and reads its secrets, to find now
// what would stop the agent later.
func (p *program) prepare(ctx context.Context, c *config.Config, account *config.Account) (done []string, err error) {
	for _, folder := range []string{c.Data, account.Spool} {
		if folder == "" {
			continue
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return done, err
		}
	}
	done = append(done, fmt.Sprintf("%s: data folder %s", account.Name, c.Data))
	secret := account.Secret
	key, err := keyring.StorageKey(secret.Source(), keyring.Form(secret.Form), secret.Nonce, p.keyring())
	if err != nil {
		return done, fmt.Errorf("account %s: %w", account.Name, err)
	}
	places := []config.Account{*account}
	for i := range account.Mirrors {
		places = append(places, account.At(&account.Mirrors[i]))
	}
	for i := range places {
		if source := places[i].Provider.Source(); !source.IsZero() {
			options := p.keyring()
			options.Unlock = func() ([32]byte, error) { return key, nil }
			if _, err := keyring.Read(source, options); err != nil {
				return done, fmt.Errorf("account %s: %w", account.Name, err)
			}
		}
	}
	done = append(done, fmt.Sprintf("%s: secrets are readable", account.Name))
	for i := range places {
		word := "place"
		if places[i].AtMirror != "" {
			word = "mirror " + places[i].AtMirror
		}
		made, err := agent.CreatePlace(ctx, places[i], agent.PlaceOptions{Config: c, Warn: p.warn})
		if err != nil {
			return done, fmt.Errorf("account %s: making the %s ready: %w", account.Name, word, err)
		}
		if made {
			done = append(done, fmt.Sprintf("%s: %s %s", account.Name, word, places[i].Provider.Place()))
		}
	}
	return done, nil
}

// keyring are the options for reading secrets in this program's surroundings.
func (p *program) keyring() *keyring.Options {
	return &keyring.Options{Warn: p.warn, Passphrase: p.passphrase, LookupEnv: func(name string) (string, bool) {
		value := p.getenv(name)
		return value, value != ""
	}}
}

// passphrase asks for that of a locked secret, once, where somebody sits at the terminal and
// nothing else answers; "" is no answer. Safe for concurrent use: one question at a time.
func (p *program) passphrase(path string) string {
	if p.getenv("DM3SYNC_PASSPHRASE") != "" || !p.canAsk() {
		return ""
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if _, asked := p.passphrases[path]; !asked {
		answer, err := p.newQuestions().passphrase("Passphrase of " + plain(path))
		if err != nil { // the secret stays locked, which its own error says
			return ""
		}
		if p.passphrases == nil {
			p.passphrases = make(map[string]string)
		}
		p.passphrases[path] = answer
	}
	return p.passphrases[path]
}
