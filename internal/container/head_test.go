package container

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// fullHead uses every field; testdata/head.json freezes its bytes.
func fullHead() *Head {
	return &Head{
		Device: "device", Incarnation: "3fGq", Sequence: 7, Limit: 500_000,
		Absorbed: []string{"3fGq-6", "Zz-0"},
		Covers:   []Cover{{"3fGq", 6, 7}, {"Zz", 0, 0}},
		Known:    []Cover{{"other", 12, 12}},
		Root:     []StateRef{{Name: "r", Size: 30}, {Name: "s", Size: 31, Replaces: []string{"p", "q"}}},
		Talks: []HeadConversation{
			{Contact: "bob.eth", States: []StateRef{{Name: "c", Size: 40, Offset: 0, Length: 6}}, Chunks: []HeadChunk{
				{Identifier: ChunkIdentifier{ID: 0, Timestamp: 1_700_000_000_000}, States: []StateRef{
					{Name: "m", First: 1_700_000_000_000, Last: 1_700_000_000_009, Items: 2, Size: 1700},
					{Name: "n", First: 0, Last: MaxInteger, Items: 1, Size: 850, Replaces: []string{"l"}, Offset: 6, Length: 8},
				}},
				{Identifier: ChunkIdentifier{ID: MaxInteger, Timestamp: MaxInteger}},
			}},
			{Contact: "ü\"\\\n\u2028\U0001f600.eth"},
		},
		Bodies: []byte("\x00{...}\x00\x01zstd.."),
	}
}

type headVector struct{ Name, Plaintext string }

func loadHeads(t testing.TB) map[string][]byte {
	t.Helper()
	var table []headVector
	loadTable(t, "head.json", &table)
	heads := make(map[string][]byte)
	for _, vector := range table {
		plaintext, err := hex.DecodeString(vector.Plaintext)
		if err != nil {
			t.Fatal(err)
		}
		heads[vector.Name] = plaintext
	}
	return heads
}

// TestFrozenHeads: what is written today is what was written at first, and it
// reads as what it was made of.
func TestFrozenHeads(t *testing.T) {
	frozen := loadHeads(t)
	for name, head := range map[string]*Head{"every field": fullHead(), "smallest": {Device: "d", Incarnation: "i"},
		"void numbers": {Device: "d", Incarnation: "i", Sequence: 9, Covers: []Cover{{"i", 9, 9}}, Void: []Cover{{"i", 3, 4}, {"j", 0, 0}}}} {
		equal(t, name, hex.EncodeToString(head.Append(nil)), hex.EncodeToString(frozen[name]))
		decoded, err := DecodeHead(frozen[name])
		if err != nil || !reflect.DeepEqual(tidy(decoded), tidy(head)) {
			t.Errorf("%s: %+v, %v", name, decoded, err)
		}
	}
	equal(t, "vectors", len(frozen), 3)
}

// tidy takes away what encoding does not keep: the difference between an empty
// list and none, and the offset of a state that has no body.
func tidy(h *Head) *Head {
	h.Absorbed, h.Covers, h.Known, h.Void = some(h.Absorbed), some(h.Covers), some(h.Known), some(h.Void)
	h.Root, h.Talks, h.Bodies = some(h.Root), some(h.Talks), some(h.Bodies)
	for i := range h.Talks {
		talk := &h.Talks[i]
		talk.States, talk.Chunks = some(talk.States), some(talk.Chunks)
		for j := range talk.Chunks {
			talk.Chunks[j].States = some(talk.Chunks[j].States)
		}
	}
	for ref := range h.States() {
		if ref.Replaces = some(ref.Replaces); ref.Length == 0 {
			ref.Offset = 0
		}
	}
	return h
}

