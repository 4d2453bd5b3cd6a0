package thread_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/thread"
)

// said is one message of a test; its letter names it.
type said struct {
	letter, from, kind, text, about string // about: the letter of another, or a hash
	at                              int64
	claim                           string // the letter of another whose name its envelope claims, or a text for one of its own
}

// conversation makes envelopes of what was said. References need hashes, so what is referred to stands before.
func conversation(t *testing.T, list ...said) (records []thread.Record, letters map[container.MessageHash]string) {
	t.Helper()
	letters = map[container.MessageHash]string{}
	hashes := map[string]container.MessageHash{}
	for i, s := range list {
		metadata := map[string]any{"from": s.from, "to": "somebody", "type": s.kind, "timestamp": s.at}
		if s.at == 0 {
			metadata["timestamp"] = int64(i + 1)
		}
		if s.about != "" {
			metadata["referenceMessageHash"] = nameOf(hashes, s.about)
		}
		signature := sha256.Sum256([]byte(s.letter))
		document := map[string]any{"message": map[string]any{"message": s.text, "metadata": metadata, "signature": base64.StdEncoding.EncodeToString(append(signature[:], signature[:]...))}}
		if s.claim != "" {
			document["metadata"] = map[string]any{"encryptedMessageHash": nameOf(hashes, s.claim)}
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		envelope, _, err := container.ParseEnvelope(text)
		if err != nil {
			t.Fatal(err)
		}
		hashes[s.letter], letters[envelope.Hash] = envelope.Hash, s.letter
		records = append(records, thread.Read(envelope))
	}
	return records, letters
}

// nameOf is the hash of a letter, or one made of the text.
func nameOf(hashes map[string]container.MessageHash, text string) string {
	if hash, known := hashes[text]; known {
		return hash.String()
	}
	return string(container.Hash(text))
}

// drawn writes entries as text: "a" for a message, "a=c" with the text of c, "-a" deleted, "a+ok(bob,alice)" with reactions,
// "a<b" answers b, "a!" does not count, "a✓" received, "a✓✓" opened.
func drawn(folded []thread.Folded, letters map[container.MessageHash]string) string {
	var words []string
	for _, f := range folded {
		word := letters[f.Hash]
		if f.Record == nil || letters[f.Record.Hash] != word || f.Shown == nil || f.Shown.Hash != f.Current.Hash {
			return "records of another message at " + word
		}
		if f.Current.Hash != f.Hash {
			word += "=" + letters[f.Current.Hash]
		}
		if f.Deleted != nil {
			word = "-" + word
		}
		for _, reaction := range f.Reactions {
			var by []string
			for _, ref := range reaction.By {
				by = append(by, ref.From)
			}
			word += "+" + reaction.Text + "(" + strings.Join(by, ",") + ")"
		}
		if f.Reply != nil {
			word += "<" + letters[f.Reply.Hash]
			if f.Quoted != nil {
				word += "«" + f.Quoted.Text + "»"
			}
		}
		if f.Received != nil {
			word += "✓"
		}
		if f.Opened != nil {
			word += "✓✓"
		}
		if f.Why != thread.Counts {
			word += fmt.Sprint("!", f.Why)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestFold(t *testing.T) {
	const alice, alias, bob, eve = "alice.eth", "0xa.addr.dm3.eth", "bob.eth", "eve.eth"
	base := said{letter: "a", from: bob, kind: "NEW", text: "first"}
	for name, c := range map[string]struct {
		list []said
		want string
	}{
		"messages":                     {[]said{base, {letter: "b", from: alice, kind: "NEW"}}, "a b"},
		"unknown types are messages":   {[]said{base, {letter: "b", from: alice, kind: "LINK"}, {letter: "c", from: bob, kind: ""}}, "a b c"},
		"a request is what it is":      {[]said{base, {letter: "b", from: alice, kind: "RESEND_REQUEST", about: "a"}}, "a b"},
		"an edit":                      {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "a"}}, "a=b"},
		"an edit of an edit":           {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "a"}, {letter: "c", from: bob, kind: "EDIT", about: "b"}}, "a=c"},
		"two edits of the first":       {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "a", at: 9}, {letter: "c", from: bob, kind: "EDIT", about: "a", at: 5}}, "a=b"},
		"names in another case":        {[]said{base, {letter: "b", from: "BOB.eth", kind: "EDIT", about: "a"}}, "a=b"},
		"an edit by another":           {[]said{base, {letter: "b", from: alice, kind: "EDIT", about: "a"}}, "a b!2"},
		"an edit of that":              {[]said{base, {letter: "b", from: alice, kind: "EDIT", about: "a"}, {letter: "c", from: alice, kind: "EDIT", about: "b"}}, "a b=c!2"},
		"an edit under an own alias":   {[]said{{letter: "a", from: alice, kind: "NEW"}, {letter: "b", from: alias, kind: "EDIT", about: "a"}}, "a=b"},
		"an edit before its message":   {[]said{{letter: "a", from: bob, kind: "NEW", at: 50}, {letter: "b", from: bob, kind: "EDIT", about: "a", at: 3}}, "a=b"},
		"an edit of nothing":           {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "elsewhere"}, {letter: "c", from: bob, kind: "EDIT"}}, "a b!1 c!1"},
		"an edit of a receipt":         {[]said{base, {letter: "b", from: alice, kind: "READ_OPENED", about: "a"}, {letter: "c", from: alice, kind: "EDIT", about: "b"}}, "a✓✓ c!3"},
		"a deletion":                   {[]said{base, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "a"}}, "-a"},
		"a deletion by another":        {[]said{base, {letter: "b", from: eve, kind: "DELETE_REQUEST", about: "a"}}, "a b!2"},
		"a deletion of the edit":       {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "a"}, {letter: "c", from: bob, kind: "DELETE_REQUEST", about: "b"}}, "-a=b"},
		"an edit after a deletion":     {[]said{base, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "a"}, {letter: "c", from: bob, kind: "EDIT", about: "a"}}, "-a=c"},
		"a deletion of a deletion":     {[]said{base, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "a"}, {letter: "c", from: bob, kind: "DELETE_REQUEST", about: "b"}}, "-a c!3"},
		"reactions":                    {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "a"}, {letter: "c", from: bob, kind: "REACTION", text: "ok", about: "a"}, {letter: "d", from: bob, kind: "REACTION", text: "no", about: "a"}}, "a+ok(alice.eth,bob.eth)+no(bob.eth)"},
		"a reaction twice":             {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "a"}, {letter: "c", from: alias, kind: "REACTION", text: "ok", about: "a"}}, "a+ok(alice.eth)"},
		"a reaction to an edit":        {[]said{base, {letter: "b", from: bob, kind: "EDIT", about: "a"}, {letter: "c", from: alice, kind: "REACTION", text: "ok", about: "b"}}, "a=b+ok(alice.eth)"},
		"a reaction that is deleted":   {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "a"}, {letter: "c", from: alice, kind: "DELETE_REQUEST", about: "b"}}, "a"},
		"not by another":               {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "a"}, {letter: "c", from: bob, kind: "DELETE_REQUEST", about: "b"}}, "a+ok(alice.eth) c!2"},
		"a lone reaction is deleted":   {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "gone"}, {letter: "c", from: alice, kind: "DELETE_REQUEST", about: "b"}}, "a -b!1"},
		"a reaction to a reaction":     {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: "ok", about: "a"}, {letter: "c", from: bob, kind: "REACTION", text: "no", about: "b"}}, "a+ok(alice.eth) c!3"},
		"receipts":                     {[]said{base, {letter: "b", from: alice, kind: "READ_RECEIVED", about: "a"}, {letter: "c", from: alice, kind: "READ_OPENED", about: "a"}, {letter: "d", from: alice, kind: "READ_OPENED", about: "a"}}, "a✓✓✓"},
		"the specification's receipt":  {[]said{base, {letter: "b", from: alice, kind: "READ_RECEIPT", about: "a"}}, "a✓✓"},
		"a receipt by the author":      {[]said{base, {letter: "b", from: bob, kind: "READ_OPENED", about: "a"}}, "a b!3"},
		"a reply":                      {[]said{base, {letter: "b", from: alice, kind: "REPLY", about: "a"}}, "a b<a«first»"},
		"a reply to what was edited":   {[]said{base, {letter: "b", from: bob, kind: "EDIT", text: "second", about: "a"}, {letter: "c", from: alice, kind: "REPLY", about: "b"}}, "a=b c<a«second»"},
		"a reply to what was deleted":  {[]said{base, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "a"}, {letter: "c", from: alice, kind: "REPLY", about: "a"}}, "-a c<a"},
		"a reply to nothing":           {[]said{base, {letter: "b", from: alice, kind: "REPLY", about: "gone"}}, "a b!1"},
		"a reply is edited":            {[]said{base, {letter: "b", from: alice, kind: "REPLY", about: "a"}, {letter: "c", from: alice, kind: "EDIT", about: "b"}}, "a b=c<a«first»"},
		"by the name of npm 1.7.1":     {[]said{{letter: "a", from: bob, kind: "NEW", claim: "wire"}, {letter: "b", from: bob, kind: "EDIT", about: "wire"}}, "a=b"},
		"that two claim":               {[]said{{letter: "e", from: eve, kind: "NEW", claim: "wire"}, {letter: "a", from: bob, kind: "NEW", claim: "wire"}, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "wire"}}, "e -a"},
		"a claim of a true name":       {[]said{base, {letter: "e", from: eve, kind: "NEW", claim: "a", at: 1}, {letter: "b", from: alice, kind: "REPLY", about: "a"}}, "e a b<a«first»"},
		"claims that make a circle":    {[]said{{letter: "a", from: bob, kind: "EDIT", about: "x", claim: "y"}, {letter: "b", from: bob, kind: "EDIT", about: "y", claim: "x"}}, "b=a!1"},
		"the same message twice":       {[]said{{letter: "a", from: bob, kind: "NEW", at: 4}, {letter: "a", from: bob, kind: "NEW", at: 4}}, "a"},
		"one time, ordered by hash":    {[]said{{letter: "a", from: bob, kind: "NEW", at: 7}, {letter: "b", from: bob, kind: "DELETE_REQUEST", about: "a", at: 7}}, "-a"},
		"nothing":                      {nil, ""},
		"a name that is not normal":    {[]said{{letter: "a", from: "-\u202e.", kind: "NEW"}, {letter: "b", from: "-\u202e.", kind: "EDIT", about: "a"}}, "a=b"},
		"nobody is not somebody":       {[]said{{letter: "a", from: "", kind: "NEW"}, {letter: "b", from: bob, kind: "EDIT", about: "a"}}, "a b!2"},
		"a long reaction is cut whole": {[]said{base, {letter: "b", from: alice, kind: "REACTION", text: strings.Repeat("x", 63) + "é", about: "a"}}, "a+" + strings.Repeat("x", 63) + "…(alice.eth)"},
	} {
		t.Run(name, func(t *testing.T) {
			records, letters := conversation(t, c.list...)
			for range 2 {
				if got := drawn(thread.Fold(records, alice, alias), letters); !sameUpToTies(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				slices.Reverse(records) // the order of adding says nothing
			}
		})
	}
}

