package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"pgregory.net/rapid"
)

// scripts are words that are written in all kinds of ways.
var scripts = []string{
	"Straße", "STRASSE", "café", "cafe\u0301", "naïve", "İstanbul", "ısparta", "Ørsted", "don't", "example.com", "3.14", "a1b2", "x", "xy", "xyz",
	"Привет", "ПРИВЕТ", "ёлка", "γειά", "ΓΕΙΆ", "שָׁלוֹם", "שלום", "مَرْحَبًا", "مرحبا", "नमस्ते", "สวัสดี", "ภาษา", "東京", "京都", "東", "カタカナ", "ｶﾀｶﾅ", "ひらがな",
	"한국어", "ﬁn", "fin", "①", "1", "👍", "👍🏽", "👩‍👩‍👧", "🇩🇪", "ｆｕｌｌ", "full", "\u202eabc", "zero\u200bwidth", "Ǆ", "ǆ", "\u0301", "\xff", "",
}

// TestAgainstScan: what the index finds is what a look at every message finds, in any order of coming, with any flushes and
// merges between.
func TestAgainstScan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g := newRig(t, nil)
		type message struct {
			container.Envelope
			contact, text string
		}
		var all []message
		word := rapid.SampledFrom(scripts)
		for batch := range rapid.IntRange(1, 8).Draw(r, "batches") {
			contact := fmt.Sprintf("c%d.eth", rapid.IntRange(0, 2).Draw(r, "contact"))
			var list []container.Envelope
			for i := range rapid.IntRange(0, 6).Draw(r, "messages") {
				text := strings.Join(rapid.SliceOfN(word, 0, 5).Draw(r, "words"), rapid.SampledFrom([]string{" ", " ", "", ", ", "-"}).Draw(r, "between"))
				m := said(contact, "NEW", rapid.Int64Range(0, 20).Draw(r, "at"), text+fmt.Sprintf(" n%dn%d", batch, i))
				list = append(list, m)
				all = append(all, message{m, contact, text + fmt.Sprintf(" n%dn%d", batch, i)})
			}
			g.history.put(contact, true, list...)
			if rapid.Bool().Draw(r, "flush") {
				g.flush()
			}
		}
		g.update()
		q := Query{Limit: rapid.IntRange(1, 5).Draw(r, "limit"), From: rapid.Int64Range(0, 10).Draw(r, "from"), To: rapid.Int64Range(11, 30).Draw(r, "to")}
		if rapid.Bool().Draw(r, "one") {
			q.Contact = "c1.eth"
		}
		for range rapid.IntRange(1, 3).Draw(r, "clauses") {
			piece := strings.Join(rapid.SliceOfN(word, 1, 2).Draw(r, "piece"), " ")
			q.Text += rapid.SampledFrom([]string{"%s ", "%s ", `"%s" `, `-"%s" `, "-%s ", "%s* "}).Draw(r, "form")
			q.Text = fmt.Sprintf(q.Text, piece)
		}
		split := newSplitter()
		clauses, err := parse(split, q.Text)
		if err != nil {
			return // nothing that shall be there
		}
		var want []string
		for _, m := range all {
			if (q.Contact == "" || q.Contact == m.contact) && m.Timestamp >= q.From && m.Timestamp < q.To && scan(split, clauses, m.text) {
				want = append(want, m.Hash.String())
			}
		}
		var got []string
		for page := 0; ; page++ {
			result, err := g.index.Search(t.Context(), q)
			if err != nil {
				r.Fatal(err)
			}
			for _, hit := range result.Hits {
				got = append(got, hit.Hash.String())
				if !slices.ContainsFunc(hit.Snippet, func(p Part) bool { return p.Match }) {
					r.Errorf("%q: nothing is marked in %+v", q.Text, hit.Snippet)
				}
			}
			if q.After = result.More; q.After == "" || page > 100 {
				break
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, slices.Compact(want)) {
			r.Fatalf("%q: %d found, %d there", q.Text, len(got), len(want))
		}
	})
}

// scan looks at a text, word by word.
func scan(split *splitter, clauses []clause, text string) bool {
	terms := termsOf(split, text)
	for _, c := range clauses {
		has := false
		for _, row := range windows(terms, len(c.terms)) {
			want := strings.Join(c.terms, " ")
			has = has || row == want || c.prefix && strings.HasPrefix(row, want)
		}
		if has == c.not {
			return false
		}
	}
	return true
}