func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func drawHead(t *rapid.T) *Head {
	number := rapid.Int64Range(0, MaxInteger)
	names := rapid.SliceOfN(rapid.String(), 0, 3)
	head := &Head{
		Device: rapid.StringN(1, 8, -1).Draw(t, "device"), Incarnation: rapid.StringN(1, 8, -1).Draw(t, "incarnation"),
		Sequence: number.Draw(t, "sequence"), Limit: number.Draw(t, "limit"), Absorbed: names.Draw(t, "absorbed"),
		Covers: rapid.SliceOfN(rapid.Custom(drawCover), 0, 3).Draw(t, "covers"),
		Known:  rapid.SliceOfN(rapid.Custom(drawCover), 0, 3).Draw(t, "known"),
		Bodies: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bodies"),
	}
	ref := rapid.Custom(func(t *rapid.T) StateRef {
		ref := StateRef{Name: rapid.StringN(1, 8, -1).Draw(t, "name"), Items: number.Draw(t, "items"), Size: number.Draw(t, "size"), Replaces: names.Draw(t, "replaces")}
		ref.First = number.Draw(t, "first")
		ref.Last = rapid.Int64Range(ref.First, MaxInteger).Draw(t, "last")
		ref.Offset = rapid.Int64Range(0, int64(len(head.Bodies))).Draw(t, "offset")
		ref.Length = rapid.Int64Range(0, int64(len(head.Bodies))-ref.Offset).Draw(t, "length")
		if ref.Tombstones = rapid.Int64Range(0, ref.Items).Draw(t, "tombstones"); ref.Tombstones > 0 {
			ref.TombstoneFirst = rapid.Int64Range(ref.First, ref.Last).Draw(t, "tombstone first")
			ref.TombstoneLast = rapid.Int64Range(ref.TombstoneFirst, ref.Last).Draw(t, "tombstone last")
		}
		return ref
	})
	refs := rapid.SliceOfN(ref, 0, 3)
	head.Root = refs.Draw(t, "root")
	head.Talks = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) HeadConversation {
		talk := HeadConversation{Contact: rapid.String().Draw(t, "contact"), Hidden: rapid.Int64Range(0, 3).Draw(t, "hidden"), States: refs.Draw(t, "states")}
		for range rapid.IntRange(0, 2).Draw(t, "chunks") {
			identifier := ChunkIdentifier{ID: number.Draw(t, "id"), Timestamp: number.Draw(t, "timestamp")}
			talk.Chunks = append(talk.Chunks, HeadChunk{Identifier: identifier, States: refs.Draw(t, "states")})
		}
		return talk
	}), 0, 3).Draw(t, "talks")
	return head
}

func drawCover(t *rapid.T) Cover {
	from := rapid.Int64Range(0, MaxInteger).Draw(t, "from")
	return Cover{Incarnation: rapid.String().Draw(t, "incarnation"), From: from, To: rapid.Int64Range(from, MaxInteger).Draw(t, "to")}
}

func TestHeadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := drawHead(t)
		plaintext := head.Append([]byte("before"))
		if !bytes.HasPrefix(plaintext, []byte("before")) {
			t.Fatal("dst is lost")
		}
		plaintext = plaintext[len("before"):]
		if err := isCanonicalHead(plaintext); err != nil {
			t.Fatal(err)
		}
		decoded, err := DecodeHead(plaintext)
		if err != nil {
			t.Fatalf("%s: %v", plaintext, err)
		}
		var names []string
		for ref := range decoded.States() {
			names = append(names, ref.Name)
			if int64(len(decoded.Body(ref))) != ref.Length {
				t.Fatal("a body of another length")
			}
		}
		for ref := range head.States() {
			if len(names) == 0 || names[0] != ref.Name {
				t.Fatal("states in another order")
			}
			names = names[1:]
		}
		if !reflect.DeepEqual(tidy(decoded), tidy(head)) {
			t.Fatalf("%+v, want %+v", decoded, head)
		}
	})
}

// isCanonicalHead checks the layout: the directory's length, the directory in
// canonical form.
func isCanonicalHead(plaintext []byte) error {
	directory := plaintext[4 : 4+binary.BigEndian.Uint32(plaintext)]
	canonical, err := Canonical(nil, directory)
	if err != nil {
		return fmt.Errorf("directory %s: %w", directory, err)
	}
	if !bytes.Equal(canonical, directory) {
		return fmt.Errorf("directory %s, canonical %s", directory, canonical)
	}
	return nil
}

// framed puts a directory into a head with three bytes of bodies.
func framed(directory string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(directory))), directory...), "abc"...)
}

// with is a small directory with one more member.
func with(member string) string { return `{"device":"d","incarnation":"i",` + member + `}` }

