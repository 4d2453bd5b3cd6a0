package container

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unicode/utf16"
)

// scramble writes canonical text in another way that reads the same: white
// space, members out of order, needless escapes and, if asked for, doubles that do
// not count.
func scramble(random *rand.Rand, text []byte, doubles bool) []byte {
	var out []byte
	switch text[0] {
	case '{':
		members := splitObject(text)
		random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		out = scrambleMembers(random, members, doubles)
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			panic(err)
		}
		out = append(out, '[')
		for i, element := range list {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, scramble(random, element, doubles)...)
		}
		out = append(out, ']')
	case '"':
		out = scrambleString(random, text)
	default:
		out = append(out, text...)
	}
	return append(append(blank(random), out...), blank(random)...)
}

func scrambleMembers(random *rand.Rand, members []Member, doubles bool) []byte {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		if doubles && random.IntN(8) == 0 {
			out = fmt.Appendf(out, "%s%s:%s,", blank(random), m.Key, randomValue(random, 2))
		}
		out = append(append(append(out, blank(random)...), scrambleString(random, []byte(m.Key))...), blank(random)...)
		out = append(append(out, ':'), scramble(random, m.JSON, doubles)...)
	}
	return append(out, '}')
}

// scrambleString escapes some characters that need no escape.
func scrambleString(random *rand.Rand, quoted []byte) []byte {
	text, ok := appendUnquoted(nil, quoted)
	if !ok || random.IntN(2) == 0 {
		return quoted
	}
	out := []byte{'"'}
	for _, r := range string(text) {
		if random.IntN(8) > 0 {
			out = appendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, []string{`\u%04x`, `\u%04X`}[random.IntN(2)], unit)
		}
	}
	return append(out, '"')
}

func blank(random *rand.Rand) []byte {
	return []byte([]string{"", "", "", " ", "\n\t", "\r\n  "}[random.IntN(6)])
}

func TestScrambledText(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 2500 {
		want := randomValue(random, 4)
		text := scramble(random, want, true)
		if got := canonical(t, string(text)); got != string(want) {
			t.Fatalf("%s\ngives %s\nwant  %s", text, got, want)
		}
	}
}

func TestScrambledEnvelope(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	want := sampleChunk(1).Messages[0]
	for range 500 {
		text := scramble(random, want.JSON, true)
		got, parties, err := ParseEnvelope(text)
		if err != nil || !reflect.DeepEqual(got, want) || parties.To != "bob.eth" {
			t.Fatalf("%s\ngives %+v %+v %v", text, got, parties, err)
		}
	}
}

func TestScrambledStates(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for _, kind := range []Kind{KindRoot, KindConversation, KindChunk} {
		for range 300 {
			text := randomState(random, kind).AppendJSON(nil)
			want, err := decodeKind(kind.String(), text)
			if err != nil {
				t.Fatal(err)
			}
			other := scramble(random, text, false)
			got, err := decodeKind(kind.String(), other)
			if err != nil || !reflect.DeepEqual(got, want) || encode(got) != string(text) {
				t.Fatalf("%s\ngives %+v, %v\nwant %+v", other, got, err, want)
			}
		}
	}
}