// sameUpToTies compares; entries of one time stand in the order of their hashes, which a table can't know.
func sameUpToTies(got, want string) bool {
	a, b := strings.Fields(got), strings.Fields(want)
	if strings.HasPrefix(want, "e a ") {
		slices.Sort(a)
		slices.Sort(b)
	}
	return slices.Equal(a, b)
}

// TestOutcomes: each record is told where it shows, and entries and positions fit together.
func TestOutcomes(t *testing.T) {
	records, letters := conversation(t,
		said{letter: "a", from: "bob.eth", kind: "NEW"},
		said{letter: "b", from: "bob.eth", kind: "EDIT", about: "a"},
		said{letter: "c", from: "alice.eth", kind: "REACTION", text: "ok", about: "b"},
		said{letter: "d", from: "alice.eth", kind: "DELETE_REQUEST", about: "c"},
		said{letter: "e", from: "alice.eth", kind: "EDIT", about: "a"},
		said{letter: "f", from: "alice.eth", kind: "REPLY", about: "b"})
	b := thread.NewBuilder("alice.eth")
	for _, record := range records {
		b.AddEnvelope(record.Envelope)
	}
	x := b.Index()
	if x.Len() != 6 || x.Entries() != 3 {
		t.Fatalf("%d records, %d entries", x.Len(), x.Entries())
	}
	want := []string{"a shown at 0", "b to a at 0", "c to a taken back at -1", "d to c at -1", "e shown 2 at 1", "f shown to a at 2"}
	for i, record := range records {
		position, found := x.Find(record.Hash)
		if !found || x.At(position).Hash != record.Hash || x.Size(position) != len(record.JSON) {
			t.Fatalf("record %d stands at %d, %v", i, position, found)
		}
		o, got := x.Outcome(position), letters[record.Hash]
		if o.Shown {
			got += " shown"
		}
		if o.Why != thread.Counts {
			got += fmt.Sprint(" ", o.Why)
		}
		if o.Target != nil {
			got += " to " + letters[o.Target.Hash]
		}
		if o.TakenBack {
			got += " taken back"
		}
		number, shown := x.Number(position)
		if !shown {
			number = -1
		}
		if got += fmt.Sprint(" at ", number); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
	for number := range x.Entries() {
		if e := x.Entry(number); e.Number != number || x.At(e.Position).Hash != e.Hash {
			t.Errorf("entry %d: %+v", number, e)
		}
	}
	if _, found := x.Find(container.MessageHash{1}); found {
		t.Error("a hash that is not there was found")
	}
}

// TestManyReactions: what anybody can send in any number stays bounded.
func TestManyReactions(t *testing.T) {
	list := []said{{letter: "a", from: "bob.eth", kind: "NEW"}}
	for i := range 250 {
		list = append(list, said{letter: fmt.Sprint("text ", i), from: "bob.eth", kind: "REACTION", text: fmt.Sprint(i), about: "a"},
			said{letter: fmt.Sprint("name ", i), from: fmt.Sprintf("n%d.eth", i), kind: "REACTION", text: "0", about: "a"})
	}
	records, _ := conversation(t, list...)
	folded := thread.Fold(records, "alice.eth")
	if len(folded) != 1 || len(folded[0].Reactions) != 100 || len(folded[0].Reactions[0].By) != 100 || folded[0].MoreReactions != 150+151 {
		t.Errorf("%d entries, %+v", len(folded), folded[0].MoreReactions)
	}
}

// TestOddMembers: members of other types than they should have are left out, and the rest is read.
func TestOddMembers(t *testing.T) {
	signature := base64.StdEncoding.EncodeToString(make([]byte, 64))
	text := `{"message":{"message":{"no":"text"},"attachments":["data:,a",{"name":"b","data":"https://host/b"},{"name":7,"data":"c"},9,null],` +
		`"metadata":{"from":"bob.eth","to":"alice.eth","type":"REPLY","timestamp":5,"referenceMessageHash":"0xno"},"signature":"` + signature + `"},"metadata":null}`
	envelope, _, err := container.ParseEnvelope([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r := thread.Read(envelope)
	want := []thread.Attachment{{URI: "data:,a"}, {Name: "b", URI: "https://host/b"}, {URI: "c"}, {}, {}}
	if r.Text != "" || r.Kind != thread.KindReply || r.From != "bob.eth" || r.To != "alice.eth" || r.Reference != nil || !slices.Equal(r.Attachments, want) {
		t.Errorf("%+v", r)
	}
	if string(r.JSON) != string(envelope.JSON) || r.Type != "REPLY" {
		t.Error("the raw record is not there")
	}
}

// TestRealConversation: ordinary chat stays as it is, message by message.
func TestRealConversation(t *testing.T) {
	lines, err := chat.Sample()
	if err != nil {
		t.Fatal(err)
	}
	generator := chat.NewGenerator("alice.eth", chat.ByRegular, nil)
	var records []thread.Record
	for _, line := range lines[:600] {
		envelope, _, err := container.ParseEnvelope(generator.Message(line).JSON)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, thread.Read(envelope))
	}
	folded := thread.Fold(records, "alice.eth")
	if len(folded) != len(records) {
		t.Fatalf("%d entries of %d messages", len(folded), len(records))
	}
	for i, f := range folded {
		if f.Why != thread.Counts || f.Record != f.Shown || f.Own != (f.Record.From == "alice.eth") || i > 0 && folded[i-1].Timestamp > f.Timestamp {
			t.Fatalf("entry %d: %+v", i, f.Entry)
		}
	}
}
