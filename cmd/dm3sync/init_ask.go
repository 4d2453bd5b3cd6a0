package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// errUnanswered: the input ended before all was said. Nothing was written.
var errUnanswered = errors.New("there was no answer; run `dm3sync init` on a terminal, or give the answers as flags (`dm3sync init --help`)")

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4096

// questions asks on one stream and reads from another, line by line.
type questions struct {
	in     *bufio.Reader
	out    io.Writer
	hidden func() (string, error) // reads a line that is not shown; nil where nothing is shown anyway
	home   string                 // what ~ stands for
}

// newQuestions asks on the error stream, which stays readable when the result goes elsewhere.
func (p *program) newQuestions() *questions {
	q := &questions{in: bufio.NewReaderSize(p.in, maxAnswer), out: p.err, home: p.getenv("HOME")}
	if file, ok := p.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		q.hidden = func() (string, error) {
			text, err := term.ReadPassword(int(file.Fd()))
			_, _ = fmt.Fprintln(q.out) // the typed line end is not shown either
			return string(text), err
		}
	}
	return q
}

// canAsk tells whether somebody sits at the input: /dev/null, which services and cron give, is a device but nobody.
func (p *program) canAsk() bool {
	file, ok := p.in.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ask returns the answer without white space around it; an empty one is otherwise.
func (q *questions) ask(question, otherwise string) (string, error) {
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	if _, err := fmt.Fprintf(q.out, "%s: ", question); err != nil {
		return "", err
	}
	line, err := q.line()
	if err != nil {
		return "", err
	}
	return cmp.Or(strings.TrimSpace(line), otherwise), nil
}

// line is what was typed, up to the end of a line or of the input.
func (q *questions) line() (string, error) {
	line, err := q.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", usagef("an answer is longer than %d bytes", maxAnswer)
	case err != nil && len(line) == 0:
		return "", usageError{errUnanswered}
	}
	return string(line), nil
}

// must asks until there is an answer.
func (q *questions) must(question string) (string, error) {
	for {
		answer, err := q.ask(question, "")
		if answer != "" || err != nil {
			return answer, err
		}
	}
}

// existing asks for a file until it is there: what else was answered would be lost at the end.
func (q *questions) existing(question string) (string, error) {
	for {
		answer, err := q.must(question)
		if err != nil {
			return "", err
		}
		named := setup.Answers{SecretFile: answer}
		named.ExpandHome(q.home)
		if _, err = os.Stat(named.SecretFile); err == nil {
			return answer, nil
		}
		q.tell("there is no file %s that this user can read", answer)
	}
}

// secret asks for a line that is not shown; white space around it is a slip.
func (q *questions) secret(question string) (string, error) {
	return q.unseen(question, strings.TrimSpace)
}

// passphrase asks for one, which is taken as it is: the page keeps it so, too.
func (q *questions) passphrase(question string) (string, error) {
	return q.unseen(question, func(line string) string { return strings.TrimRight(line, "\r\n") })
}

// unseen asks until there is an answer, without showing it where somebody could see it; clean takes off what is not meant.
func (q *questions) unseen(question string, clean func(string) string) (string, error) {
	read, note := q.line, ""
	if q.hidden != nil {
		read, note = q.hidden, " (not shown)"
	}
	for {
		if _, err := fmt.Fprintf(q.out, "%s%s: ", question, note); err != nil {
			return "", err
		}
		line, err := read()
		if answer := clean(line); answer != "" || err != nil {
			return answer, err
		}
	}
}

// tell writes a line, made harmless. When that fails, the next question does too.
func (q *questions) tell(format string, arguments ...any) {
	_, _ = io.WriteString(q.out, harmless(fmt.Sprintf(format, arguments...))+"\n")
}

// choose returns the index of the answer that was chosen by its number.
func (q *questions) choose(question string, answers ...string) (int, error) {
	for {
		q.tell("%s", question)
		for i, answer := range answers {
			q.tell("  %d  %s", i+1, answer)
		}
		text, err := q.ask("Number", "1")
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(answers) {
			return n - 1, nil
		}
		q.tell("%q is not one of them; a number from 1 to %d is wanted", text, len(answers))
	}
}

