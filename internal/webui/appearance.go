package webui

import "net/http"

// themeCookie keeps the choice between dark and light; it says nothing else.
const themeCookie = "dm3sync_theme"

// theme is what the user chose: "light", "dark", or "auto", as the system says.
func theme(r *http.Request) string {
	if cookie, err := r.Cookie(themeCookie); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		return cookie.Value
	}
	return "auto"
}

// appearance keeps the choice for a year.
func (s *Site) appearance(w http.ResponseWriter, r *http.Request) error {
	choice := r.FormValue("theme")
	if choice != "light" && choice != "dark" {
		choice = "auto"
	}
	http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: choice, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, backTo(r), http.StatusSeeOther)
	return nil
}
