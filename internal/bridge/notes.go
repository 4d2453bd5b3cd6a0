package bridge

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dm3sync/dm3sync/internal/container"
)

// Names of members of our word about a message, quoted.
const (
	memberSignatures = `"signatures"`
	memberPostmarks  = `"postmarks"`
	memberDoubts     = `"doubts"`
	memberHalted     = `"halted"`
	memberRaw        = `"postmark"`
)

// Doubts about a message that no signature settles.
const (
	// DoubtSender: the delivery service had it from another name than the message gives.
	DoubtSender = "sender"
	// DoubtReceiver: neither side of the message is a name of the account.
	DoubtReceiver = "receiver"
	// DoubtHash: whoever stored or sent it gave another hash than the message has.
	DoubtHash = "hash"
	// DoubtPostmark: its postmark is of another message, or can't be read.
	DoubtPostmark = "postmark"
)

// Notes are what was found out about a message when it came from a node. They stand in
// the member "dm3sync" of its envelope, which the join of envelopes only adds to: each
// is a fact that every device finds alike (see internal/docs/decisions/0022-word-on-signatures.md).
type Notes struct {
	// Signatures says of each signing key that was said to be the sender's, in base64,
	// whether the message's signature is that key's.
	Signatures map[string]Check
	// Postmarks says the same of the postmark and keys of delivery services.
	Postmarks map[string]Check
	// Doubts are the constants above.
	Doubts []string
	// Halted says that the app keeps an own message that was not delivered; nil is not
	// known, as for the messages of others.
	Halted *bool
	// RawPostmark is a postmark that could not be read, as it came.
	RawPostmark string
}

// Check is the outcome of one check of a signature with one key.
type Check struct {
	Valid bool `json:"valid"`
	// Proved says that the owner of the sender's address signed for the key; else a
	// node's word is all there is for it.
	Proved bool `json:"proved,omitempty"`
}

// Verdict is what notes come to.
type Verdict int

// The verdicts.
const (
	// Unknown: no key of the sender was known.
	Unknown Verdict = iota
	// Genuine: a key of the sender's made the signature.
	Genuine
	// Forged: keys of the sender were known, and none of them made the signature.
	Forged
)

// String returns the verdict as a word.
func (v Verdict) String() string { return [...]string{"unknown", "genuine", "forged"}[v] }

// Verdict returns what the signatures come to. Where the owner of an address proved a
// key, keys that a node only told don't count.
func (n Notes) Verdict() Verdict {
	proved := false
	for _, check := range n.Signatures {
		proved = proved || check.Proved
	}
	verdict := Unknown
	for _, check := range n.Signatures {
		switch {
		case proved && !check.Proved:
		case check.Valid:
			return Genuine
		default:
			verdict = Forged
		}
	}
	return verdict
}

// ReadNotes returns the notes of an envelope; what is not understood is left out.
func ReadNotes(e container.Envelope) Notes {
	var document struct {
		Extra struct {
			Signatures map[string]Check `json:"signatures"`
			Postmarks  map[string]Check `json:"postmarks"`
			Doubts     map[string]bool  `json:"doubts"`
			Halted     *bool            `json:"halted"`
			Raw        string           `json:"postmark"`
		} `json:"dm3sync"`
	}
	if json.Unmarshal(e.JSON, &document) != nil {
		return Notes{}
	}
	extra := document.Extra
	notes := Notes{Signatures: extra.Signatures, Postmarks: extra.Postmarks, Halted: extra.Halted, RawPostmark: extra.Raw}
	for doubt, there := range extra.Doubts {
		if there {
			notes.Doubts = append(notes.Doubts, doubt)
		}
	}
	slices.Sort(notes.Doubts)
	return notes
}

// Annotate returns the envelope with the notes in place of those that it has; what else
// stands beside them stays. Errors are those of [container.Members] for an
// envelope that package container did not make.
func Annotate(e container.Envelope, notes Notes) (container.Envelope, error) {
	envelope, err := container.Members(e.JSON)
	if err != nil {
		return container.Envelope{}, fmt.Errorf("bridge: noting: %w", err)
	}
	var extra []container.Member
	if value, ok := take(&envelope, memberExtra); ok {
		if extra, err = container.Members(value); err != nil {
			extra = nil // no object: nothing of ours
		}
	}
	for _, name := range []string{memberSignatures, memberPostmarks, memberDoubts, memberHalted, memberRaw} {
		take(&extra, name)
	}
	extra = append(extra, notes.members()...)
	if len(extra) > 0 {
		envelope = append(envelope, container.Member{Key: memberExtra, JSON: container.AppendMembers(nil, extra)})
	}
	e.JSON = container.AppendMembers(nil, envelope)
	return e, nil
}

// members are the notes as they are written; what is empty is left out.
func (n Notes) members() (members []container.Member) {
	add := func(name string, value any) {
		text, err := json.Marshal(value)
		if err == nil {
			text, err = container.Canonical(nil, text)
		}
		if err == nil { // maps of texts and booleans can always be written
			members = append(members, container.Member{Key: name, JSON: text})
		}
	}
	if len(n.Signatures) > 0 {
		add(memberSignatures, n.Signatures)
	}
	if len(n.Postmarks) > 0 {
		add(memberPostmarks, n.Postmarks)
	}
	if len(n.Doubts) > 0 {
		doubts := make(map[string]bool)
		for _, doubt := range n.Doubts {
			doubts[doubt] = true
		}
		add(memberDoubts, doubts)
	}
	if n.Halted != nil {
		add(memberHalted, *n.Halted)
	}
	if n.RawPostmark != "" {
		add(memberRaw, n.RawPostmark)
	}
	return members
}

// noted tells whether an envelope carries anything of ours.
func noted(e container.Envelope) bool {
	members, err := container.Members(e.JSON)
	if err != nil {
		return false
	}
	_, ok := take(&members, memberExtra)
	return ok
}
