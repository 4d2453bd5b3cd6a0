package chat

import (
	"fmt"
	"hash/fnv"
	"slices"
)

// Place says where a line stands in the history of one account.
type Place struct {
	// Conversation names the conversation uniquely within its grouping; it is not a dm3 name.
	Conversation string
	// Nick is what the contact's dm3 name is made of. Several conversations may share one nick.
	Nick string
	// Sent is true where the account's owner is the sender.
	Sent bool
}

// Grouping sorts lines into the conversations of one account: it must be a pure function of the line.
type Grouping func(Line) Place

// ByPair makes each pair of people one conversation: the long tail, 22,808 conversations in the whole corpus. The owner
// plays the one of the two whose nick sorts first.
func ByPair(line Line) Place {
	owner, contact := sortedPair(line)
	return Place{Conversation: owner + "\x00" + contact, Nick: contact, Sent: line.From == owner}
}

// InHundred hashes the pairs into 100 conversations: an ordinary user, about 900 messages each in the whole corpus.
func InHundred(line Line) Place {
	owner, contact := sortedPair(line)
	hash := fnv.New32a()
	hash.Write([]byte(owner + "\x00" + contact)) // a hash never fails
	name := fmt.Sprintf("friend-%02d", hash.Sum32()%100)
	return Place{Conversation: name, Nick: name, Sent: line.From == owner}
}

// ByRegular makes each regular of the sample one conversation: the owner plays everybody whom the regular talks with. A
// line between two regulars belongs to the one that [Regulars] lists first; one without a regular to its sender.
func ByRegular(line Line) Place {
	for _, nick := range regulars {
		if line.From == nick || line.To == nick {
			return Place{Conversation: nick, Nick: nick, Sent: line.To == nick}
		}
	}
	return Place{Conversation: line.From, Nick: line.From}
}

// Regulars lists the twelve people of the sample, the busiest one first.
func Regulars() []string { return slices.Clone(regulars[:]) }

// regulars are the people with the most lines from May to October 2013, programs left out, who were there on four days or
// more.
var regulars = [...]string{
	"Dr_Willis", "wilee-nilee", "ikonia", "histo", "reisio", "ActionParsnip", "cfhowlett", "bekks", "jrib", "kostkon",
	"BluesKaj", "Ari-Yang",
}

// sortedPair returns the two nicks of a line, so that both directions give the same answer.
func sortedPair(line Line) (first, second string) {
	return min(line.From, line.To), max(line.From, line.To)
}
