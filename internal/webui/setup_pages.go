package webui

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// setupPages are those that set accounts up. Whatever changes something is a POST; GETs only look.
func setupPages() []page {
	return []page{
		{"GET /setup", (*Site).setupHome, &link{"setup", "/setup", "Set up", "setup", "u", 70, true}},
		{"GET /setup/who", (*Site).setupWho, nil},
		{"POST /setup/message", (*Site).setupMessage, nil},
		{"POST /setup/sign", (*Site).setupSign, nil},
		{"POST /setup/key", (*Site).setupKey, nil},
		{"GET /setup/place", (*Site).setupPlace, nil},
		{"POST /setup/place", (*Site).setupTakePlace, nil},
		{"GET /setup/try", (*Site).setupTrial, nil},
		{"POST /setup/try", (*Site).setupTry, nil},
		{"POST /setup/stop", (*Site).setupStop, nil},
		{"POST /setup/login", (*Site).setupLogin, nil},
		{"POST /setup/answer", (*Site).setupAnswer, nil},
		{"POST /setup/save", (*Site).setupSave, nil},
		{"POST /setup/forget", (*Site).setupForget, nil},
		{"GET /unlock", (*Site).unlockPage, nil},
		{"POST /unlock", (*Site).unlock, nil},
		{"GET /login", (*Site).login, nil},
		{"POST /login/start", (*Site).startLogin, nil},
		{"POST /login/answer", (*Site).answerLogin, nil},
		{"POST /login/stop", (*Site).stopLogin, nil},
	}
}

// errNoSetup: the agent does not know where its configuration is written.
var errNoSetup = errors.New("this agent can't be set up from the page; run `dm3sync init` in a terminal")

// setupView is what the steps show. It holds no secret: those are never sent to a browser again.
type setupView struct {
	setup.State
	Step   string // who, place or try
	Wrong  string // why the last form was not taken, in sentences
	Way    string // which part of the first step is open: wallet, paste or key
	Asked  string // address that was asked for, or stands in the field
	Text   string // what its wallet signs
	Named  string // the name as it was typed
	Kind   *placeForm
	Kinds  []placeForm
	Values map[string]string // of the fields, without secrets
	Keep   []setup.Keeper
	Login  api.LoginStatus
}

// PlaceTitle is the kind of the chosen place, in words.
func (v setupView) PlaceTitle() string {
	if kind := kindOfPlace(v.Place.Kind()); kind != nil {
		return kind.Title
	}
	return ""
}

// PlaceText says where the chosen place is.
func (v setupView) PlaceText() string {
	a := v.Place
	switch text := cmp.Or(a.Folder, a.File, a.URL, a.Node, a.IPFS); {
	case text != "":
		return text
	case a.Bucket != "":
		return a.Bucket + " at " + cmp.Or(a.Endpoint, "AWS")
	case a.DSN != "":
		return a.DSN
	}
	return "with client " + a.ClientID
}

// Waiting tells whether a login waits for its browser.
func (v setupView) Waiting() bool {
	return v.Trial.NeedsLogin && v.Login.State == api.LoginWaiting
}

// Bad are the answers that were not as they should be.
func (v setupView) Bad() (bad []setup.CheckResult) {
	for _, r := range v.Trial.Results {
		if !r.OK {
			bad = append(bad, r)
		}
	}
	return bad
}

// step shows one step.
func (s *Site) step(w http.ResponseWriter, r *http.Request, v setupView) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	v.State = s.o.Setup.State()
	titles := map[string]string{"who": "Whose history", "place": "Where it is kept", "try": "Try the place"}
	return s.render(w, r, "setup_"+v.Step+".html", view{Title: titles[v.Step], Section: "setup", Data: v})
}