var headDirectories = []struct {
	name, directory string
	ok              bool
}{
	{"least", `{"device":"d","incarnation":"i"}`, true},
	{"space and another order", ` { "incarnation" : "i" , "device" : "d" } `, true},
	{"members of later versions", with(`"later":{"x":[1.5,null]}`), true},
	{"lists that are null", with(`"root":null,"conversations":null,"covers":null`), true},
	{"no device", `{"incarnation":"i"}`, false},
	{"no incarnation", `{"device":"d"}`, false},
	{"empty device", `{"device":"","incarnation":"i"}`, false},
	{"device of another type", `{"device":1,"incarnation":"i"}`, false},
	{"nothing", ``, false},
	{"null", `null`, false},
	{"a list", `[]`, false},
	{"two values", `{"device":"d","incarnation":"i"}{}`, false},
	{"largest sequence", with(`"sequence":9007199254740991`), true},
	{"sequence too large", with(`"sequence":9007199254740992`), false},
	{"sequence below zero", with(`"sequence":-1`), false},
	{"sequence with a fraction", with(`"sequence":1.5`), false},
	{"limit below zero", with(`"limit":-1`), false},
	{"limit too large", with(`"limit":9223372036854775807`), false},
	{"limit beyond all", with(`"limit":9223372036854775808`), false},
	{"a cover", with(`"covers":[["a",0,5]]`), true},
	{"cover with too few", with(`"covers":[["a",0]]`), false},
	{"cover with too many", with(`"covers":[["a",0,5,6]]`), false},
	{"cover turned round", with(`"covers":[["a",5,0]]`), false},
	{"cover below zero", with(`"known":[["a",-1,0]]`), false},
	{"cover too large", with(`"known":[["a",0,9223372036854775807]]`), false},
	{"cover that is null", with(`"covers":[null]`), false},
	{"cover of a wrong type", with(`"covers":[[0,"a",5]]`), false},
	{"cover that is an object", with(`"covers":[{}]`), false},
	{"a state", with(`"root":[["a",1,2,3,4]]`), true},
	{"a state that replaces", with(`"root":[["a",1,2,3,4,["b"]]]`), true},
	{"a state in the head", with(`"root":[["a",1,2,3,4,[],0,3]]`), true},
	{"a state with tombstones", with(`"root":[["a",1,2,3,4,[],0,3,3,1,2]]`), true},
	{"a span of no tombstones", with(`"root":[["a",1,2,3,4,[],0,3,0,1,2]]`), true},
	{"a state with more at the end", with(`"root":[["a",1,2,3,4,[],0,3,0,0,0,"later"]]`), true},
	{"more tombstones than items", with(`"root":[["a",1,2,3,4,[],0,3,4,1,2]]`), false},
	{"tombstones that end before they begin", with(`"root":[["a",1,2,3,4,[],0,3,3,2,1]]`), false},
	{"tombstones below zero", with(`"root":[["a",1,2,3,4,[],0,3,-1,1,2]]`), false},
	{"a hidden conversation", with(`"conversations":[{"contact":"b","hidden":1}]`), true},
	{"hidden below zero", with(`"conversations":[{"contact":"b","hidden":-1}]`), false},
	{"state without a size", with(`"root":[["a",1,2,3]]`), false},
	{"state without a name", with(`"root":[["",1,2,3,4]]`), false},
	{"state that is null", with(`"root":[null]`), false},
	{"state that is a text", with(`"root":["a"]`), false},
	{"state that ends before it begins", with(`"root":[["a",2,1,3,4]]`), false},
	{"state before all time", with(`"root":[["a",-1,2,3,4]]`), false},
	{"state after all time", with(`"root":[["a",1,9007199254740992,3,4]]`), false},
	{"state of items below zero", with(`"root":[["a",1,2,-3,4]]`), false},
	{"state of a size below zero", with(`"root":[["a",1,2,3,-4]]`), false},
	{"state of too large a size", with(`"root":[["a",1,2,3,9007199254740992]]`), false},
	{"state with a fraction", with(`"root":[["a",1,2,3,0.5]]`), false},
	{"names of another type", with(`"root":[["a",1,2,3,4,[5]]]`), false},
	{"body beyond the end", with(`"root":[["a",1,2,3,4,[],1,3]]`), false},
	{"body from beyond the end", with(`"root":[["a",1,2,3,4,[],4,0]]`), false},
	{"body from before the beginning", with(`"root":[["a",1,2,3,4,[],-1,3]]`), false},
	{"body of a length below zero", with(`"root":[["a",1,2,3,4,[],3,-1]]`), false},
	{"body whose end overflows", with(`"root":[["a",1,2,3,4,[],9223372036854775807,9223372036854775807]]`), false},
	{"body in a conversation", with(`"conversations":[{"states":[["a",1,2,3,4,[],0,4]]}]`), false},
	{"body in a chunk", with(`"conversations":[{"chunks":[{"states":[["a",1,2,3,4,[],0,4]]}]}]`), false},
	{"an identifier", with(`"conversations":[{"chunks":[{"id":9007199254740991,"timestamp":9007199254740991}]}]`), true},
	{"identifier below zero", with(`"conversations":[{"chunks":[{"id":-1}]}]`), false},
	{"identifier too large", with(`"conversations":[{"chunks":[{"id":9223372036854775807}]}]`), false},
	{"chunk before all time", with(`"conversations":[{"chunks":[{"timestamp":-1}]}]`), false},
	{"chunk after all time", with(`"conversations":[{"chunks":[{"timestamp":9007199254740992}]}]`), false},
	{"deep nesting", with(`"x":` + strings.Repeat("[", 100_000)), false},
}

