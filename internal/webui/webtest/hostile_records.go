package webtest

import (
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
)

// HostileRecords is a conversation in which everything that a message can say is hostile: its text, names, types, attachments
// and what others did to it.
func HostileRecords(t testing.TB, contact, own string) []container.Envelope {
	t.Helper()
	var list []Told
	say := func(told Told) int {
		told.At = int64(1_700_000_000_000 + len(list)*90_000)
		told.Text = strings.ToValidUTF8(told.Text, "\ufffd")
		list = append(list, told)
		return len(list) - 1
	}
	for i, text := range Hostile() {
		from := contact
		if i%4 == 3 {
			from = own
		}
		first := say(Told{From: from, Kind: "NEW", Text: text, About: -1, Attachments: []map[string]string{
			{"name": strings.ToValidUTF8(text, ""), "data": "data:text/html,<script>window.hacked=1</script>"}, {"name": "x.svg", "data": `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1"/>`},
			{"name": "far", "data": "javascript:window.hacked=1"}, {"name": "far.png", "data": "https://evil.example/far.png"},
		}})
		say(Told{From: contact, Kind: "REACTION", Text: text, About: first})
		say(Told{From: strings.ToValidUTF8(text, "") + ".eth", Kind: "REPLY", Text: text, About: first})
		say(Told{From: from, Kind: "EDIT", Text: text + " ", About: first})
		say(Told{From: contact, Kind: strings.ToValidUTF8(text, ""), Text: text, About: -1})
	}
	return Envelopes(t, list...)
}