// TestHostileTexts: floods of anything are bounded, in time and in memory.
func TestHostileTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	million := &strings.Builder{}
	for i := range 300_000 {
		fmt.Fprintf(million, "w%d ", i)
	}
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	floods := map[string]string{
		"words": million.String(), "a word": strings.Repeat("x", 1_000_000), "marks": "a" + strings.Repeat("\u0301", 300_000),
		"joiners": strings.Repeat("a\u200d", 300_000), "stops": strings.Repeat("a.", 300_000), "flags": strings.Repeat("🇩", 100_000),
		"thai": strings.Repeat("\u0e33\u0e31", 100_000), "long expansions": strings.Repeat("\ufdfa", 100_000), "noise": string(noise), "nul": strings.Repeat("\x00", 100_000),
	}
	r := newRig(t, func(o *Options) { o.Memory = 4 << 20 })
	at := int64(1)
	for name, text := range floods {
		at++
		r.history.put("eve.eth", true, said("eve.eth", "NEW", at, "flood "+text))
		r.update()
		if memory := r.index.Stats().Memory; memory > 8<<20 {
			t.Errorf("%s: %d bytes of memory", name, memory)
		}
	}
	result := r.search(Query{Text: "flood"})
	if len(result.Hits) != len(floods) || result.Cut == 0 {
		t.Errorf("%d hits, %d cut", len(result.Hits), result.Cut)
	}
	for _, hit := range result.Hits {
		if size := len(marked(hit)); size > 2*snippetBytes {
			t.Errorf("a snippet of %d bytes", size)
		}
	}
	if _, err := r.index.Search(t.Context(), Query{Text: strings.Repeat("x ", 5000)}); err == nil {
		t.Error("10 kB were searched for")
	}
	if _, err := r.index.Search(t.Context(), Query{Text: strings.Repeat("x ", 100)}); err == nil {
		t.Error("a hundred words were searched for")
	}
	r.texts(strings.Repeat("a", 1000))
	r.texts("a" + strings.Repeat("\u0301", 400))
}

// FuzzSearch: no text and no query is more than an error, and what a message has, it is found by.
func FuzzSearch(f *testing.F) {
	f.Add("The quick brown fox", `quick "brown fox" -dog`)
	f.Add("東京タワー", "京*")
	f.Add("a cursor with loose last bits", "000000000000000000000000000000000000000000000000000000")
	f.Add("\u0301\u200d\xff", "-\"")
	for _, word := range scripts {
		f.Add(word, word)
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		split := newSplitter()
		b := newBuffer()
		var terms []string
		split.each(text, func(term string, start, end int) bool {
			if term == "" || len(term) > maxTerm || start >= end || end > len(text) || term[0] == 0 {
				t.Fatalf("%q: %q at %d to %d", text, term, start, end)
			}
			terms = append(terms, term)
			return len(terms) < maxWords
		})
		b.gather(split, text)
		clauses, err := parse(split, query)
		if err != nil {
			return
		}
		spans, found := match(split, clauses, text)
		if len(text) <= maxText && len(terms) < maxWords && found != scan(split, clauses, text) {
			t.Fatalf("%q in %q: %v", query, text, found)
		}
		for _, p := range snippet(text, spans) {
			if len(p.Text) > snippetBytes {
				t.Fatalf("%q: a part of %d bytes", text, len(p.Text))
			}
		}
		if cursor, ok := readCursor(query); ok && cursor.cursor() != query {
			t.Fatalf("cursor %q became %q", query, cursor.cursor())
		}
	})
}

// FuzzSegment: bytes that came out of a seal that opened are still not believed.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{0, 1, 'a', 2})
	f.Fuzz(func(t *testing.T, postings, terms []byte) {
		_ = newSet(1000).addAll(&cursor{data: postings})
		for c := (&cursor{data: postings}); c.next(); {
			c.where()
		}
		_, _ = decodeManifest(terms)
		d := decoder{bytes: terms}
		d.blocks()
		d.text()
	})
}

// TestNothingPlain: no word, no name and no hash lies on the disk as it is.
func TestNothingPlain(t *testing.T) {
	r := newRig(t, nil)
	var list []container.Envelope
	for i := range 3000 {
		list = append(list, said("bob.eth", "NEW", int64(i), fmt.Sprint("confidential vocabulary ", i)))
	}
	r.history.put("bob.eth", true, list...)
	r.flush()
	if err := r.index.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := r.disk.Start()
	files := 0
	for _, file := range r.disk.Files() {
		data, err := s.ReadFile(file.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range [][]byte{[]byte("confid"), []byte("vocab"), []byte("bob.eth"), []byte("bob"), list[0].Hash[:8], list[2999].Hash[:8]} {
			if bytes.Contains(data, secret) || strings.Contains(file.Path, string(secret)) {
				t.Errorf("%s holds %q", file.Path, secret)
			}
		}
		files++
	}
	if files < 2 {
		t.Error(files)
	}
}
