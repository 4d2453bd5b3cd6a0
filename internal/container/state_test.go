package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

// loadTable reads a table of the format's own vectors.
func loadTable(t testing.TB, name string, table any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, table); err != nil {
		t.Fatal(err)
	}
}

// A stater is any of the three kinds of states.
type stater interface{ AppendJSON([]byte) []byte }

func decodeKind(kind string, text []byte) (stater, error) {
	switch kind {
	case "root":
		return DecodeRoot(text)
	case "conversation":
		return DecodeConversation(text)
	}
	return DecodeChunk(text)
}

func unionKind(states ...stater) stater {
	switch states[0].(type) {
	case *Root:
		return UnionRoot(typed[*Root](states)...)
	case *Conversation:
		return UnionConversation(typed[*Conversation](states)...)
	}
	return UnionChunk(typed[*Chunk](states)...)
}

func typed[T any](states []stater) []T {
	var list []T
	for _, s := range states {
		list = append(list, s.(T))
	}
	return list
}

func encode(s stater) string { return string(s.AppendJSON(nil)) }

func TestStates(t *testing.T) {
	var table []struct{ Name, Kind, Text, Canonical string }
	loadTable(t, "states.json", &table)
	for _, v := range table {
		t.Run(v.Name, func(t *testing.T) {
			state, err := decodeKind(v.Kind, []byte(v.Text))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "encoded", encode(state), v.Canonical)
			equal(t, "appended", string(state.AppendJSON([]byte("before"))), "before"+v.Canonical)
			equal(t, "canonical", canonical(t, v.Canonical), v.Canonical)
			if c, ok := state.(*Chunk); ok {
				equal(t, "size", c.Size(), len(v.Canonical))
			}
			again, err := decodeKind(v.Kind, []byte(v.Canonical))
			if err != nil || !reflect.DeepEqual(state, again) {
				t.Errorf("decoded again: %+v, %v; want %+v", again, err, state)
			}
		})
	}
}

func TestUnions(t *testing.T) {
	var table []struct {
		Name, Kind, Union string
		States            []string
	}
	loadTable(t, "unions.json", &table)
	for _, v := range table {
		t.Run(v.Name, func(t *testing.T) {
			var states []stater
			for _, text := range v.States {
				state, err := decodeKind(v.Kind, []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				states = append(states, state)
			}
			equal(t, "union", encode(unionKind(states...)), v.Union)
			for i, state := range states {
				equal(t, "state afterwards", encode(state), v.States[i])
			}
		})
	}
	equal(t, "no roots", encode(UnionRoot()), `{"conversations":[]}`)
	equal(t, "no conversations", encode(UnionConversation()), `{"chunks":[]}`)
	equal(t, "no chunks", encode(UnionChunk()), `{"messages":[]}`)
}

func TestDecodeRefuses(t *testing.T) {
	message := string(sampleChunk(1).Messages[0].JSON)
	hash := "0x" + strings.Repeat("a", 64)
	for _, v := range []struct {
		kind, text string
		want       error
		says       string
	}{
		{"root", ``, ErrSyntax, ""},
		{"root", `{"conversations":[]} x`, ErrSyntax, "byte 21"},
		{"root", `[]`, ErrField, "object"},
		{"root", `[`, ErrSyntax, ""},
		{"root", `{}`, ErrField, `"conversations" is missing`},
		{"root", `{"conversations":{}}`, ErrField, "conversations"},
		{"root", `{"conversations":["a",1]}`, ErrField, "conversations"},
		{"root", `{"conversations":["\ud800"]}`, ErrField, "Unicode"},
		{"root", `{"conversations":[],"dm3sync":[]}`, ErrField, "dm3sync"},
		{"root", `{"conversations":[],"dm3sync":{"kind":"chunk"}}`, ErrKind, "dm3sync: kind"},
		{"root", `{"conversations":[],"dm3sync":{"kind":1}}`, ErrField, "dm3sync: kind"},
		{"root", `{"conversations":[],"dm3sync":{"hidden":{"a":-1}}}`, ErrField, "hidden"},
		{"root", `{"conversations":[],"dm3sync":{"hidden":{"\ud800":1}}}`, ErrField, "hidden"},
		{"root", `{"conversations":[],"dm3sync":{"account":null}}`, ErrField, "account"},
		{"root", `{"conversations":[],"dm3sync":{"replaces":[null]}}`, ErrField, "replaces"},
		{"conversation", `{"chunks":[{"id":0}]}`, ErrField, "chunks"},
		{"conversation", `{"chunks":[{"id":0,"timestamp":1.5}]}`, ErrField, "chunks"},
		{"conversation", `{"chunks":[{"id":-1,"timestamp":1}]}`, ErrField, "chunks"},
		{"conversation", `{"chunks":[{"id":0,"timestamp":9007199254740992}]}`, ErrField, "chunks"},
		{"conversation", `{"chunks":[7]}`, ErrField, "chunks"},
		{"chunk", `{"messages":null}`, ErrField, "messages"},
		{"chunk", `{"messages":[` + message + `,3]}`, ErrField, "message 1"},
		{"chunk", `{"messages":[` + message + `,{}]}`, ErrField, "message 1"},
		{"chunk", `{"messages":[` + message + `,]}`, ErrSyntax, "message 1"},
		{"chunk", `{"messages":[` + strings.Replace(message, `"signature"`, `"sig"`, 1) + `]}`, ErrSignature, "message 0"},
		{"chunk", `{"messages":[],"dm3sync":{"tombstones":[{"hash":"` + hash + `"}]}}`, ErrField, "tombstones"},
		{"chunk", `{"messages":[],"dm3sync":{"tombstones":[{"hash":"0xAA","timestamp":1}]}}`, ErrHash, "tombstones"},
	} {
		state, err := decodeKind(v.kind, []byte(v.text))
		if !errors.Is(err, v.want) || !strings.Contains(err.Error(), v.says) {
			t.Errorf("%s %.80s: got %v, want %v (%s)", v.kind, v.text, err, v.want, v.says)
		}
		if !reflect.ValueOf(state).IsNil() {
			t.Errorf("%s %.80s: a state beside an error", v.kind, v.text)
		}
	}
}

// TestDecodeChunkShares checks that canonical messages are not copied and that
// others are independent of the scanner's buffers.
func TestDecodeChunkShares(t *testing.T) {
	want := sampleChunk(3)
	text := want.AppendJSON(nil)
	got, err := DecodeChunk(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded %+v, %v", got, err)
	}
	at := bytes.Index(text, got.Messages[1].JSON)
	if &got.Messages[1].JSON[0] != &text[at] || cap(got.Messages[1].JSON) != len(got.Messages[1].JSON) {
		t.Error("the second message is a copy, or can be appended to over its end")
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", " "); err != nil {
		t.Fatal(err)
	}
	got, err = DecodeChunk(indented.Bytes())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded from indented text %+v, %v", got, err)
	}
}

