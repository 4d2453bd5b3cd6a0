package webui

import (
	"fmt"
	"html/template"
)

// icon draws a small picture in the colour of its text. It says nothing that a text beside it does not say.
func icon(name string) (template.HTML, error) {
	path, ok := icons()[name]
	if !ok {
		return "", fmt.Errorf("webui: no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">` + path + `</svg>`), nil //nolint:gosec // drawn here
}

// icons are drawn with a line of one width on a field of 20 by 20.
func icons() map[string]string {
	return map[string]string{
		"overview":      `<path d="M3 9.5 10 3.5l7 6M5 8v8.5h10V8"/><path d="M8.5 16.5v-5h3v5"/>`,
		"conversations": `<path d="M3 4.5h10.5v7.5H8L5 14.5V12H3z"/><path d="M16 8h1v7h-1.5v2L13 15H9.5"/>`,
		"search":        `<circle cx="8.75" cy="8.75" r="5.25"/><path d="m12.8 12.8 4 4"/>`,
		"activity":      `<path d="M2.5 10.5H6l2.2-6 3.6 11 2.2-5h3.5"/>`,
		"charts":        `<path d="M3.5 3v13.5H17"/><path d="M7 13.5v-3M10.5 13.5V6M14 13.5V9"/>`,
		"problems":      `<path d="M10 3.2 17.5 16h-15z"/><path d="M10 8v4M10 13.9v.2"/>`,
		"setup":         `<circle cx="7" cy="6" r="1.9"/><circle cx="13" cy="14" r="1.9"/><path d="M3 6h2.1M8.9 6H17M3 14h8.1M14.9 14H17"/>`,
		"help":          `<circle cx="10" cy="10" r="7"/><path d="M7.9 8a2.1 2.1 0 1 1 3.1 1.8c-.7.4-1 .8-1 1.7M10 13.8v.2"/>`,
		"more":          `<path d="M4.5 10h.1M10 10h.1M15.5 10h.1"/>`,
		"sync":          `<path d="M16.2 8.5A6.5 6.5 0 0 0 4.6 6.4M3.8 11.5a6.5 6.5 0 0 0 11.6 2.1"/><path d="M4.3 3v3.6h3.6M15.7 17v-3.6h-3.6"/>`,
		"pause":         `<path d="M7 5v10M13 5v10"/>`,
		"resume":        `<path d="M6.5 4.5v11l9-5.5z"/>`,
		"check":         `<path d="m4 10.5 4 4 8-9"/>`,
		"lock":          `<rect x="4.5" y="9" width="11" height="7.5" rx="1.5"/><path d="M7 9V6.5a3 3 0 0 1 6 0V9"/>`,
		"place":         `<rect x="3" y="4" width="14" height="5" rx="1"/><rect x="3" y="11" width="14" height="5" rx="1"/><path d="M6 6.5h.1M6 13.5h.1"/>`,
		"mirror":        `<path d="M10 3v14M7 6.5 3 10l4 3.5zM13 6.5l4 3.5-4 3.5z"/>`,
		"node":          `<circle cx="10" cy="10" r="2"/><circle cx="4.5" cy="4.5" r="1.5"/><circle cx="15.5" cy="4.5" r="1.5"/><circle cx="10" cy="17" r="1.5"/><path d="m5.6 5.6 3 3M14.4 5.6l-3 3M10 12v3.5"/>`,
		"device":        `<rect x="3" y="4" width="14" height="9" rx="1.2"/><path d="M7 16.5h6"/>`,
		"arrow":         `<path d="M4 10h12M11 5l5 5-5 5"/>`,
		"sun":           `<circle cx="10" cy="10" r="3.2"/><path d="M10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M15.3 4.7l-1.4 1.4M6.1 13.9l-1.4 1.4"/>`,
		"moon":          `<path d="M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z"/>`,
		"auto":          `<circle cx="10" cy="10" r="6.5"/><path d="M10 3.5v13a6.5 6.5 0 0 0 0-13z" class="solid"/>`,
		"close":         `<path d="m5 5 10 10M15 5 5 15"/>`,
		"back":          `<path d="M12.5 4.5 7 10l5.5 5.5"/>`,
		"down":          `<path d="M10 4v12M5 11l5 5 5-5"/>`,
		"file":          `<path d="M5 2.5h6.5l4 4v11H5z"/><path d="M11.5 2.5v4h4"/>`,
	}
}