// next goes on to another step, after a form that was taken.
func (s *Site) next(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

func (s *Site) setupHome(w http.ResponseWriter, r *http.Request) error {
	data := struct {
		Accounts []accountCard
		Can      bool
		Begun    bool
		Logins   bool
	}{Accounts: s.cards(), Can: s.o.Setup != nil}
	if s.o.Setup != nil {
		state := s.o.Setup.State()
		data.Begun = state.Name != ""
	}
	_, data.Logins = s.o.Backend.(api.LoginStarter)
	return s.render(w, r, "setup.html", view{Title: "Set up", Section: "setup", Data: data})
}

func (s *Site) setupWho(w http.ResponseWriter, r *http.Request) error {
	return s.step(w, r, setupView{Step: "who", Way: "wallet"})
}

// wantsJSON tells whether the script asks, and not a form.
func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

// setupMessage tells what the wallet of an address signs.
func (s *Site) setupMessage(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	address := strings.TrimSpace(r.FormValue("address"))
	text, checked, err := setup.Message(address)
	switch {
	case wantsJSON(r) && err != nil:
		return s.json(w, map[string]string{"error": setup.Explain(err)})
	case wantsJSON(r):
		return s.json(w, map[string]string{"message": text, "address": checked})
	case err != nil:
		return s.step(w, r, setupView{Step: "who", Way: "paste", Asked: line(address, nameLetters), Wrong: setup.Explain(err)})
	}
	return s.step(w, r, setupView{Step: "who", Way: "paste", Asked: checked, Text: text})
}

// setupSign takes a signature, of a wallet in this browser or pasted.
func (s *Site) setupSign(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	address, named := strings.TrimSpace(r.FormValue("address")), strings.TrimSpace(r.FormValue("name"))
	err := s.o.Setup.Sign(address, strings.TrimSpace(r.FormValue("signature")), named)
	switch {
	case wantsJSON(r) && err != nil:
		return s.json(w, map[string]string{"error": setup.Explain(err)})
	case wantsJSON(r):
		return s.json(w, map[string]string{"next": "/setup/place"})
	case err != nil:
		v := setupView{Step: "who", Way: "paste", Asked: line(address, nameLetters), Named: line(named, nameLetters), Wrong: setup.Explain(err)}
		if text, checked, err := setup.Message(address); err == nil {
			v.Asked, v.Text = checked, text
		}
		return s.step(w, r, v)
	}
	return s.next(w, r, "/setup/place")
}

// setupKey takes the account's secret itself.
func (s *Site) setupKey(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	named := strings.TrimSpace(r.FormValue("name"))
	if err := s.o.Setup.Key(keyring.FormStorageKey, strings.TrimSpace(r.FormValue("secret")), named); err != nil {
		return s.step(w, r, setupView{Step: "who", Way: "key", Named: line(named, nameLetters), Wrong: setup.Explain(err)})
	}
	return s.next(w, r, "/setup/place")
}

func (s *Site) setupPlace(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	state := s.o.Setup.State()
	if state.Name == "" {
		return s.next(w, r, "/setup/who")
	}
	v := setupView{Step: "place", Kinds: placeForms(), Kind: kindOfPlace(r.FormValue("kind")), Values: defaults()}
	if state.Chosen {
		kind := kindOfPlace(state.Place.Kind())
		if v.Kind == nil && !r.Form.Has("kind") {
			v.Kind = kind
		}
		if v.Kind != nil && kind != nil && v.Kind.Word == kind.Word {
			v.Values = valuesOf(state.Place)
		}
	}
	return s.step(w, r, v)
}

func (s *Site) setupTakePlace(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	kind := kindOfPlace(r.FormValue("kind"))
	if kind == nil {
		return s.next(w, r, "/setup/place")
	}
	a, wrong := kind.answers(r.FormValue)
	if wrong == "" {
		err := s.o.Setup.Place(a)
		if err == nil {
			err = s.o.Setup.Try()
		}
		if err == nil {
			return s.next(w, r, "/setup/try")
		}
		wrong = setup.Explain(err)
	}
	a.PlaceSecret = ""
	return s.step(w, r, setupView{Step: "place", Kinds: placeForms(), Kind: kind, Values: valuesOf(a), Wrong: wrong})
}

func (s *Site) setupTrial(w http.ResponseWriter, r *http.Request) error { return s.trialPage(w, r, "") }

func (s *Site) trialPage(w http.ResponseWriter, r *http.Request, wrong string) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	state := s.o.Setup.State()
	if !state.Chosen {
		return s.next(w, r, "/setup/place")
	}
	v := setupView{Step: "try", Wrong: wrong, Kind: kindOfPlace(state.Place.Kind()), Login: s.o.Setup.LoginState()}
	if state.Trial.OK {
		v.Keep = s.o.Setup.Keepers(r.Context())
	}
	return s.step(w, r, v)
}

// setupDo does something with the set-up and goes on to a step, or shows why not.
func (s *Site) setupDo(w http.ResponseWriter, r *http.Request, work func(context.Context, *setup.Setup) error) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	if err := work(r.Context(), s.o.Setup); err != nil {
		return s.trialPage(w, r, setup.Explain(err))
	}
	return s.next(w, r, "/setup/try")
}

func (s *Site) setupTry(w http.ResponseWriter, r *http.Request) error {
	return s.setupDo(w, r, func(_ context.Context, u *setup.Setup) error { return u.Try() })
}

func (s *Site) setupStop(w http.ResponseWriter, r *http.Request) error {
	return s.setupDo(w, r, func(_ context.Context, u *setup.Setup) error { u.Stop(); return nil })
}

func (s *Site) setupLogin(w http.ResponseWriter, r *http.Request) error {
	return s.setupDo(w, r, func(_ context.Context, u *setup.Setup) error { _, err := u.Login(); return err })
}

func (s *Site) setupAnswer(w http.ResponseWriter, r *http.Request) error {
	return s.setupDo(w, r, func(ctx context.Context, u *setup.Setup) error {
		return u.AnswerLogin(ctx, strings.TrimSpace(r.FormValue("address")))
	})
}

func (s *Site) setupSave(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	keep := setup.Keep{Word: r.FormValue("keep"), Passphrase: r.FormValue("passphrase")}
	if keep.Word == setup.KeepLocked && keep.Passphrase != r.FormValue("again") {
		return s.trialPage(w, r, "The two passphrases are not the same.")
	}
	// What is begun is finished, also when the browser leaves.
	done, err := s.o.Setup.Save(context.WithoutCancel(r.Context()), keep, r.FormValue("untried") == "yes")
	switch {
	case err != nil:
		return s.trialPage(w, r, setup.Explain(err))
	case done.Waits != "":
		return s.render(w, r, "setup_done.html", view{Title: "Set up", Section: "setup", Data: done})
	}
	return s.next(w, r, "/?done=setup")
}

func (s *Site) setupForget(w http.ResponseWriter, r *http.Request) error {
	if s.o.Setup == nil {
		return errNoSetup
	}
	s.o.Setup.Forget()
	return s.next(w, r, "/setup")
}
