package chat

import (
	"strconv"
	"strings"
)

// contactSuffix makes a label a dm3 name of the form that dm3's own subdomains have.
const contactSuffix = ".user.dm3.eth"

// labelLimit keeps a whole name within the 59 characters that normalise by lowercasing alone
// (internal/docs/format.md part 2).
const labelLimit = 40

// directory gives every conversation a contact name of its own. The names depend on the order in which conversations come
// up. Not safe for concurrent use.
type directory struct {
	names map[string]string // conversation -> name
	used  map[string]int    // label -> how often it was wanted
}

func newDirectory() *directory {
	return &directory{names: map[string]string{}, used: map[string]int{}}
}

// name returns the contact name of a conversation, always the same one. It is normalised, and no other conversation's.
func (d *directory) name(place Place) string {
	if name, ok := d.names[place.Conversation]; ok {
		return name
	}
	name := d.unused(label(place.Nick)) + contactSuffix
	d.names[place.Conversation] = name
	return name
}

// unused returns the label itself the first time, and then label-2, label-3 and so on, leaving out what a nick is called.
func (d *directory) unused(label string) string {
	d.used[label]++
	if d.used[label] == 1 {
		return label
	}
	for {
		numbered := label + "-" + strconv.Itoa(d.used[label])
		if d.used[numbered] == 0 {
			d.used[numbered]++
			return numbered
		}
		d.used[label]++
	}
}

// label turns a nick into lowercase letters, digits and single inner hyphens, so that names made of it are normalised
// already. Different nicks can give one label.
func label(nick string) string {
	var text strings.Builder
	for _, r := range strings.ToLower(nick) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			text.WriteRune(r)
		case text.Len() > 0 && !strings.HasSuffix(text.String(), "-"):
			text.WriteByte('-')
		}
	}
	short := strings.TrimRight(text.String()[:min(text.Len(), labelLimit)], "-")
	if short == "" {
		return "nobody"
	}
	return short
}
