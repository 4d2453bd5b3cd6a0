package container

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// headJSON mirrors the directory for decoding.
type headJSON struct {
	Absorbed      []string           `json:"absorbed"`
	Conversations []conversationJSON `json:"conversations"`
	Covers        []coverJSON        `json:"covers"`
	Device        string             `json:"device"`
	Incarnation   string             `json:"incarnation"`
	Known         []coverJSON        `json:"known"`
	Void          []coverJSON        `json:"void"`
	Limit         int64              `json:"limit"`
	Root          []refJSON          `json:"root"`
	Sequence      int64              `json:"sequence"`
}

type conversationJSON struct {
	Chunks []struct {
		ID        int64     `json:"id"`
		States    []refJSON `json:"states"`
		Timestamp int64     `json:"timestamp"`
	} `json:"chunks"`
	Contact string    `json:"contact"`
	Hidden  int64     `json:"hidden"`
	States  []refJSON `json:"states"`
}

type coverJSON Cover

// UnmarshalJSON reads ["incarnation", from, to].
func (c *coverJSON) UnmarshalJSON(text []byte) error {
	fields := [3]any{&c.Incarnation, &c.From, &c.To}
	list := fields[:]
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if len(list) != 3 || c.From < 0 || c.To < c.From || c.To > MaxInteger {
		return fmt.Errorf("%w: cover", ErrHead)
	}
	return nil
}

// decodeHeadWithJSON is how heads were decoded until this package did it itself.
func decodeHeadWithJSON(plaintext []byte) (*Head, error) {
	if len(plaintext) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", ErrHead, len(plaintext))
	}
	length := int64(binary.BigEndian.Uint32(plaintext))
	if length > int64(len(plaintext))-4 {
		return nil, fmt.Errorf("%w: directory of %d bytes in %d", ErrHead, length, len(plaintext))
	}
	var raw headJSON
	if err := json.Unmarshal(plaintext[4:4+length], &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHead, err)
	}
	head := &Head{
		Device: raw.Device, Incarnation: raw.Incarnation, Sequence: raw.Sequence, Limit: raw.Limit,
		Absorbed: raw.Absorbed, Covers: covers(raw.Covers), Known: covers(raw.Known), Void: covers(raw.Void),
		Root: refs(raw.Root), Bodies: plaintext[4+length:],
	}
	for _, conversation := range raw.Conversations {
		head.Talks = append(head.Talks, conversation.plain())
	}
	if err := checkWithJSON(head); err != nil {
		return nil, err
	}
	return head, nil
}

func (c *conversationJSON) plain() HeadConversation {
	talk := HeadConversation{Contact: c.Contact, Hidden: c.Hidden, States: refs(c.States)}
	for _, chunk := range c.Chunks {
		talk.Chunks = append(talk.Chunks, HeadChunk{
			Identifier: ChunkIdentifier{ID: chunk.ID, Timestamp: chunk.Timestamp},
			States:     refs(chunk.States),
		})
	}
	return talk
}

func covers(list []coverJSON) []Cover {
	var out []Cover
	for _, cover := range list {
		out = append(out, Cover(cover))
	}
	return out
}

func checkWithJSON(h *Head) error {
	if h.Device == "" || h.Incarnation == "" || !isInteger(h.Sequence) || !isInteger(h.Limit) {
		return fmt.Errorf("%w: names no writer", ErrHead)
	}
	for i := range h.Talks {
		if !isInteger(h.Talks[i].Hidden) {
			return fmt.Errorf("%w: hidden", ErrHead)
		}
		for _, chunk := range h.Talks[i].Chunks {
			if !isInteger(chunk.Identifier.ID) || !isInteger(chunk.Identifier.Timestamp) {
				return fmt.Errorf("%w: chunk identifier", ErrHead)
			}
		}
	}
	for ref := range h.States() {
		if ref.Offset+ref.Length > int64(len(h.Bodies)) {
			return fmt.Errorf("%w: inline state outside the bodies", ErrHead)
		}
	}
	return nil
}

// isInteger tells whether a number is one that a head may hold: JavaScript holds
// larger ones inexactly, and canonical text writes them otherwise.
func isInteger(n int64) bool { return 0 <= n && n <= MaxInteger }

// refJSON is a StateRef as the directory writes it.
type refJSON StateRef