// TestAppendJSONLeavesItsReceiver gives lists without order.
func TestAppendJSONLeavesItsReceiver(t *testing.T) {
	whole := sampleChunk(3)
	want := encode(whole)
	mixed := sampleChunk(3)
	mixed.Messages = []Envelope{whole.Messages[2], whole.Messages[0], whole.Messages[1], whole.Messages[0]}
	equal(t, "encoded", encode(mixed), want)
	equal(t, "size", mixed.Size(), len(want))
	equal(t, "first message", mixed.Messages[0].Hash, whole.Messages[2].Hash)

	root := &Root{Conversations: []string{"c", "b", "c"}, Names: []string{"z", "a"}}
	equal(t, "root", encode(root), `{"conversations":["b","c"],"dm3sync":{"kind":"root","names":["a","z"]}}`)
	equal(t, "names", strings.Join(root.Conversations, ""), "cbc")
}

// TestChunkDepth holds the promise that a chunk of parsed envelopes is a text
// that Canonical and DecodeChunk take.
func TestChunkDepth(t *testing.T) {
	deep := func(levels int) []byte {
		text := string(sampleChunk(1).Messages[0].JSON)
		return []byte(`{"deep":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "," + text[1:])
	}
	envelope, _, err := ParseEnvelope(deep(maxEnvelopeDepth - 1))
	if err != nil {
		t.Fatal(err)
	}
	text := encode(&Chunk{Messages: []Envelope{envelope}})
	equal(t, "canonical", canonical(t, text), text)
	if _, err := DecodeChunk([]byte(text)); err != nil {
		t.Error(err)
	}
	if _, _, err = ParseEnvelope(deep(maxEnvelopeDepth)); !errors.Is(err, ErrSyntax) {
		t.Errorf("a deeper envelope: %v", err)
	}
	if _, err = DecodeChunk([]byte(`{"messages":[` + string(deep(maxEnvelopeDepth)) + `]}`)); !errors.Is(err, ErrSyntax) {
		t.Errorf("a deeper envelope in a chunk: %v", err)
	}
}
