package webui

import (
	"net/http"
	"slices"
)

// page is a line of the table of pages.
type page struct {
	// pattern is a method and path for [http.ServeMux].
	pattern string
	// handle answers; an error is shown as a sentence, see [Site.fail].
	handle func(s *Site, w http.ResponseWriter, r *http.Request) error
	// link is how the page stands in the navigation; nil where it doesn't.
	link *link
}

// link is a line of the navigation.
type link struct {
	Section string // what [view.Section] of its pages says
	Path    string
	Title   string
	Icon    string // of icons
	Key     string // pressed after g
	Order   int    // from the top
	More    bool   // on a narrow screen it stands under "More"
}

// pages is the table of all pages. Further groups are added to it.
func pages() []page {
	return slices.Concat(
		shellPages(),
		setupPages(),
		readerPages(),
	)
}

// shellPages are those of the frame.
func shellPages() []page {
	return []page{
		{"GET /{$}", (*Site).overview, &link{"overview", "/", "Overview", "overview", "o", 10, false}},
		{"GET /activity", (*Site).activityPage, &link{"activity", "/activity", "Activity", "activity", "a", 40, false}},
		{"GET /charts", (*Site).charts, &link{"charts", "/charts", "Charts", "charts", "t", 50, true}},
		{"GET /problems", (*Site).problemsPage, &link{"problems", "/problems", "Problems", "problems", "p", 60, true}},
		{"GET /live", (*Site).live, nil},
		{"POST /accounts/sync", (*Site).syncNow, nil},
		{"POST /accounts/verify", (*Site).verifyNow, nil},
		{"POST /accounts/pause", (*Site).pause, nil},
		{"POST /accounts/resume", (*Site).resume, nil},
		{"GET /copies/{account}", (*Site).accountCopies, nil},
		{"GET /help", (*Site).help, &link{"help", "/help", "Help", "help", "h", 80, true}},
		{"POST /appearance", (*Site).appearance, nil},
	}
}

// navigation is all links, from the top.
func navigation() []link {
	var list []link
	for _, p := range pages() {
		if p.link != nil {
			list = append(list, *p.link)
		}
	}
	slices.SortStableFunc(list, func(a, b link) int { return a.Order - b.Order })
	return list
}
