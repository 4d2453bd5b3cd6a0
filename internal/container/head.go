package container

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// ErrHead marks a head whose bytes do not have the layout that the format page
// gives. The object is damaged or made by a program that breaks the format.
var ErrHead = errors.New("malformed head")

// Head is what one device says it wrote lately, and, when it absorbs other
// heads, what those said. The union of all live heads is the catalogue: every
// container in use with the names of its states, so that a device that holds
// nothing needs no other listing (format page, part "Heads").
type Head struct {
	Device      string   // random, drawn once for a cache; says nothing outside
	Incarnation string   // random, drawn at every start
	Sequence    int64    // counts the heads of an incarnation from 0
	Absorbed    []string // names of the heads that this one stands for
	Covers      []Cover  // which sequences this head speaks for
	Known       []Cover  // last sequence seen of other incarnations, From == To
	Void        []Cover  // sequences that were never confirmed, so that their absence means nothing
	Limit       int64    // chunk size limit of the account in bytes, 0 unknown
	Root        []StateRef
	Talks       []HeadConversation // by contact
	Bodies      []byte             // bodies of the inline states, back to back
}

// Cover is a closed interval of sequence numbers of one incarnation.
type Cover struct {
	Incarnation string
	From, To    int64
}

// HeadConversation names the states of one conversation and its chunks.
type HeadConversation struct {
	Contact string
	Hidden  int64 // how often it was hidden or shown again; odd says hidden
	States  []StateRef
	Chunks  []HeadChunk // by identifier
}

// HeadChunk names the states of one chunk.
type HeadChunk struct {
	Identifier ChunkIdentifier
	States     []StateRef
}

// HeadName is the object name, below the heads' key, of a head.
func HeadName(incarnation string, sequence int64) string {
	return incarnation + "-" + strconv.FormatInt(sequence, 10)
}

// ParseHeadName takes apart what HeadName made.
func ParseHeadName(name string) (incarnation string, sequence int64, ok bool) {
	incarnation, number, ok := strings.Cut(name, "-")
	sequence, err := strconv.ParseInt(number, 10, 64)
	ok = ok && err == nil && sequence >= 0 && HeadName(incarnation, sequence) == name
	return incarnation, sequence, ok
}

// Append appends the head's plaintext to dst: a big-endian u32 with the length
// of the directory, the directory as canonical JSON, then the bodies.
func (h *Head) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = h.appendDirectory(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return append(dst, h.Bodies...)
}

func (h *Head) appendDirectory(dst []byte) []byte {
	dst = append(dst, `{"absorbed":`...)
	dst = appendNames(dst, h.Absorbed)
	dst = append(dst, `,"conversations":[`...)
	for i := range h.Talks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = h.Talks[i].append(dst)
	}
	dst = append(dst, `],"covers":`...)
	dst = appendCovers(dst, h.Covers)
	dst = append(dst, `,"device":`...)
	dst = appendString(dst, h.Device)
	dst = append(dst, `,"incarnation":`...)
	dst = appendString(dst, h.Incarnation)
	dst = append(dst, `,"known":`...)
	dst = appendCovers(dst, h.Known)
	dst = append(dst, `,"limit":`...)
	dst = strconv.AppendInt(dst, h.Limit, 10)
	dst = append(dst, `,"root":`...)
	dst = appendRefs(dst, h.Root)
	dst = append(dst, `,"sequence":`...)
	dst = strconv.AppendInt(dst, h.Sequence, 10)
	if len(h.Void) > 0 {
		dst = append(dst, `,"void":`...)
		dst = appendCovers(dst, h.Void)
	}
	return append(dst, '}')
}

func (c *HeadConversation) append(dst []byte) []byte {
	dst = append(dst, `{"chunks":[`...)
	for i, chunk := range c.Chunks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = strconv.AppendInt(dst, chunk.Identifier.ID, 10)
		dst = append(dst, `,"states":`...)
		dst = appendRefs(dst, chunk.States)
		dst = append(dst, `,"timestamp":`...)
		dst = strconv.AppendInt(dst, chunk.Identifier.Timestamp, 10)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"contact":`...)
	dst = appendString(dst, c.Contact)
	if c.Hidden > 0 {
		dst = append(dst, `,"hidden":`...)
		dst = strconv.AppendInt(dst, c.Hidden, 10)
	}
	dst = append(dst, `,"states":`...)
	dst = appendRefs(dst, c.States)
	return append(dst, '}')
}

func appendCovers(dst []byte, covers []Cover) []byte {
	dst = append(dst, '[')
	for i, cover := range covers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendString(dst, cover.Incarnation)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, cover.From, 10)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, cover.To, 10)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

func appendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	return append(dst, ']')
}

// States yields every state that the head names, of the root, of
// conversations and of chunks, in that order within each conversation. The
// yielded pointer may be used to change the reference.
func (h *Head) States() func(yield func(*StateRef) bool) {
	return func(yield func(*StateRef) bool) {
		for i := range h.Root {
			if !yield(&h.Root[i]) {
				return
			}
		}
		for t := range h.Talks {
			for i := range h.Talks[t].States {
				if !yield(&h.Talks[t].States[i]) {
					return
				}
			}
			for c := range h.Talks[t].Chunks {
				for i := range h.Talks[t].Chunks[c].States {
					if !yield(&h.Talks[t].Chunks[c].States[i]) {
						return
					}
				}
			}
		}
	}
}

// Body returns the bytes of an inline state. It aliases Bodies.
func (h *Head) Body(ref *StateRef) []byte { return h.Bodies[ref.Offset : ref.Offset+ref.Length] }

// JoinCovers unites intervals of sequence numbers: sorted by incarnation,
// overlapping and adjacent ones as one. The arguments stay as they are.
func JoinCovers(lists ...[]Cover) []Cover {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b Cover) int {
		return cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.From, b.From))
	})
	var out []Cover
	for _, cover := range all {
		last := len(out) - 1
		if last >= 0 && out[last].Incarnation == cover.Incarnation && cover.From <= out[last].To+1 {
			out[last].To = max(out[last].To, cover.To)
			continue
		}
		out = append(out, cover)
	}
	return out
}
