package webui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// fetchText names the work that brings messages here for a search, among other work of its kind.
const fetchText = "Bringing messages here for the search"

// searchData is the search page: what is asked, what was found, and what was not searched.
type searchData struct {
	Account, Key     string
	Accounts         []accountTab
	Text, Contact    string // as typed
	From, To         string // days, To included
	Asked            bool
	Wrong            string // what can't be understood, or why there is no search
	Hits             []hitView
	More, MoreAt     string // the query that brings the next page, and its address
	Again            string // the query of this page
	Far, FarFetch    int    // messages that are not on this device, and the objects that fetching them takes
	Other            []gapView
	Indexed, Waiting int
	Cut              int
	Rebuilt          bool
	Problem          string
	Fetching         bool
	Done, Total      int64
	Unit             string
	FetchFailed      string
	Place            string
	FirstPage, Whole bool
}

type hitView struct {
	ID                  string // of its element
	Path, Contact, From string
	Day, Clock, Full    string
	Snippet             []search.Part
	Own, Edited, Former bool
	Unread              string
}

// gapView is a stretch that is not searched for a reason that fetching does not change.
type gapView struct {
	Text     string
	Messages int
}

// searchPage is the search.
func (s *Site) searchPage(w http.ResponseWriter, r *http.Request) error {
	data, err := s.search(r)
	if err != nil {
		return err
	}
	return s.render(w, r, "reader_search.html", view{Title: "Search", Section: "search", Data: data})
}

// searchHits is what was found, for the script that puts it into the page.
func (s *Site) searchHits(w http.ResponseWriter, r *http.Request) error {
	data, err := s.search(r)
	if err != nil {
		return err
	}
	return s.fragment(w, "reader_search.html", "reader-hits", data)
}

// search reads the form, and searches where it asks for something.
func (s *Site) search(r *http.Request) (*searchData, error) {
	data := &searchData{
		Text: r.FormValue("q"), Contact: strings.TrimSpace(r.FormValue("contact")), From: r.FormValue("from"), To: r.FormValue("to"),
		FirstPage: r.FormValue("after") == "",
	}
	account, name, err := s.namedAccount(r.FormValue("account"))
	if err != nil && (name != "" || r.FormValue("account") != "") {
		return nil, err
	}
	for _, a := range s.o.Backend.Status().Accounts {
		data.Accounts = append(data.Accounts, accountTab{Name: a.Name, Key: contactKey(a.Name), Current: a.Name == name})
	}
	data.Account, data.Key, data.Place = name, contactKey(name), s.placeOf(name)
	if name == "" {
		data.Wrong = "There is no account yet."
		return data, nil
	}
	searcher, ok := account.(api.Searcher)
	if !ok {
		data.Wrong = "This account has no search."
		return data, nil
	}
	query, wrong := data.query(zone(r))
	data.Asked = strings.TrimSpace(data.Text) != ""
	if data.Wrong = wrong; wrong != "" || !data.Asked {
		return data, nil
	}
	query.After = r.FormValue("after")
	data.progress(s.o.Backend.Activity(), name)
	found, err := searcher.Search(r.Context(), query)
	switch {
	case errors.Is(err, search.ErrQuery), errors.Is(err, search.ErrDisabled), errors.Is(err, search.ErrClosed):
		data.Wrong = display.Excerpt(err.Error(), textLetters)
		return data, nil
	case err != nil:
		return nil, err
	}
	data.take(&found, name, zone(r), s.o.Now())
	own := namesOf(account, name)
	for i := range data.Hits {
		data.Hits[i].Own = slices.Contains(own, data.Hits[i].From)
	}
	return data, nil
}

// progress shows how far the fetching for a search is, or how it ended.
func (d *searchData) progress(log *activity.Log, account string) {
	for _, job := range log.Jobs() {
		if job.Account != account || job.Text != fetchText {
			continue
		}
		d.Fetching, d.FetchFailed = job.Ended.IsZero(), display.Excerpt(job.Error, textLetters)
		d.Done, d.Total, d.Unit = job.Done, job.Total, job.Unit
	}
}

// query is the form as the index takes it; wrong says what can't be understood.
func (d *searchData) query(in *time.Location) (q search.Query, wrong string) {
	q.Text = strings.TrimSpace(d.Text)
	if len(q.Text) > search.MaxQuery {
		return q, "That is too long to look for. A few words are enough."
	}
	if d.Contact != "" {
		contact, err := identity.Normalize(d.Contact)
		if err != nil || contact == "" {
			return q, "The contact's name can't be a name of dm3. Leave it empty to search all conversations."
		}
		q.Contact = contact
	}
	for text, to := range map[*string]*int64{&d.From: &q.From, &d.To: &q.To} {
		if *text == "" {
			continue
		}
		at, err := time.ParseInLocation(time.DateOnly, *text, in)
		if err != nil {
			return q, "That is no day of the calendar."
		}
		if to == &q.To {
			at = at.AddDate(0, 0, 1)
		}
		*to = max(at.UnixMilli(), 1)
	}
	if q.From != 0 && q.To != 0 && q.From >= q.To {
		return q, "The first day is after the last one."
	}
	return q, ""
}

