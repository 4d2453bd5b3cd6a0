package container

import "strconv"

// StateRef describes one state without its content. First and Last span the
// timestamps (milliseconds) of its messages and tombstones; Items counts both;
// Size is the plaintext's length in bytes. Length is zero for a state that is
// an object of its own; else the state travels inside the head's Bodies at
// Offset. Tombstones counts those alone, and TombstoneFirst and TombstoneLast
// span them; all three are zero for a state without any.
type StateRef struct {
	Name                          string
	First, Last                   int64
	Items, Size                   int64
	Replaces                      []string
	Offset, Length                int64
	Tombstones                    int64
	TombstoneFirst, TombstoneLast int64
}

// Messages counts the messages of the state: its items without tombstones.
func (r *StateRef) Messages() int64 { return r.Items - r.Tombstones }

// Describe sets what a reference says about the items of a chunk: how many
// there are, and the spans of their timestamps.
func (r *StateRef) Describe(chunk *Chunk) {
	r.Items, r.Tombstones = int64(len(chunk.Messages)+len(chunk.Tombstones)), int64(len(chunk.Tombstones))
	r.First, r.Last, r.TombstoneFirst, r.TombstoneLast = 0, 0, 0, 0
	for i, tombstone := range chunk.Tombstones {
		if i == 0 || tombstone.Timestamp < r.TombstoneFirst {
			r.TombstoneFirst = tombstone.Timestamp
		}
		r.TombstoneLast = max(r.TombstoneLast, tombstone.Timestamp)
	}
	r.First, r.Last = r.TombstoneFirst, r.TombstoneLast
	for i := range chunk.Messages {
		if at := chunk.Messages[i].Timestamp; i == 0 && r.Tombstones == 0 || at < r.First {
			r.First = at
		}
		r.Last = max(r.Last, chunk.Messages[i].Timestamp)
	}
}

func appendRefs(dst []byte, refs []StateRef) []byte {
	dst = append(dst, '[')
	for i := range refs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = refs[i].append(dst)
	}
	return append(dst, ']')
}

// append writes a list of five elements, and of as many more as there is
// something to say with.
func (r *StateRef) append(dst []byte) []byte {
	dst = append(dst, '[')
	dst = appendString(dst, r.Name)
	dst = appendIntegers(dst, r.First, r.Last, r.Items, r.Size)
	if len(r.Replaces) > 0 || r.Length > 0 || r.Tombstones > 0 {
		dst = append(dst, ',')
		dst = appendNames(dst, r.Replaces)
	}
	if r.Length > 0 || r.Tombstones > 0 {
		dst = appendIntegers(dst, r.Offset, r.Length)
	}
	if r.Tombstones > 0 {
		dst = appendIntegers(dst, r.Tombstones, r.TombstoneFirst, r.TombstoneLast)
	}
	return append(dst, ']')
}

func appendIntegers(dst []byte, numbers ...int64) []byte {
	for _, number := range numbers {
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, number, 10)
	}
	return dst
}
