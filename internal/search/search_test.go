package search

import (
	"testing"
)

func TestSearch(t *testing.T) {
	r := newRig(t, nil)
	r.history.put("bob.eth", true,
		said("bob.eth", "NEW", 1000, "The quick brown fox"),
		said("alice.eth", "NEW", 2000, "a lazy dog, quickly"),
		said("bob.eth", "NEW", 3000, "Café Über Straße İstanbul"),
		said("bob.eth", "NEW", 4000, "東京タワーに行きました"),
		said("bob.eth", "NEW", 5000, "สวัสดีครับ ผมชื่อ"),
		said("bob.eth", "NEW", 6000, "see example.com/path today 👍🏽"),
		said("bob.eth", "READ_OPENED", 7000, "quick"),
	)
	r.history.put("carol.eth", true, said("carol.eth", "NEW", 2500, "quick reply"))
	r.update()
	for range 2 {
		r.expect("quick", "[quick] reply", "a lazy dog, [quickly]", "The [quick] brown fox")
		r.expect("quick brown", "The [quick] [brown] fox")
		r.expect(`"quick"`, "[quick] reply", "The [quick] brown fox")
		r.expect(`"brown quick"`)
		r.expect(`"quick brown"`, "The [quick] [brown] fox")
		r.expect("QUICK -fox", "[quick] reply", "a lazy dog, [quickly]")
		r.expect(`"quick" -fox`, "[quick] reply")
		r.expect("qui* dog", "a lazy [dog], [quickly]")
		r.expect("cafe", "[Café] Über Straße İstanbul")
		r.expect("ISTAN", "Café Über Straße [İstanbul]")
		r.expect("strasse", "Café Über [Straße] İstanbul")
		r.expect("京タ", "東[京タワー]に行きました")
		r.expect("行きま", "東京タワーに[行きま]した")
		r.expect("京東")
		r.expect("ชื่อ", "สวัสดีครับ ผม[ชื่อ]")
		r.expect("example.c", "see [example].[com]/path today 👍🏽")
		r.expect("👍", "see example.com/path today [👍🏽]")
		r.flush()
		r.reopen()
	}
	if r.history.reads != 2 {
		t.Error("read again:", r.history.reads)
	}
}

// TestWaiting: what was just written is said to be missing until it is indexed.
func TestWaiting(t *testing.T) {
	r := newRig(t, nil)
	r.history.write("bob.eth", said("bob.eth", "NEW", 1000, "a word"), said("bob.eth", "NEW", 1001, "a word"))
	r.history.write("carol.eth", said("carol.eth", "NEW", 2000, "a word"))
	for contact, want := range map[string]int{"": 2, "bob.eth": 1, "dave.eth": 0} {
		result, err := r.index.Search(t.Context(), Query{Text: "word", Contact: contact})
		if err != nil || result.Waiting != want || len(result.Hits) > 0 {
			t.Errorf("%q: %d wait, want %d; %d hits, %v", contact, result.Waiting, want, len(result.Hits), err)
		}
	}
	r.update()
	if result, err := r.index.Search(t.Context(), Query{Text: "word"}); err != nil || result.Waiting != 0 || len(result.Hits) != 3 {
		t.Errorf("after the update: %d wait, %d hits, %v", result.Waiting, len(result.Hits), err)
	}
}