// values is the form as an address.
func (d *searchData) values() url.Values {
	values := url.Values{"q": {d.Text}, "account": {d.Key}}
	for name, text := range map[string]string{"contact": d.Contact, "from": d.From, "to": d.To} {
		if text != "" {
			values.Set(name, text)
		}
	}
	return values
}

// take shows a result.
func (d *searchData) take(found *search.Result, account string, in *time.Location, now time.Time) {
	v := viewer{in: in}
	for i := range found.Hits {
		h := &found.Hits[i]
		d.Hits = append(d.Hits, hitView{
			ID: "h" + digest([]byte(h.Contact+"\x00"+hexOf(h.Hash))), Path: conversationPath(account, h.Contact) + "?at=" + hexOf(h.Hash), Contact: h.Contact, From: display.Excerpt(h.From, nameLetters),
			Day: shortDate(h.Timestamp, now, in), Clock: v.stamp(h.Timestamp, "15:04"), Full: v.full(h.Timestamp), Snippet: cleanParts(h.Snippet),
			Edited: h.Edited, Former: h.Former, Unread: h.Unread,
		})
	}
	values := d.values()
	d.Again = values.Encode()
	if found.More != "" {
		values.Set("after", found.More)
		d.More = values.Encode()
		d.MoreAt = "/search?" + d.More
	}
	d.Indexed, d.Waiting, d.Cut, d.Rebuilt, d.Problem = found.Indexed, found.Waiting, found.Cut, found.Rebuilt, found.Problem
	d.Far, d.FarFetch = found.MissingMessages, found.MissingFetch
	other := map[string]int{}
	for _, gap := range found.Missing {
		if gap.Reason != search.ReasonFar {
			other[gap.Reason] += gap.Messages
			d.Far -= gap.Messages
			d.FarFetch -= gap.Fetch
		}
	}
	d.Far, d.FarFetch = max(d.Far, 0), max(d.FarFetch, 0)
	for reason, text := range map[string]string{
		search.ReasonRoom:       "are too old for the room that the index has; raise its disk under [search] in the configuration.",
		search.ReasonUnreadable: "are on this device and can't be read; the problems say why.",
	} {
		if other[reason] > 0 {
			d.Other = append(d.Other, gapView{text, other[reason]})
		}
	}
	slices.SortFunc(d.Other, func(a, b gapView) int { return strings.Compare(a.Text, b.Text) })
	d.Whole = d.Far == 0 && len(d.Other) == 0 && d.Waiting == 0
}

// cleanParts takes out of a snippet what escaping leaves.
func cleanParts(parts []search.Part) []search.Part {
	shown := make([]search.Part, 0, len(parts))
	for _, p := range parts {
		shown = append(shown, search.Part{Text: display.Line(p.Text), Match: p.Match})
	}
	return shown
}

// searchFetch brings what a search does not reach to this device, where the index takes it up.
func (s *Site) searchFetch(w http.ResponseWriter, r *http.Request) error {
	account, name, err := s.namedAccount(r.FormValue("account"))
	if err != nil {
		return err
	}
	data := &searchData{Text: r.FormValue("q"), Contact: strings.TrimSpace(r.FormValue("contact")), From: r.FormValue("from"), To: r.FormValue("to"), Key: contactKey(name)}
	query, wrong := data.query(zone(r))
	searcher, ok := account.(api.Searcher)
	if wrong == "" && ok {
		f := &gapFetcher{account: account, searcher: searcher, query: query}
		begun := make(chan struct{})
		if s.jobs.run(s.ctx, activity.JobFetch+" "+name, func(ctx context.Context) {
			job := s.o.Backend.Activity().Start(name, activity.JobFetch, fetchText)
			close(begun)
			job.End(f.all(ctx, job.Progress))
		}) {
			<-begun // so that the answer tells of it
		}
	}
	if r.Header.Get("HX-Request") != "" {
		return s.searchHits(w, r)
	}
	http.Redirect(w, r, "/search?"+data.values().Encode(), http.StatusSeeOther)
	return nil
}

// gapFetcher brings the gaps of one search here.
type gapFetcher struct {
	account  api.Account
	searcher api.Searcher
	query    search.Query
}

// all goes on until a search names no gap that it has not tried.
func (f *gapFetcher) all(ctx context.Context, progress func(step string, done, total int64, unit string)) error {
	tried := map[search.Gap]bool{}
	var done int64
	for {
		f.query.Limit = 1
		found, err := f.searcher.Search(ctx, f.query)
		if err != nil {
			return err
		}
		total := done + int64(found.MissingFetch)
		fresh := 0
		for _, gap := range found.Missing {
			if gap.Reason != search.ReasonFar || tried[gap] {
				continue
			}
			tried[gap] = true
			fresh++
			base := done
			err := f.account.Fetch(ctx, gap.Contact, gap.From, gap.To, func(p engine.Progress) { progress("fetch", base+p.Done, max(total, base+p.Total), p.Unit) })
			if err != nil {
				return err
			}
			done += int64(gap.Fetch)
		}
		if fresh == 0 {
			return nil
		}
	}
}
