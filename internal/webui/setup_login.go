package webui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// loginView is a login to a place, and what the account says of it.
type loginView struct {
	api.LoginStatus
	Wrong   string
	Status  *api.AccountStatus // nil: no account of that name
	Warning string             // of the place that is meant
	Trouble string             // its last error
	Path    string             // of this page
}

// starter is the backend as one that can log in.
func (s *Site) starter() (api.LoginStarter, error) {
	starter, ok := s.o.Backend.(api.LoginStarter)
	if !ok {
		return nil, fmt.Errorf("%w: this agent can't log in from the page; run `dm3sync login drive` in a terminal", api.ErrRequest)
	}
	return starter, nil
}

func loginPath(account, mirror string) string {
	query := url.Values{"account": {account}}
	if mirror != "" {
		query.Set("mirror", mirror)
	}
	return "/login?" + query.Encode()
}

// warningOf is what a place asks of the user, with the way to a new login where it takes one.
func warningOf(a api.AccountStatus) notice {
	n := notice{Tone: toneWarn, Title: "The place asks something of you.", Text: a.Warning}
	if a.Provider == config.KindDrive {
		n.Link, n.Label = loginPath(a.Name, ""), "Log in again"
	}
	return n
}

func (s *Site) login(w http.ResponseWriter, r *http.Request) error { return s.loginPage(w, r, "") }

func (s *Site) loginPage(w http.ResponseWriter, r *http.Request, wrong string) error {
	starter, err := s.starter()
	if err != nil {
		return err
	}
	v := loginView{Wrong: wrong}
	if v.LoginStatus, err = starter.Login(r.Context(), r.FormValue("account"), r.FormValue("mirror")); err != nil {
		return err
	}
	v.Path = loginPath(v.Account, v.Mirror)
	for _, a := range s.o.Backend.Status().Accounts {
		if a.Name != v.Account {
			continue
		}
		v.Status, v.Warning, v.Trouble = &a, a.Warning, a.LastError
		for _, m := range a.Mirrors {
			if m.Name == v.Mirror {
				v.Warning, v.Trouble = m.Warning, m.LastError
			}
		}
	}
	return s.render(w, r, "setup_login.html", view{Title: "Log in to the place", Section: "setup", Data: v})
}

// loginDo does something with a login and shows how far it is.
func (s *Site) loginDo(w http.ResponseWriter, r *http.Request, work func(starter api.LoginStarter, account, mirror string) error) error {
	starter, err := s.starter()
	if err != nil {
		return err
	}
	account, mirror := r.FormValue("account"), r.FormValue("mirror")
	if err := work(starter, account, mirror); err != nil {
		return s.loginPage(w, r, setup.Explain(err))
	}
	return s.next(w, r, loginPath(account, mirror))
}

func (s *Site) startLogin(w http.ResponseWriter, r *http.Request) error {
	return s.loginDo(w, r, func(starter api.LoginStarter, account, mirror string) error {
		_, err := starter.StartLogin(r.Context(), account, mirror)
		return err
	})
}

func (s *Site) answerLogin(w http.ResponseWriter, r *http.Request) error {
	return s.loginDo(w, r, func(starter api.LoginStarter, account, mirror string) error {
		return starter.AnswerLogin(r.Context(), account, mirror, strings.TrimSpace(r.FormValue("address")))
	})
}

func (s *Site) stopLogin(w http.ResponseWriter, r *http.Request) error {
	return s.loginDo(w, r, func(starter api.LoginStarter, account, mirror string) error {
		return starter.StopLogin(r.Context(), account, mirror)
	})
}

// json answers the script.
func (s *Site) json(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("webui: writing an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // a browser that left does not want it
	return nil
}