func TestDecodeHead(t *testing.T) {
	for _, c := range headDirectories {
		t.Run(c.name, func(t *testing.T) {
			head, err := DecodeHead(framed(c.directory))
			if c.ok != (err == nil) || err != nil && (!errors.Is(err, ErrHead) || head != nil) {
				t.Errorf("%+v, %v", head, err)
			}
		})
	}
}

// TestDecodeHeadFrame: lengths that are not what follows.
func TestDecodeHeadFrame(t *testing.T) {
	whole := fullHead().Append(nil)
	bodies := len(fullHead().Bodies)
	for length := range len(whole) - bodies {
		if _, err := DecodeHead(whole[:length]); !errors.Is(err, ErrHead) {
			t.Fatalf("cut to %d: %v", length, err)
		}
	}
	for missing := 1; missing <= bodies; missing++ {
		if _, err := DecodeHead(whole[:len(whole)-missing]); !errors.Is(err, ErrHead) {
			t.Fatalf("without the last %d bytes of the bodies: %v", missing, err)
		}
	}
	for _, length := range []uint32{0, 1, uint32(len(whole)) - 3, math.MaxInt32, math.MaxUint32} {
		changed := bytes.Clone(whole)
		binary.BigEndian.PutUint32(changed, length)
		if _, err := DecodeHead(changed); !errors.Is(err, ErrHead) {
			t.Errorf("directory said to have %d bytes: %v", length, err)
		}
	}
	if head, err := DecodeHead(append(whole, "more"...)); err != nil || !bytes.HasSuffix(head.Bodies, []byte("more")) {
		t.Errorf("bodies that nobody names: %v", err)
	}
}

