package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/files"
)

// The steps of a move, as its state file has them, and how one ends.
const (
	stepCopying  = "copying"
	stepSwitched = "switched"
	stepFinished = "finished"
	stepAborted  = "aborted"
)

// moveState is the file that makes every step of a move resumable. What the
// configuration says counts more: the file only tells what is meant.
type moveState struct {
	Version   int    `json:"version"`
	Step      string `json:"step"`
	Target    string `json:"target"`             // name of the new place, while it is a mirror
	To        string `json:"to"`                 // its identity
	Old       string `json:"old"`                // name of the old place, when it is a mirror
	From      string `json:"from"`               // its identity
	Settings  string `json:"settings,omitempty"` // of a new place that was no mirror before, as the configuration takes them
	Verifying bool   `json:"verifying,omitempty"`
	Kept      bool   `json:"kept,omitempty"` // the configuration's first text, beside it
	Back      bool   `json:"back,omitempty"` // it was aborted after the switch: the target is where the account came from
}

// move is one invocation of the verb.
type move struct {
	program *program
	lock    *flock.Flock // ends with the process at the latest
	path    string       // of the state
	state   moveState
}

// openMove reads how far a move of the account is.
func (p *program) openMove() (*move, error) {
	account, err := p.loaded.Account(p.account)
	if err != nil {
		return nil, err
	}
	m := &move{program: p, path: filepath.Join(p.loaded.Folder(account), "move.json")}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return nil, fmt.Errorf("making the account's folder: %w", err)
	}
	m.lock = flock.New(m.path+".lock", flock.SetPermissions(0o600))
	held, err := m.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the move: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("another dm3sync is moving this account: %w", cache.ErrInUse)
	}
	if m.state, err = readMove(m.path); err != nil {
		return nil, fmt.Errorf("reading how far the move is, from %s: %w", m.path, err)
	}
	return m, nil
}

// readMove reads the state of a move; where there is none, it is empty.
func readMove(path string) (state moveState, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err == nil && state.Version != 1 {
		err = errors.New("it was written by another version of dm3sync")
	}
	return state, err
}

// moveOf is how far a move of the named account is, for the status: what can't be read
// is told by `dm3sync move`.
func (p *program) moveOf(name string) moveState {
	account, err := p.loaded.Account(name)
	if err != nil {
		return moveState{}
	}
	state, err := readMove(filepath.Join(p.loaded.Folder(account), "move.json"))
	if err != nil {
		return moveState{}
	}
	return state
}

func (m *move) save() error {
	m.state.Version = 1
	text, err := json.MarshalIndent(&m.state, "", "  ")
	if err == nil {
		err = files.Replace(m.path, append(text, '\n'), files.Private)
	}
	if err != nil {
		return fmt.Errorf("noting how far the move is: %w", err)
	}
	return nil
}

// done forgets the move.
func (m *move) done() error {
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending the move: %w", err)
	}
	return nil
}

// account is the account as the configuration says now.
func (m *move) account() (*config.Account, error) {
	c, err := m.program.load()
	if err != nil {
		return nil, err
	}
	return c.Account(m.program.account)
}

// isSwitched tells whether the new place is the account's own.
func (m *move) isSwitched() (bool, error) {
	account, err := m.account()
	if err != nil {
		return false, err
	}
	return account.Provider.Identity() == m.state.To, nil
}

// begin notes what is meant.
func (m *move) begin(flags *moveFlags) error {
	account, err := m.account()
	if err != nil {
		return err
	}
	m.state = moveState{Step: stepCopying, Target: flags.to, From: account.Provider.Identity(), Old: freeName(account, account.Provider.Kind)}
	if flags.to == "" {
		return m.beginAt(account, flags)
	}
	target, err := mirrorOf(account, flags.to)
	if err != nil {
		return err
	}
	m.state.To = target.Identity()
	return m.save()
}

// beginAt is begin for a place that flags name.
func (m *move) beginAt(account *config.Account, flags *moveFlags) error {
	m.state.Target = flags.name
	if m.state.Target == "" {
		m.state.Target = freeName(account, flags.place.Kind())
	}
	if m.state.Target == m.state.Old {
		m.state.Old = m.state.Target + "-old"
	}
	settings, provider, err := m.settings(flags.place) // refuses a place that the account has already
	if err != nil {
		return err
	}
	m.state.To, m.state.Settings = provider.Identity(), settings
	return m.save()
}

