package webui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/display"
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages' templates by file name. Each file defines "content", and where the page is refreshed in place,
// "live", which its content holds; it sees what layout.html and the files *_parts.html define.
type templates map[string]*template.Template

func (s *Site) parseTemplates() (templates, error) {
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("webui: reading templates: %w", err)
	}
	base := template.New("layout.html").Funcs(s.functions()).Option("missingkey=error")
	if base, err = base.ParseFS(templateFiles, "templates/layout.html", "templates/*_parts.html"); err != nil {
		return nil, fmt.Errorf("webui: reading templates: %w", err)
	}
	all := make(templates)
	for _, entry := range entries {
		file := entry.Name()
		if file == "layout.html" || strings.HasSuffix(file, "_parts.html") {
			continue
		}
		one, err := base.Clone()
		if err == nil {
			_, err = one.ParseFS(templateFiles, path.Join("templates", file))
		}
		if err != nil {
			return nil, fmt.Errorf("webui: reading template %s: %w", file, err)
		}
		all[file] = one
	}
	return all, nil
}

// functions are what every template can call.
func (s *Site) functions() template.FuncMap {
	f := template.FuncMap{
		"static":   s.static.address,
		"icon":     icon,
		"name":     name,
		"words":    words,
		"bytes":    bytesText,
		"number":   number,
		"count":    count,
		"ago":      s.ago,
		"for":      s.lasts,
		"stamp":    s.stamp,
		"milli":    s.stampMilli,
		"dict":     dict,
		"amount":   amount,
		"amountOf": amountOf,
		"day":      func(moment time.Time) string { return moment.UTC().Format(dayLayout) },
		"title":    title,
		"sentence": sentence,
		"step":     display.Step,
		"short":    func(text string) string { return line(text, nameLetters) },
	}
	maps.Copy(f, s.moreFunctions())
	return f
}

// moreFunctions is where groups of pages add their own.
func (s *Site) moreFunctions() template.FuncMap { return template.FuncMap{} }

// dict makes a value with named parts for a template that is called with several.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("webui: dict takes pairs")
	}
	values := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("webui: dict takes names")
		}
		values[key] = pairs[i+1]
	}
	return values, nil
}

// view is what a page hands to its template: Data is the page's own, and stands as .Data in it. Whatever a page needs of the
// frame is there, too.
type view struct {
	Title   string // of the document, plain text; the layout adds the program's name
	Section string // of the link that is the current one
	Data    any
	Wide    bool // the page takes the whole width

	// The rest is set by render.
	Theme   string // "auto", "light" or "dark"
	Here    string // path and query of this page, for forms that come back
	Links   []link
	Notice  *notice // what was done on the page before
	Version string
	Last    uint64 // number of the last event when this page was asked for
	Moved   uint64 // how far long work was then, see [activity.Log.Moved]
	Alarms  alarmCount
}

// render answers with a page; a request for a part of it, with the template "live" alone, which is morphed into the page.
func (s *Site) render(w http.ResponseWriter, r *http.Request, file string, v view) error {
	return s.renderStatus(w, r, http.StatusOK, file, v)
}

func (s *Site) renderStatus(w http.ResponseWriter, r *http.Request, status int, file string, v view) error {
	t, ok := s.templates[file]
	if !ok {
		return fmt.Errorf("webui: no template %s", file)
	}
	start := "layout.html"
	if r.Header.Get("HX-Request-Type") == "partial" && t.Lookup("live") != nil {
		start = "live"
	}
	v.Theme, v.Here, v.Version = theme(r), here(r), s.o.Version
	if came, ok := r.Context().Value(momentKey{}).(moment); ok {
		v.Last, v.Moved = came.last, came.moved
	}
	v.Links, v.Notice, v.Alarms = navigation(), noticeOf(r), s.countAlarms()
	v.Title = line(v.Title, nameLetters)
	return s.write(w, status, t, start, v)
}

// fragment answers with one template of a file, for a request that puts it into a page.
func (s *Site) fragment(w http.ResponseWriter, file, start string, data any) error {
	return s.fragmentStatus(w, http.StatusOK, file, start, data)
}

func (s *Site) fragmentStatus(w http.ResponseWriter, status int, file, start string, data any) error {
	t, ok := s.templates[file]
	if !ok {
		return fmt.Errorf("webui: no template %s", file)
	}
	return s.write(w, status, t, start, data)
}

// write sends nothing before all of it is there, so that a fault is no half page.
func (s *Site) write(w http.ResponseWriter, status int, t *template.Template, start string, data any) error {
	text := &bytes.Buffer{}
	if err := t.ExecuteTemplate(text, start, data); err != nil {
		return fmt.Errorf("webui: writing a page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "HX-Request-Type")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // a browser that left does not want it
	return nil
}

// here is the address of a page inside the site, for coming back to it.
func here(r *http.Request) string {
	if r.Method != http.MethodGet {
		return "/"
	}
	return r.URL.RequestURI()
}

// backTo returns where a form wants to go back to: a page of this site, whatever it says.
func backTo(r *http.Request) string {
	back := r.FormValue("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n") {
		return "/"
	}
	return back
}
