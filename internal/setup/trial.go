package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
)

// trial is one trial of a place, which runs in the background. A nil one is none.
type trial struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	now TrialState
}

// TrialState says how the trial of a place goes, or went.
type TrialState struct {
	Running bool
	Step    string // what is done now, or failed, in words
	OK      bool   // it has ended well
	// NeedsLogin says that the place wants a login first, see [Setup.Login].
	NeedsLogin bool
	Error, Way string // why it failed, and what to do, in sentences
	Promises   []Promise
	Usage      string // who has used the place, in a sentence; empty: not looked yet
	Warn       bool   // Usage is a warning
	Results    []CheckResult
	Warnings   []string
}

// state is a copy for others.
func (t *trial) state() TrialState {
	if t == nil {
		return TrialState{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now
	now.Results = append([]CheckResult(nil), now.Results...)
	now.Warnings = append([]string(nil), now.Warnings...)
	return now
}

func (t *trial) runs() bool { return t.state().Running }

// end ends it and waits for that.
func (t *trial) end() {
	if t != nil {
		t.cancel()
		<-t.done
	}
}

// note changes what others see.
func (t *trial) note(change func(*TrialState)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.now)
}

func (t *trial) step(words string) { t.note(func(now *TrialState) { now.Step = words }) }

// Place takes where the history is to be kept. The settings are judged as those of a
// configuration file; nothing is asked there yet. An empty PlaceSecret keeps one that was typed
// before for a place of the same kind and address.
func (s *Setup) Place(a Answers) error {
	home, _ := lookup(s.options.Environ)("HOME")
	a.ExpandHome(home)
	secret := a.PlaceSecret
	a.PlaceSecret = ""
	s.mu.Lock()
	d := s.at()
	known, runs, before := d.known, d.trial.runs(), *d
	s.mu.Unlock()
	switch {
	case !known:
		return ErrOrder
	case runs:
		return ErrBusy
	case a.Kind() == "":
		return fmt.Errorf("%w: say where the place is", ErrAnswers)
	}
	if secret == "" && before.place.Kind() == a.Kind() && before.place.target() == a.target() {
		secret = before.secret
	}
	before.place, before.secret = a, secret
	if _, _, err := s.compose(&before, "trial.sealed"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d = s.at()
	d.place, d.secret, d.chosen, d.trial = a, secret, true, nil
	return nil
}

// target is where a secret is sent to: it must not go anywhere else than it was typed for.
func (a *Answers) target() string {
	return a.URL + "\n" + a.Endpoint + "\n" + a.IPFS + "\n" + a.DSN + "\n" + a.ClientID + "\n" + a.TokenURL + "\n" + a.Username + "\n" + a.AccessKeyID
}

// compose is the configuration that the draft makes, as text and as it is understood, with a
// stand-in for the account's own secret. sealed is where the place's secret lies.
func (s *Setup) compose(d *draft, sealed string) (*config.Config, *config.Account, error) {
	_, before, err := s.load()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.options.File), 0o700); err != nil {
		return nil, nil, fmt.Errorf("setup: making the configuration's folder: %w", err)
	}
	a := d.place
	a.Name, a.SecretFile = d.name, "unused"
	if d.secret != "" {
		a.SealedFile = sealed
	}
	text, err := withAccount(before, &a)
	if err != nil {
		return nil, nil, err
	}
	fresh, err := config.LoadText(s.options.File, text, &config.Options{Environ: s.options.Environ})
	if err != nil {
		return nil, nil, err
	}
	account, err := fresh.Account(d.name)
	return fresh, account, err
}

// Try tries the place in the background: it is made ready, asked what it promises, who has used it
// before, and for everything that dm3sync needs. State says how it goes.
func (s *Setup) Try() error {
	s.mu.Lock()
	d := s.at()
	if !d.known || !d.chosen {
		s.mu.Unlock()
		return ErrOrder
	}
	if d.trial.runs() {
		s.mu.Unlock()
		return ErrBusy
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &trial{cancel: cancel, done: make(chan struct{}), now: TrialState{Running: true, Step: "reading the settings"}}
	d.trial = t
	copied := *d
	s.mu.Unlock()
	go func() {
		defer close(t.done)
		defer cancel()
		err := s.try(ctx, t, &copied)
		t.note(func(now *TrialState) {
			now.Running, now.OK = false, err == nil
			if err != nil {
				now.NeedsLogin = errors.Is(err, login.ErrNeeded)
				now.Error, now.Way = Reason(err), WayOut(err)
			}
		})
	}()
	return nil
}

// Stop ends a trial that runs.
func (s *Setup) Stop() {
	s.mu.Lock()
	t := s.draft.trial
	s.mu.Unlock()
	t.end()
}

// errPromise says that the place does not do what dm3sync needs.
var errPromise = errors.New("the place does not do everything that dm3sync needs; what failed stands below")

func (s *Setup) try(ctx context.Context, t *trial, d *draft) (err error) {
	folder, c, account, err := s.stage(d)
	if folder != "" {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	if err != nil {
		return err
	}
	t.step("making the place ready")
	if err := s.options.Places.Create(ctx, c, *account, d.key); err != nil {
		return err
	}
	t.step("opening the place")
	store, err := s.options.Places.Open(ctx, c, *account, d.key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return examine(ctx, t, store, d)
}

// stage puts the place's secret, sealed, where it can be read from for the time of a trial.
func (s *Setup) stage(d *draft) (folder string, c *config.Config, account *config.Account, err error) {
	if err := os.MkdirAll(filepath.Dir(s.options.File), 0o700); err != nil {
		return "", nil, nil, fmt.Errorf("setup: making the configuration's folder: %w", err)
	}
	if folder, err = os.MkdirTemp(filepath.Dir(s.options.File), ".dm3sync-trial-"); err != nil {
		return "", nil, nil, fmt.Errorf("setup: making a folder for the trial: %w", err)
	}
	sealed := filepath.Join(folder, "place.sealed")
	if d.secret != "" {
		if err := keyring.WriteSealed(sealed, d.key, d.secret); err != nil {
			return folder, nil, nil, err
		}
	}
	c, account, err = s.compose(d, sealed)
	return folder, c, account, err
}

// examine asks an open place.
func examine(ctx context.Context, t *trial, store providers.Store, d *draft) error {
	t.step("asking the place for an answer")
	if err := Reach(ctx, store); err != nil {
		return err
	}
	promises := Promises(store.Properties())
	t.note(func(now *TrialState) { now.Promises, now.Step = promises, "looking who has used the place" })
	usage, err := Look(ctx, store, d.key, d.name)
	if err != nil {
		return err
	}
	text, warn := usage.Sentence()
	t.note(func(now *TrialState) { now.Usage, now.Warn, now.Step = text, warn, "asking for what dm3sync needs" })
	bad := false
	_, err = Check(ctx, store, func(r CheckResult) {
		bad = bad || !r.OK
		t.note(func(now *TrialState) { now.Results = append(now.Results, r) })
	}, func(sentence string) { t.note(func(now *TrialState) { now.Warnings = append(now.Warnings, sentence) }) })
	if err == nil && bad {
		err = errPromise
	}
	return err
}