// settings are the lines of the new place's table, and what they mean.
func (m *move) settings(place *initAnswers) (text string, provider config.Provider, err error) {
	lines, err := place.ProviderTOML()
	if err != nil {
		return "", provider, err
	}
	text = string(m.table(lines))
	// What they mean, with defaults and absolute paths, is told by the whole file.
	fresh, err := m.tryText(func(before []byte, number int) ([]byte, error) {
		return config.AddMirror(before, number, text)
	})
	if err != nil {
		return "", provider, err
	}
	account, err := fresh.Account(m.program.account)
	if err != nil {
		return "", provider, err
	}
	target := account.Mirror(m.state.Target)
	if target == nil {
		return "", provider, fmt.Errorf("the name %s for the new place is no good", m.state.Target)
	}
	return text, target.Provider, nil
}

func (m *move) table(settings []byte) []byte {
	return fmt.Appendf(nil, "name = %q\nshared = true\n%s", m.state.Target, settings)
}

// freeName is a name that no mirror has.
func freeName(account *config.Account, kind string) string {
	name := kind
	for i := 2; account.Mirror(name) != nil; i++ {
		name = fmt.Sprintf("%s-%d", kind, i)
	}
	return name
}

// add puts the new place into the configuration, as a mirror. It returns nil, and no
// error, when that has been switched to already.
func (m *move) add(account *config.Account) (*config.Mirror, error) {
	if account.Provider.Identity() == m.state.To {
		return nil, nil
	}
	if m.state.Settings == "" {
		return nil, fmt.Errorf("the mirror %s is not in the configuration any more; put it back, or give the move up with `dm3sync move --abort`", m.state.Target)
	}
	err := m.rewrite("add this to the account's tables:\n\n[[account.mirror]]\n"+m.state.Settings,
		func(text []byte, number int) ([]byte, error) { return config.AddMirror(text, number, m.state.Settings) },
		func(a *config.Account) bool { return a.Mirror(m.state.Target) != nil })
	if err != nil {
		return nil, err
	}
	if account, err = m.account(); err != nil {
		return nil, err
	}
	return account.Mirror(m.state.Target), nil
}

// exchange makes the mirror to the account's own place, and that the mirror from, in the
// configuration and in a running agent.
func (m *move) exchange(ctx context.Context, to, from string) error {
	account, err := m.account()
	if err != nil {
		return err
	}
	if account.Provider.Identity() != m.state.To {
		if err := m.moveLogin(account); err != nil {
			return err
		}
		err := m.rewrite(fmt.Sprintf("make [[account.mirror]] with name = %q the [account.provider], without its name, interval and shared,\n"+
			"and the present [account.provider] a [[account.mirror]] with name = %q and shared = true", to, from),
			func(text []byte, number int) ([]byte, error) { return config.SwapMirror(text, number, to, from) },
			func(a *config.Account) bool { return a.Provider.Identity() == m.state.To && a.Mirror(from) != nil })
		if err != nil {
			return err
		}
	}
	return m.reload(ctx)
}

// moveLogin puts the token of the account's own place where it is looked for when that
// is a mirror.
func (m *move) moveLogin(account *config.Account) error {
	root := filepath.Join(m.program.loaded.Folder(account), "login")
	there := m.program.loaded.LoginFolder(account, func(string) bool { return true })
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) || account.Provider.Kind != config.KindDrive {
		return nil
	}
	err := os.MkdirAll(there, 0o700)
	if err == nil {
		err = os.Rename(root, filepath.Join(there, "login"))
	}
	if err != nil {
		return fmt.Errorf("keeping the login to the old place: %w", err)
	}
	return nil
}

// reload lets a running agent read the configuration again.
func (m *move) reload(ctx context.Context) error {
	client, err := runningAgent(m.program.load)
	if errors.Is(err, api.ErrNoAgent) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // returns nil, always
	if err := client.Reload(ctx); err != nil {
		return fmt.Errorf("the running agent did not take the configuration over; restart it, then run `dm3sync move` again: %w", err)
	}
	return nil
}

// with opens the account as it is configured now.
func (m *move) with(ctx context.Context, work func(*session) error) error {
	if _, err := m.account(); err != nil {
		return err
	}
	return m.program.with(ctx, work)
}
