package webui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/internal/webui/webtest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// at is a time in UTC, in milliseconds.
func at(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

// TestTimeLine: months have the messages of their stretches, newest first, with what is here and what is far.
func TestTimeLine(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	stretch := func(first, last string, messages int64, fetch int) engine.Stretch {
		return engine.Stretch{First: at(first), Last: at(last), Messages: messages, Cached: fetch == 0, Fetch: fetch}
	}
	for name, c := range map[string]struct {
		in        *time.Location
		stretches []engine.Stretch
		want      string
	}{
		"none":            {time.UTC, nil, ""},
		"empty":           {time.UTC, []engine.Stretch{{}}, ""},
		"one month":       {time.UTC, []engine.Stretch{stretch("2026-03-02T10:00:00Z", "2026-03-20T10:00:00Z", 7, 0)}, "2026 2026-03 7/7 w100/100"},
		"far away":        {time.UTC, []engine.Stretch{stretch("2026-03-02T10:00:00Z", "2026-03-20T10:00:00Z", 7, 2)}, "2026 2026-03 0/7 f2 w100/0"},
		"half":            {time.UTC, []engine.Stretch{stretch("2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z", 8, 1), stretch("2026-03-04T10:00:00Z", "2026-03-05T10:00:00Z", 8, 0)}, "2026 2026-03 8/16 f1 w100/50"},
		"spread":          {time.UTC, []engine.Stretch{stretch("2025-12-17T00:00:00Z", "2026-01-15T23:59:59Z", 100, 0)}, "2026 2026-01 ~50/50 w100/100; 2025 2025-12 ~50/50 w100/100"},
		"spread and far":  {time.UTC, []engine.Stretch{stretch("2025-12-17T00:00:00Z", "2026-01-15T23:59:59Z", 100, 1)}, "2026 2026-01 ~0/50 w100/0; 2025 2025-12 ~0/50 f1 w100/0"},
		"by the zone":     {berlin, []engine.Stretch{stretch("2026-03-31T22:30:00Z", "2026-03-31T22:30:00Z", 1, 0)}, "2026 2026-04 1/1 w100/100"},
		"quiet shows":     {time.UTC, []engine.Stretch{stretch("2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", 1_000_000, 0), stretch("2026-02-02T00:00:00Z", "2026-02-02T00:00:00Z", 1, 0)}, "2026 2026-02 1/1 w3/3; 2026-01 1000000/1000000 w100/100"},
		"a clock far off": {time.UTC, []engine.Stretch{stretch("1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z", 5, 0)}, "9999 9999-01 ~2/2 w81/81; 1970 1970-01 ~3/3 w100/100"},
	} {
		t.Run(name, func(t *testing.T) {
			var words []string
			for _, m := range timeLine(c.stretches, c.in) {
				word := strings.TrimSpace(m.Year + " " + m.Key + " ")
				if m.About {
					word += " ~"
				} else {
					word += " "
				}
				word += fmt.Sprintf("%d/%d", m.Here, m.Messages)
				if m.Fetch > 0 {
					word += fmt.Sprint(" f", m.Fetch)
				}
				words = append(words, word+fmt.Sprintf(" w%d/%d", m.Width, m.Solid))
			}
			if got := strings.Join(words, "; "); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
	var long []engine.Stretch
	for month := range 40 * 12 {
		first := time.Date(1990, time.Month(1+month), 5, 0, 0, 0, 0, time.UTC).UnixMilli()
		long = append(long, engine.Stretch{First: first, Last: first, Messages: 2, Cached: month%12 < 6, Fetch: month % 12 / 6})
	}
	lines := timeLine(long, time.UTC)
	if len(lines) != 40 || lines[0].Key != "2029" || lines[0].Messages != 24 || lines[0].Here != 12 || lines[0].Fetch != 6 || lines[39].Date != "1990-01-01" || lines[3].Year != "" {
		t.Errorf("years: %d %+v", len(lines), lines[0])
	}
}

// TestList: the list is cut into pieces that have every conversation once, whatever moves to the top meanwhile.
func TestList(t *testing.T) {
	var all []engine.Conversation
	for i := range 120 {
		all = append(all, engine.Conversation{Contact: fmt.Sprintf("c%03d.eth", i), Last: int64(i / 7), Hidden: i%10 == 9})
	}
	seen := map[string]int{}
	query := listQuery{}
	pieces := 0
	for {
		piece := query.listed(slices.Clone(all))
		if piece.Found != 108 || piece.Other != 12 {
			t.Fatalf("%d found, %d others", piece.Found, piece.Other)
		}
		for _, c := range piece.Rows {
			seen[c.Contact]++
		}
		if pieces++; piece.Next == "" {
			break
		}
		query.After = parseListPlace(piece.Next)
		all[3].Last = 1_000_000 // it was seen already, or is at the top now
		seen[all[3].Contact] = 1
	}
	if len(seen) != 108 || pieces != 3 {
		t.Errorf("%d of 108 in %d pieces", len(seen), pieces)
	}
	for contact, times := range seen {
		if times != 1 {
			t.Errorf("%s was listed %d times", contact, times)
		}
	}
	hidden := listQuery{Hidden: true, Text: " C0"}
	if piece := hidden.listed(slices.Clone(all)); piece.Found != 10 || piece.Other != 108 {
		t.Errorf("hidden: %d %d", piece.Found, piece.Other)
	}
}

// TestAddresses: only what this site wrote into an address is read from it.
func TestAddresses(t *testing.T) {
	for _, name := range []string{"bob.eth", "..", "a/b.eth", "мария.eth", "a?b#c.eth", "%2e%2e"} {
		if got, ok := contactOf(contactKey(name)); !ok || got != name {
			t.Errorf("%q comes back as %q, %v", name, got, ok)
		}
		place := listPlace{5, name}
		if got := parseListPlace(place.text()); got != place {
			t.Errorf("%+v comes back as %+v", place, got)
		}
	}
	for _, text := range []string{"", "!", "Qk9CLmV0aA", "Ym9iLmV0aA==", contactKey("BOB.eth"), contactKey(strings.Repeat("a", maxContact+1))} {
		if got, ok := contactOf(text); ok {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
	if got := parseListPlace("7.!"); got != (listPlace{}) {
		t.Errorf("%+v", got)
	}
	hash := container.MessageHash{0: 1, 31: 255}
	if got, ok := hashOf(hexOf(hash)); !ok || got != hash {
		t.Error(got, ok)
	}
	for _, text := range []string{"", "0x" + hexOf(hash), hexOf(hash)[:63], strings.Repeat("g", 64), strings.Repeat("é", 32)} {
		if _, ok := hashOf(text); ok {
			t.Errorf("%q is taken for a hash", text)
		}
	}
	p := place{timestamp: 7, hash: hash}
	if got, err := parsePlace(p.text()); err != nil || got != p {
		t.Error(got, err)
	}
	for _, text := range []string{"", "7", "-7." + hexOf(hash), "x." + hexOf(hash), "7.00"} {
		if _, err := parsePlace(text); err == nil {
			t.Errorf("%q is taken for a place", text)
		}
	}
	if got := (place{timestamp: 7}).less(); got.timestamp != 6 || got.hash[31] != 0xff || got.hash[0] != 0xff {
		t.Errorf("%+v", got)
	}
	if got := p.less(); got.timestamp != 7 || got.hash[31] != 254 {
		t.Errorf("%+v", got)
	}
}

// TestMessageViews: what people see of an entry.
func TestMessageViews(t *testing.T) {
	long := strings.Repeat("word ", 1000)
	records := webtest.Envelopes(t,
		say("bob.eth", "NEW", "see https://a.example/x, mailto:a@b.example or http://c.example", -1),
		say("bob.eth", "NEW", long, -1),
		say("bob.eth", "NEW", strings.Repeat("line\n", 100), -1),
		say("alice.eth", "NEW", " \n", -1),
		say("alice.eth", "REPLY", "yes", 1),
		say("bob.eth", "LINK", "what is this", -1),
		say("bob.eth", "NEW", "\u202eabc\x07", -1),
		say("bob.eth", "EDIT", "no", 3),
	)
	w := around(records, 0, len(records), 0, 0)
	v := viewer{in: time.UTC, links: display.Addresses()}
	views := v.views(w.fold([]string{"alice.eth"}))
	if got := views[0].Text; len(got) != 5 || got[1].URL != "https://a.example/x" || got[3].Text != "mailto:a@b.example" || got[3].URL+got[4].URL != "" {
		t.Errorf("links: %+v", got)
	}
	if m := views[1]; m.Cut != "5.0 kB" || len(m.Text[0].Text) > textBytes+4 || !m.Together {
		t.Errorf("long: %q %d", m.Cut, len(m.Text[0].Text))
	}
	if got := views[2].Text[0].Text; strings.Count(got, "\n") != textLines-1 || !strings.HasSuffix(got, "…") {
		t.Errorf("lines: %q", got)
	}
	if !views[3].Empty || !views[3].Own || views[3].Together {
		t.Errorf("empty: %+v", views[3])
	}
	if q := views[4].Quote; q == nil || len([]rune(q.Text)) > quoteLetters+1 || q.Own || views[4].Find != "" {
		t.Errorf("quote: %+v", q)
	}
	if got := views[5].Label; got != "record of the type LINK" {
		t.Error(got)
	}
	if got := views[6].Text[0].Text; got != "\u202eabc·" { // the page isolates it
		t.Errorf("%q", got)
	}
	if m := views[7]; !m.Small || m.Label == "" {
		t.Errorf("an edit of what somebody else said: %+v", m)
	}
	if got := shortDate(at("2026-03-05T08:09:00Z"), time.UnixMilli(at("2026-03-05T23:00:00Z")), time.UTC); got != "08:09" {
		t.Error(got)
	}
	for text, want := range map[string]string{"2026-03-04T23:59:00Z": "Wed", "2026-02-27T00:00:00Z": "Fri", "2026-02-26T00:00:00Z": "26 Feb", "2025-02-26T00:00:00Z": "26 Feb 2025", "2026-03-06T00:00:00Z": "6 Mar"} {
		if got := shortDate(at(text), time.UnixMilli(at("2026-03-05T23:00:00Z")), time.UTC); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