// TestDecodeHeadAliases: bodies share the plaintext's memory, names don't.
func TestDecodeHeadAliases(t *testing.T) {
	plaintext := fullHead().Append(nil)
	head, err := DecodeHead(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	clear(plaintext)
	if !bytes.Equal(head.Bodies, make([]byte, len(head.Bodies))) {
		t.Error("the bodies were copied")
	}
	want := fullHead()
	clear(want.Bodies)
	if !reflect.DeepEqual(tidy(head), tidy(want)) {
		t.Error("more than the bodies shares memory")
	}
}

func TestHeadStatesStopsEarly(t *testing.T) {
	all := 0
	for range fullHead().States() {
		all++
	}
	equal(t, "states", all, 5)
	for most := 1; most <= all; most++ {
		seen := 0
		for range fullHead().States() {
			if seen++; seen == most {
				break
			}
		}
		equal(t, "seen", seen, most)
	}
	head := fullHead()
	for ref := range head.States() {
		ref.Size = 1
	}
	equal(t, "changed in place", head.Talks[0].Chunks[0].States[1].Size, 1)
}

func TestParseHeadName(t *testing.T) {
	for _, c := range []struct {
		name, incarnation string
		sequence          int64
		ok                bool
	}{
		{"abc-0", "abc", 0, true},
		{"abc-9223372036854775807", "abc", math.MaxInt64, true},
		{"3fGq_x-17", "3fGq_x", 17, true},
		{name: ""}, {name: "abc"}, {name: "abc-"}, {name: "abc--1"}, {name: "abc-+1"}, {name: "abc-01"}, {name: "abc- 1"},
		{name: "abc-1 "}, {name: "abc-1.0"}, {name: "abc-0x1"}, {name: "abc-1_0"}, {name: "a-b-1"}, {name: "abc-9223372036854775808"},
	} {
		incarnation, sequence, ok := ParseHeadName(c.name)
		if ok != c.ok || ok && (incarnation != c.incarnation || sequence != c.sequence) {
			t.Errorf("%q: %q, %d, %v", c.name, incarnation, sequence, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.StringMatching(`[0-9A-Za-z_]+`).Draw(t, "incarnation")
		number := rapid.Int64Range(0, MaxInteger).Draw(t, "sequence")
		if incarnation, sequence, ok := ParseHeadName(HeadName(want, number)); !ok || incarnation != want || sequence != number {
			t.Fatalf("%q, %d, %v", incarnation, sequence, ok)
		}
	})
}

func TestJoinCovers(t *testing.T) {
	cases := []struct {
		name  string
		lists [][]Cover
		want  []Cover
	}{
		{"nothing", nil, nil},
		{"empty lists", [][]Cover{nil, {}}, nil},
		{"adjacent", [][]Cover{{{"a", 3, 4}}, {{"a", 0, 2}}}, []Cover{{"a", 0, 4}}},
		{"with a gap", [][]Cover{{{"a", 3, 4}, {"a", 0, 1}}}, []Cover{{"a", 0, 1}, {"a", 3, 4}}},
		{"overlapping", [][]Cover{{{"a", 0, 3}}, {{"a", 2, 9}}}, []Cover{{"a", 0, 9}}},
		{"one within another", [][]Cover{{{"a", 0, 9}, {"a", 2, 3}, {"a", 5, 10}}}, []Cover{{"a", 0, 10}}},
		{"of one beginning", [][]Cover{{{"a", 0, 9}, {"a", 0, 3}}}, []Cover{{"a", 0, 9}}},
		{"other incarnations", [][]Cover{{{"b", 1, 1}, {"a", 0, 0}}, {{"b", 0, 0}}}, []Cover{{"a", 0, 0}, {"b", 0, 1}}},
		{"the largest", [][]Cover{{{"a", 0, MaxInteger}, {"a", MaxInteger, MaxInteger}}}, []Cover{{"a", 0, MaxInteger}}},
	}
	for _, c := range cases {
		if got := JoinCovers(c.lists...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestJoinCoversLaws compares with sets of numbers.
func TestJoinCoversLaws(t *testing.T) {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Cover {
		from := rapid.Int64Range(0, 20).Draw(t, "from")
		return Cover{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "incarnation"), from, from + rapid.Int64Range(0, 5).Draw(t, "more")}
	}), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := list.Draw(t, "a"), list.Draw(t, "b"), list.Draw(t, "c")
		before := slices.Concat(a, b, c)
		joined := JoinCovers(a, b, c)
		if !slices.Equal(slices.Concat(a, b, c), before) {
			t.Fatal("the arguments were changed")
		}
		for _, other := range [][]Cover{JoinCovers(c, b, a), JoinCovers(JoinCovers(a, b), c), JoinCovers(a, JoinCovers(b, c)), JoinCovers(joined, joined), JoinCovers(joined, a)} {
			if !slices.Equal(other, joined) {
				t.Fatalf("%v, and %v", joined, other)
			}
		}
		for i := 1; i < len(joined); i++ {
			if joined[i].Incarnation == joined[i-1].Incarnation && joined[i].From <= joined[i-1].To+1 {
				t.Fatalf("not joined: %v", joined)
			}
		}
		for _, incarnation := range []string{"a", "b"} {
			for n := range int64(30) {
				if covered(joined, incarnation, n) != covered(before, incarnation, n) {
					t.Fatalf("%s-%d: %v from %v", incarnation, n, joined, before)
				}
			}
		}
	})
}

func covered(list []Cover, incarnation string, n int64) bool {
	return slices.ContainsFunc(list, func(c Cover) bool { return c.Incarnation == incarnation && c.From <= n && n <= c.To })
}

// FuzzDecodeHead: what decodes is safe to use, encodes canonically and reads
// the same again; all else is ErrHead.
func FuzzDecodeHead(f *testing.F) {
	for _, plaintext := range loadHeads(f) {
		f.Add(plaintext)
	}
	for _, c := range headDirectories {
		f.Add(framed(c.directory))
	}
	f.Fuzz(func(t *testing.T, plaintext []byte) {
		head, err := DecodeHead(plaintext)
		if err != nil {
			if !errors.Is(err, ErrHead) || head != nil {
				t.Fatalf("%v, %v", head, err)
			}
			return
		}
		for ref := range head.States() {
			equal(t, "length", int64(len(head.Body(ref))), ref.Length)
		}
		encoded := head.Append(nil)
		if err := isCanonicalHead(encoded); err != nil {
			t.Fatal(err)
		}
		again, err := DecodeHead(encoded)
		if err != nil || !reflect.DeepEqual(tidy(again), tidy(head)) {
			t.Fatalf("again %+v, %v; want %+v", again, err, head)
		}
	})
}
