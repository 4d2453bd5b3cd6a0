package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Names of members, quoted as [container.Member] has them.
const (
	memberMessage = `"message"`
	// memberEdits is {"<number>-<digest>": container}, of our own word about a message: all
	// stay when devices meet, and the greatest name counts.
	memberEdits = `"edits"`
)

// LastEdit returns the container that an app put last in the place of another one where
// a join would have shown something else, with its number; ok is false without any. The
// text is canonical and holds the message of the envelope. [ToStorage] gives it, too.
func LastEdit(e container.Envelope) (text []byte, number int, ok bool) {
	edits, _ := Extra(e, memberEdits)
	members, err := container.Members(edits)
	if err != nil || len(members) == 0 {
		return nil, 0, false // no edits, or none that we wrote
	}
	last := slices.MaxFunc(members, func(a, b container.Member) int { return strings.Compare(a.Key, b.Key) })
	name, _, _ := strings.Cut(strings.Trim(last.Key, `"`), "-")
	if number, err = strconv.Atoi(name); err != nil {
		return nil, 0, false
	}
	envelope, err := container.Members(e.JSON)
	if err != nil {
		return nil, number, false
	}
	message, _ := take(&envelope, memberMessage)
	text, err = editEnvelop(last.JSON, func(members []container.Member) []container.Member {
		return set(members, container.Member{Key: memberMessage, JSON: message})
	})
	return text, number, err == nil
}

// AddEdit returns the envelope with text, a container as [ToStorage] gives it, as the edit
// of a number, which should be the next after that of [LastEdit]. Errors are those of
// [container.Members].
func AddEdit(e container.Envelope, text []byte, number int) (container.Envelope, error) {
	// Without the message, which the envelope has.
	value, err := editEnvelop(text, func(members []container.Member) []container.Member {
		take(&members, memberMessage)
		return members
	})
	if err != nil {
		return container.Envelope{}, err
	}
	digest := sha256.Sum256(value)
	name := fmt.Sprintf("%q", fmt.Sprintf("%08d-%s", number, hex.EncodeToString(digest[:8])))
	edits := container.AppendMembers(nil, []container.Member{{Key: name, JSON: value}})
	return WithExtra(e, container.Member{Key: memberEdits, JSON: edits})
}

// Extra returns a member of our own word about a message: of the member "dm3sync" of its
// envelope. name is quoted.
func Extra(e container.Envelope, name string) (value []byte, ok bool) {
	extra := extraOf(e)
	return take(&extra, name)
}

// WithExtra returns an envelope with a member set there. Errors are those of package
// container for an envelope that it did not make.
func WithExtra(e container.Envelope, member container.Member) (container.Envelope, error) {
	members, err := container.Members(e.JSON)
	if err != nil {
		return container.Envelope{}, fmt.Errorf("bridge: reading an envelope: %w", err)
	}
	extra := set(extraOf(e), member)
	members = set(members, container.Member{Key: memberExtra, JSON: container.AppendMembers(nil, extra)})
	changed, _, err := container.ParseEnvelope(container.AppendMembers(nil, members))
	return changed, err
}

// extraOf returns the members of our own word about a message.
func extraOf(e container.Envelope) []container.Member {
	members, err := container.Members(e.JSON)
	if err != nil {
		return nil
	}
	value, _ := take(&members, memberExtra)
	extra, err := container.Members(value)
	if err != nil {
		return nil
	}
	return extra
}

// editEnvelop changes the members of a container's "envelop".
func editEnvelop(text []byte, change func([]container.Member) []container.Member) ([]byte, error) {
	around, err := container.Members(text)
	if err != nil {
		return nil, fmt.Errorf("bridge: reading a container: %w", err)
	}
	value, _ := take(&around, memberEnvelope)
	inner, err := container.Members(value)
	if err != nil {
		return nil, fmt.Errorf("bridge: reading a container: %w", err)
	}
	return container.AppendMembers(nil, set(around, container.Member{Key: memberEnvelope, JSON: container.AppendMembers(nil, change(inner))})), nil
}

// set returns members with one of them replaced or added.
func set(members []container.Member, member container.Member) []container.Member {
	others := slices.DeleteFunc(slices.Clone(members), func(m container.Member) bool { return m.Key == member.Key })
	return append(others, member)
}
