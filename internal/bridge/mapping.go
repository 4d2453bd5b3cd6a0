package bridge

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Names of members, quoted as [container.Member] has them.
const (
	memberEnvelope  = `"envelop"` // sic
	memberExtra     = `"dm3sync"` // ours, in an envelope of the tree
	memberContainer = `"container"`
	memberState     = `"messageState"`
	memberReactions = `"reactions"`
	memberSource    = `"source"`
)

// FromStorage turns what an app stores, {messageState, envelop, …}, into an envelope
// of the tree: the members of "envelop", and in its member "dm3sync" under
// "container" all others. Should "envelop" have a member "dm3sync" itself, it goes to
// container.envelop: what is under "dm3sync" is only ever our own word. Errors match
// [ErrRecord].
func FromStorage(text []byte) (container.Envelope, container.Parties, error) {
	around, err := container.Members(text)
	if err != nil {
		return container.Envelope{}, container.Parties{}, fmt.Errorf("bridge: reading a record: %w: %w", ErrRecord, err)
	}
	inner, _ := take(&around, memberEnvelope)
	envelope, err := container.Members(inner)
	if err != nil {
		return container.Envelope{}, container.Parties{}, fmt.Errorf("bridge: reading a record's envelope: %w: %w", ErrRecord, err)
	}
	return Wrap(envelope, around)
}

// Wrap makes an envelope of the tree from the members of an envelope and of what an
// app keeps around it. What [ToStorage] puts around an envelope that has nothing around
// it is left out again, so that a message that went to a node comes back as it was.
// Errors match [ErrRecord].
func Wrap(envelope, around []container.Member) (container.Envelope, container.Parties, error) {
	envelope, around = slices.Clone(envelope), slices.Clone(around)
	if foreign, ok := take(&envelope, memberExtra); ok {
		hidden := container.AppendMembers(nil, []container.Member{{Key: memberExtra, JSON: foreign}})
		around = append(around, container.Member{Key: memberEnvelope, JSON: hidden})
	}
	if text := container.AppendMembers(nil, around); !bytes.Equal(text, container.AppendMembers(nil, defaults())) {
		extra := []container.Member{{Key: memberContainer, JSON: text}}
		envelope = append(envelope, container.Member{Key: memberExtra, JSON: container.AppendMembers(nil, extra)})
	}
	parsed, parties, err := container.ParseEnvelope(container.AppendMembers(nil, envelope))
	if err != nil {
		return container.Envelope{}, container.Parties{}, fmt.Errorf("bridge: reading a record's message: %w: %w", ErrRecord, err)
	}
	return parsed, parties, nil
}

// ToStorage undoes [FromStorage]: the canonical text that an app would have stored.
// An envelope that never was in an app's storage becomes a message that was sent,
// without reactions. Where an app put another container in the place of the first, that
// is given. What dm3sync noted about the message stays here. Errors are those of
// [container.Members] for an envelope that package container did not make.
func ToStorage(e container.Envelope) ([]byte, error) {
	if text, _, ok := LastEdit(e); ok {
		return text, nil
	}
	envelope, err := container.Members(e.JSON)
	if err != nil {
		return nil, fmt.Errorf("bridge: reading an envelope: %w", err)
	}
	around := defaults()
	if kept, ok := objectIn(&envelope); ok {
		around = kept
	}
	if hidden, ok := take(&around, memberEnvelope); ok {
		if members, err := container.Members(hidden); err == nil {
			envelope = append(envelope, members...)
		}
	}
	around = append(around, container.Member{Key: memberEnvelope, JSON: container.AppendMembers(nil, envelope)})
	return container.AppendMembers(nil, around), nil
}

// Around returns the members that an app keeps around a received message at first:
// it was sent, nobody reacted, and it came from a delivery service.
func Around() []container.Member {
	return []container.Member{
		{Key: memberState, JSON: []byte("2")},
		{Key: memberReactions, JSON: []byte("[]")},
		{Key: memberSource, JSON: []byte("2")},
	}
}

// defaults are the members around a message of which only the envelope is known. The
// source is "storage", which apps set as they read it anyway.
func defaults() []container.Member {
	members := Around()
	members[2].JSON = []byte("1")
	return members
}

// objectIn takes the extra member out of an envelope and returns the members of its
// container, if it has one.
func objectIn(envelope *[]container.Member) (around []container.Member, ok bool) {
	value, _ := take(envelope, memberExtra)
	extra, err := container.Members(value)
	if err != nil {
		return nil, false
	}
	kept, _ := take(&extra, memberContainer)
	around, err = container.Members(kept)
	return around, err == nil
}

// take removes the member of the given name from a list.
func take(members *[]container.Member, name string) (value []byte, ok bool) {
	at := slices.IndexFunc(*members, func(m container.Member) bool { return m.Key == name })
	if at < 0 {
		return nil, false
	}
	value = (*members)[at].JSON
	*members = slices.Delete(slices.Clone(*members), at, at+1)
	return value, true
}