// askAll fills in the answers that flags would give. Nothing is written.
func (p *program) askAll(a *initAnswers, file string) error {
	q := p.newQuestions()
	q.tell("There is no configuration yet. A few questions make %s; every answer can be changed there later.\n", file)
	for _, part := range []func() error{
		func() error { return a.askAccount(q, filepath.Dir(file)) },
		func() error { return a.askPlace(q) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// askAccount asks whose history it is and for the secret that seals it.
func (a *initAnswers) askAccount(q *questions, folder string) (err error) {
	if a.Name, err = q.ask("Your dm3 name, such as alice.eth (left empty: make a new wallet)", ""); err != nil {
		return err
	}
	if a.Name == "" {
		a.NewWallet = true
		a.SecretFile, err = q.ask("File for the new wallet's key", filepath.Join(folder, "wallet.key"))
		return err
	}
	forms := []keyring.Form{keyring.FormStorageKey, keyring.FormSignature, keyring.FormWalletKey}
	chosen, err := q.choose("What do you have of it, in a file that only you can read?",
		"the storage key", "the wallet's signature of the creation message (`dm3sync init --message-for ADDRESS` prints it)", "the wallet's private key")
	if err != nil {
		return err
	}
	a.Form = string(forms[chosen])
	a.SecretFile, err = q.existing("That file")
	return err
}

// askPlace asks where the history is to be kept.
func (a *initAnswers) askPlace(q *questions) error {
	chosen, err := q.choose("Where shall the sealed history be kept?",
		"in a folder (own disk, network drive, or one that Dropbox, Syncthing or the like carries)",
		"in an S3 bucket", "on a WebDAV server (Nextcloud, ownCloud, a NAS)", "on Google Drive", "on IPFS, through a Kubo node of yours", "in a PostgreSQL database",
		"at a dm3 node, beside the dm3 app's own conversations", "in a single file, on a stick for example")
	if err != nil {
		return err
	}
	return []func(*questions) error{a.askFolder, a.askBucket, a.askCollection, a.askDrive, a.askIPFS, a.askDatabase, a.askNode, a.askFile}[chosen](q)
}

func (a *initAnswers) askFile(q *questions) (err error) {
	a.File, err = q.must("File")
	return err
}

func (a *initAnswers) askFolder(q *questions) (err error) {
	if a.Folder, err = q.must("Folder"); err != nil {
		return err
	}
	carried, err := q.choose("Does another program copy this folder to other devices?", "no", "yes")
	a.Carried = carried == 1
	return err
}

func (a *initAnswers) askBucket(q *questions) (err error) {
	if a.Endpoint, err = q.ask("Address of the S3 service, such as https://s3.example.org (left empty: AWS)", ""); err != nil {
		return err
	}
	a.PathStyle = a.Endpoint != ""
	if a.Region, err = q.ask("Region", "us-east-1"); err != nil {
		return err
	}
	if a.Bucket, err = q.must("Bucket"); err != nil {
		return err
	}
	if a.AccessKeyID, err = q.ask("Access key id (left empty: as AWS's own tools find it)", ""); err != nil || a.AccessKeyID == "" {
		return err
	}
	a.PlaceSecret, err = q.secret("Secret access key")
	return err
}

func (a *initAnswers) askCollection(q *questions) (err error) {
	if a.URL, err = q.must("Address of the collection, such as https://cloud.example.org/remote.php/dav/files/alice/dm3sync"); err != nil {
		return err
	}
	if a.Username, err = q.ask("User name (left empty: no login)", ""); err != nil || a.Username == "" {
		return err
	}
	a.PlaceSecret, err = q.secret("Password (an app password, best)")
	return err
}

func (a *initAnswers) askNode(q *questions) (err error) {
	if a.Node, err = q.must("Address of the node's backend, such as https://node.example.org/api"); err != nil {
		return err
	}
	a.Username, err = q.ask("The account's name at the node, such as 0x….addr.dm3.eth (left empty: the same)", "")
	return err
}

func (a *initAnswers) askDrive(q *questions) (err error) {
	q.tell("%s", "Google Drive needs an OAuth client of your own; internal/docs/login.md walks through making one.")
	if a.ClientID, err = q.must("Client id"); err != nil {
		return err
	}
	if a.PlaceSecret, err = q.secret("Client secret"); err != nil {
		return err
	}
	chosen, err := q.choose("Where on Drive?", "in a visible folder named "+config.DefaultFolder, "hidden, in the space of this app alone (removed with the app)")
	if chosen == 1 {
		a.Space = config.SpaceAppData
	}
	return err
}

func (a *initAnswers) askIPFS(q *questions) (err error) {
	if a.IPFS, err = q.ask("Address of the node's RPC", config.DefaultKubo); err != nil {
		return err
	}
	number, err := q.ask("This device's number: 1 for the first device of this account, 2 for the second and so on", "1")
	if err != nil {
		return err
	}
	if a.Device, err = strconv.Atoi(number); err != nil {
		return usagef("the device's number is not a number: %q", number)
	}
	a.PinService, err = q.ask("Remote pinning service, by the name that the node has for it (left empty: none)", "")
	return err
}

func (a *initAnswers) askDatabase(q *questions) (err error) {
	if a.DSN, err = q.must("Address of the database, such as postgres://dm3sync@db.example.org:5432/dm3sync, without a password"); err != nil {
		return err
	}
	if a.CAFile, err = q.ask("File with the authority of its certificate, PEM (left empty: one that the system knows, or a database on this machine)", ""); err != nil {
		return err
	}
	a.PlaceSecret, err = q.secret("Password of the role")
	return err
}