// UnmarshalJSON reads ["name", first, last, items, size, [replaces], offset,
// length, tombstones, first of them, last of them].
func (r *refJSON) UnmarshalJSON(text []byte) error {
	fields := [11]any{&r.Name, &r.First, &r.Last, &r.Items, &r.Size, &r.Replaces, &r.Offset, &r.Length,
		&r.Tombstones, &r.TombstoneFirst, &r.TombstoneLast}
	list := fields[:]
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	least := min(r.First, r.Items, r.Size, r.Offset, r.Length, r.Tombstones, r.TombstoneFirst)
	most := max(r.Last, r.Items, r.Size, r.Offset, r.Length, r.TombstoneLast)
	if len(list) < 5 || r.Name == "" || least < 0 || most > MaxInteger || r.Last < r.First ||
		r.TombstoneLast < r.TombstoneFirst || r.Tombstones > r.Items {
		return fmt.Errorf("%w: state", ErrHead)
	}
	if r.Tombstones == 0 {
		r.TombstoneFirst, r.TombstoneLast = 0, 0
	}
	return nil
}

func refs(list []refJSON) []StateRef {
	var out []StateRef
	for _, ref := range list {
		out = append(out, StateRef(ref))
	}
	return out
}

// knownMembers are those of a head, of a conversation and of a chunk.
var knownMembers = []string{"absorbed", "conversations", "covers", "device", "incarnation", "known", "limit", "root", "sequence", "void",
	"chunks", "contact", "hidden", "states", "id", "timestamp"}

// minusZero finds the one number that only Go's decoder takes for an integer of
// 0 and more. It finds it in texts too, which does no harm here.
var minusZero = regexp.MustCompile(`-0`)

