package webui

import (
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // systems without a table of zones exist
)

// zoneCookie tells the browser's time zone; a script sets it. Days and months are cut in that zone.
const zoneCookie = "dm3sync_zone"

// zone is the time zone of whoever reads; UTC while that is not known.
func zone(r *http.Request) *time.Location {
	cookie, err := r.Cookie(zoneCookie)
	if err != nil || len(cookie.Value) > 64 {
		return time.UTC
	}
	location, err := time.LoadLocation(strings.ReplaceAll(cookie.Value, ".", "/"))
	if err != nil || location == time.Local {
		return time.UTC
	}
	return location
}

// day is the calendar day of a time, like "2026-03-05".
func day(milliseconds int64, in *time.Location) string {
	return time.UnixMilli(milliseconds).In(in).Format(time.DateOnly)
}
