package webui

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// unlockView is an account whose secret is locked with a passphrase.
type unlockView struct {
	Account, Wrong string
}

// unlockPage asks for a passphrase.
func (s *Site) unlockPage(w http.ResponseWriter, r *http.Request) error {
	return s.askPassphrase(w, r, "")
}

func (s *Site) askPassphrase(w http.ResponseWriter, r *http.Request, wrong string) error {
	return s.render(w, r, "setup_unlock.html", view{Title: "Unlock", Section: "setup", Data: unlockView{r.FormValue("account"), wrong}})
}

// unlock takes a passphrase, which is kept in the agent's memory alone.
func (s *Site) unlock(w http.ResponseWriter, r *http.Request) error {
	unlocker, ok := s.o.Backend.(api.Unlocker)
	if !ok {
		return fmt.Errorf("%w: this agent takes no passphrase from the page; start it with DM3SYNC_PASSPHRASE", api.ErrRequest)
	}
	if err := unlocker.Unlock(r.Context(), r.FormValue("account"), r.FormValue("passphrase")); err != nil {
		return s.askPassphrase(w, r, setup.Explain(err))
	}
	return s.next(w, r, "/?done=unlocked")
}

// closedNotice is an account that is not open, with the way to a passphrase where it waits for one.
func closedNotice(a api.AccountStatus) notice {
	n := notice{Tone: toneWarn, Title: "This account can't be opened.", Text: a.Reason}
	if a.Obstacle == obstacle.Locked {
		n.Link, n.Label = "/unlock?"+url.Values{"account": {a.Name}}.Encode(), "Unlock it"
	}
	return n
}