// harmless finds escapes of whole characters beyond U+FFFF, and two-byte ones.
var harmless = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|[^u])`)

// readsOtherwise tells whether a directory has what the two decoders are meant
// to differ in, and no program of ours ever wrote: wrong UTF-8 and half
// characters (Go's puts U+FFFD there), more than 512 levels, minus zero, two
// members of one name (Go's mixes both), names of members in other case (Go's
// takes them for ours).
func readsOtherwise(directory []byte) bool {
	if !utf8.Valid(directory) || halves.Match(harmless.ReplaceAll(directory, nil)) || minusZero.Match(directory) ||
		bytes.Count(directory, []byte("["))+bytes.Count(directory, []byte("{")) > maxDepth {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(directory))
	decoder.UseNumber()
	other, err := otherMembers(decoder)
	return err == nil && other
}

// otherMembers reads one value and tells whether an object within has two
// members of one name or one whose name differs from ours in case alone.
func otherMembers(decoder *json.Decoder) (other bool, err error) {
	token, err := decoder.Token()
	opening, ok := token.(json.Delim)
	if err != nil || !ok {
		return false, err
	}
	seen := map[string]bool{}
	for decoder.More() {
		if opening == '{' {
			token, err := decoder.Token()
			if err != nil {
				return false, err
			}
			name := token.(string)
			for _, known := range knownMembers {
				other = other || name != known && strings.EqualFold(name, known)
			}
			other = other || seen[name]
			seen[name] = true
		}
		within, err := otherMembers(decoder)
		if err != nil {
			return false, err
		}
		other = other || within
	}
	_, err = decoder.Token()
	return other, err
}

// agree compares the two decoders on one plaintext.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
}, plaintext []byte) (accepted, compared bool) {
	t.Helper()
	got, err := DecodeHead(plaintext)
	want, wantErr := decodeHeadWithJSON(plaintext)
	if err != nil && (got != nil || !errors.Is(err, ErrHead) || errors.Is(err, ErrSyntax) || errors.Is(err, ErrField)) {
		t.Fatalf("%q: %+v, %v", plaintext, got, err)
	}
	if len(plaintext) >= 4 {
		end := min(int64(len(plaintext)), 4+int64(binary.BigEndian.Uint32(plaintext)))
		if readsOtherwise(plaintext[4:end]) {
			return err == nil, false
		}
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, encoding/json %v", plaintext, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(withoutEmpty(got), withoutEmpty(want)) {
		t.Fatalf("%q: %+v, encoding/json %+v", plaintext, got, want)
	}
	return err == nil, true
}

// withoutEmpty is tidy without what encoding loses: offsets stay.
func withoutEmpty(h *Head) *Head {
	offsets := []int64{}
	for ref := range h.States() {
		offsets = append(offsets, ref.Offset)
	}
	for ref := range tidy(h).States() {
		ref.Offset, offsets = offsets[0], offsets[1:]
	}
	return h
}

// TestDecodersAgree: the directories of the other tests, and what encoding/json
// reads in its own way but could have been written by a patient person.
func TestDecodersAgree(t *testing.T) {
	for _, c := range headDirectories {
		accepted, _ := agree(t, framed(c.directory))
		equal(t, c.name, accepted, c.ok)
	}
	for _, c := range []struct {
		directory string
		ok        bool
	}{
		{with(`"sequence":null,"limit":null,"absorbed":null,"known":null`), true},
		{with(`"absorbed":["z",null,"a","z"]`), true},
		{with(`"conversations":[null,{}]`), true},
		{with(`"conversations":[{"contact":null,"hidden":null,"states":null,"chunks":[null,{},{"id":null,"timestamp":null,"states":null}]}]`), true},
		{with(`"conversations":[[]]`), false},
		{with(`"conversations":{}`), false},
		{with(`"conversations":[{"chunks":[7]}]`), false},
		{with(`"covers":[[null,null,null]]`), true},
		{with(`"covers":[["a",null,-1]]`), false},
		{with(`"covers":[["a",0,1,null]]`), false},
		{with(`"root":[["a",null,null,null,null,null,null,null,null,null,null,null]]`), true},
		{with(`"root":[[null,1,2,3,4]]`), false},
		{with(`"root":[["a",1,2,3,4,["z",null,"a","z"],2,1]]`), true},
		{with(`"root":[["a",1,2,3,4,{}]]`), false},
		{with(`"root":[["a",1,2,3,4,[],0,3,0,0,0,{"x":[1e9,[]]},-1.5]]`), true},
		{with(`"root":[["\u00fc\/\ud83d\ude00\n\"",1,2,3,4]]`), true},
		{with(`"sequ\u0065nce":5`), true},
		{with(`"later":1e999,"x":"\ud83d\ude00"`), true},
		{with(`"sequence":1e3`), false},
		{with(`"sequence":1.0`), false},
		{with(`"sequence":01`), false},
		{with(`"sequence":00`), false},
		{with(`"sequence":+1`), false},
		{with(`"sequence":"1"`), false},
		{with(`"sequence":1x`), false},
		{with(`"sequence":`), false},
		{with(`"sequence":nul`), false},
		{with(`"sequence":nulll`), false},
		{with(`"root":[["a",1,2,3,4],]`), false},
		{`{"device":"d","incarnation":"i"`, false},
		{`{"device":"d","incarnation":"i",}`, false},
		{"\ufeff" + `{"device":"d","incarnation":"i"}`, false},
		{"\r\n\t" + `{"device":"d","incarnation":"i"}` + "\r\n\t ", true},
	} {
		accepted, compared := agree(t, framed(c.directory))
		if accepted != c.ok || !compared {
			t.Errorf("%s: accepted %v, compared %v", c.directory, accepted, compared)
		}
	}
}

// TestDecodersDiffer: what the two are meant to differ in.
func TestDecodersDiffer(t *testing.T) {
	for _, c := range []struct {
		name, directory  string
		before, accepted bool
	}{
		{"not UTF-8", with(`"x":"` + "\xff" + `"`), true, false},
		{"half a character in a name", with(`"absorbed":["\ud83d"]`), true, false},
		{"half a character elsewhere", with(`"x":"\ud83d"`), true, true},
		{"600 levels", with(`"x":` + strings.Repeat("[", 600) + strings.Repeat("]", 600)), true, false},
		{"minus zero", with(`"sequence":-0`), true, false},
		{"a first double out of range", with(`"sequence":-1,"sequence":1`), true, false},
		{"a last double that is null", with(`"device":null`), true, false},
		{"another case", with(`"Sequence":-1`), false, true},
	} {
		_, before := decodeHeadWithJSON(framed(c.directory))
		_, err := DecodeHead(framed(c.directory))
		if (before == nil) != c.before || (err == nil) != c.accepted {
			t.Errorf("%s: %v, encoding/json %v", c.name, err, before)
		}
	}
	head, err := DecodeHead(framed(with(`"root":[["a",1,2,3,4,["b"]],["c",1,2,3,4]],"root":[["d",1,2,3,4]]`)))
	if err != nil || len(head.Root) != 1 || !reflect.DeepEqual(head.Root[0], StateRef{Name: "d", First: 1, Last: 2, Items: 3, Size: 4}) {
		t.Errorf("of doubles the last counts: %+v, %v", head, err)
	}
}

// TestDecodersAgreeOnChanges draws heads and changes some bytes of them, most
// often to those that mean something in JSON.
func TestDecodersAgreeOnChanges(t *testing.T) {
	const meaningful = `[]{},:"\ 0123456789-+.eEnulltruefalseidDI`
	var accepted, compared, all int
	rapid.Check(t, func(t *rapid.T) {
		plaintext := drawHead(t).Append(nil)
		if ok, _ := agree(t, plaintext); !ok {
			t.Fatalf("%q is refused", plaintext)
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range 50 {
			changed := mutate(random, plaintext, meaningful)
			ok, same := agree(t, changed)
			all++
			if ok {
				accepted++
			}
			if same {
				compared++
			}
		}
	})
	if accepted*50 < all || compared*2 < all || accepted == all {
		t.Errorf("of %d changed heads %d were compared, %d accepted", all, compared, accepted)
	}
	t.Logf("of %d changed heads %d were compared, %d accepted", all, compared, accepted)
}

// mutate changes, removes, adds or repeats one to three bytes or runs of the directory.
func mutate(random *rand.Rand, plaintext []byte, meaningful string) []byte {
	length := int(binary.BigEndian.Uint32(plaintext))
	directory, bodies := bytes.Clone(plaintext[4:4+length]), plaintext[4+length:]
	for range 1 + random.IntN(3) {
		at := random.IntN(len(directory))
		to := min(len(directory), at+1+random.IntN(6))
		put := []byte{meaningful[random.IntN(len(meaningful))]}
		switch random.IntN(6) {
		case 0:
			to = at
		case 1:
			put = nil
		case 2:
			put = []byte{byte(random.Uint32())}
		case 3:
			put = append(bytes.Clone(directory[at:to]), directory[at:to]...)
		case 4:
			to, put = at+1, []byte("null")
		}
		directory = append(append(bytes.Clone(directory[:at]), put...), directory[to:]...)
		if len(directory) == 0 {
			directory = []byte("{}")
		}
	}
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(directory))), directory...), bodies...)
}

