package webui

import (
	"net/http"
	"time"
)

// helpData is what the page of help shows.
type helpData struct {
	Links   []link
	Started time.Time
	PID     int
}

func (s *Site) help(w http.ResponseWriter, r *http.Request) error {
	status := s.o.Backend.Status()
	return s.render(w, r, "help.html", view{Title: "Help", Section: "help", Data: helpData{navigation(), status.Started, status.PID}})
}