// FuzzDecodersAgree compares the two on anything.
func FuzzDecodersAgree(f *testing.F) {
	for _, plaintext := range loadHeads(f) {
		f.Add(plaintext)
	}
	for _, c := range headDirectories {
		f.Add(framed(c.directory))
	}
	f.Fuzz(func(t *testing.T, plaintext []byte) { agree(t, plaintext) })
}

// BenchmarkDecodeHead decodes the head of a device with 200 conversations as it
// is done and, to compare with, as it was done with encoding/json.
func BenchmarkDecodeHead(b *testing.B) {
	head := fullHead()
	for i := range 200 {
		talk := HeadConversation{Contact: fmt.Sprintf("0x%040x.addr.dm3.eth", i), States: []StateRef{{Name: fmt.Sprintf("%024d", i), Size: 60}}}
		for j := range int64(3) {
			talk.Chunks = append(talk.Chunks, HeadChunk{Identifier: ChunkIdentifier{ID: j, Timestamp: 1_700_000_000_000 + j}, States: []StateRef{{
				Name: fmt.Sprintf("%024d", 1000+int64(i)*3+j), First: 1_700_000_000_000, Last: 1_700_000_000_999, Items: 500, Size: 450_000,
				Replaces: []string{fmt.Sprintf("%024d", 9000+i)},
			}}})
		}
		head.Talks = append(head.Talks, talk)
	}
	plaintext := head.Append(nil)
	for _, bench := range []struct {
		name   string
		decode func([]byte) (*Head, error)
	}{{"scanner", DecodeHead}, {"encoding-json", decodeHeadWithJSON}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(plaintext)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.decode(plaintext); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
