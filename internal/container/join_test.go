package container

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestJoin(t *testing.T) {
	var table []struct{ Name, A, B, Joined string }
	loadTable(t, "join.json", &table)
	for _, v := range table {
		equal(t, v.Name, string(joinValues([]byte(v.A), []byte(v.B))), v.Joined)
		equal(t, v.Name+", turned", string(joinValues([]byte(v.B), []byte(v.A))), v.Joined)
	}
}

// checkJoin checks the laws of a least upper bound on canonical values.
func checkJoin(t *testing.T, a, b, c []byte) {
	t.Helper()
	ab := joinValues(a, b)
	equal(t, "commutative", string(joinValues(b, a)), string(ab))
	equal(t, "idempotent", string(joinValues(a, a)), string(a))
	equal(t, "upper bound", string(joinValues(a, ab)), string(ab))
	equal(t, "associative", string(joinValues(ab, c)), string(joinValues(a, joinValues(b, c))))
	equal(t, "canonical", canonical(t, string(ab)), string(ab))
}

func TestJoinLaws(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 3000 {
		a, b, c := randomValue(random, 3), randomValue(random, 3), randomValue(random, 3)
		checkJoin(t, a, b, c)
		if t.Failed() {
			t.Fatalf("with %s, %s, %s", a, b, c)
		}
	}
}

// TestJoinEnvelopes joins what three devices made of one message.
func TestJoinEnvelopes(t *testing.T) {
	base := sampleChunk(1).Messages[0]
	variant := func(members string) Envelope {
		e, _, err := ParseEnvelope([]byte(members + string(base.JSON[1:])))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	read, noted := variant(`{"messageState":3,`), variant(`{"note":{"x":1},`)
	joined := Join(Join(base, read), noted)
	equal(t, "joined", string(joined.JSON), string(variant(`{"note":{"x":1},"messageState":3,`).JSON))
	equal(t, "hash", joined.Hash, base.Hash)
	equal(t, "timestamp", joined.Timestamp, base.Timestamp)
	_, _, err := ParseEnvelope(joined.JSON)
	equal(t, "error", err, nil)
}

// randomValue makes a small canonical value; values often collide.
func randomValue(random *rand.Rand, depth int) []byte {
	if depth == 0 || random.IntN(3) == 0 {
		return []byte([]string{`null`, `true`, `1`, `23`, `"a"`, `"bb"`, `"object-like and long"`, `[]`, `[1,{}]`, `{}`}[random.IntN(10)])
	}
	var members []Member
	for _, key := range []string{"a", "b", "\U0001f600", "\ufb00", "\n"} {
		if random.IntN(2) == 0 {
			members = append(members, Member{Key: string(appendString(nil, key)), JSON: randomValue(random, depth-1)})
		}
	}
	return appendObject(nil, sortMembers(members))
}

// randomState makes a state that often shares items with others.
func randomState(random *rand.Rand, kind Kind) stater {
	some := func(n int) bool { return random.IntN(n) == 0 }
	names := func() (list []string) {
		for range random.IntN(4) {
			list = append(list, string(rune('a'+random.IntN(5))))
		}
		return list
	}
	ids := func() (list []ChunkIdentifier) {
		for range random.IntN(4) {
			list = append(list, ChunkIdentifier{random.Int64N(3), random.Int64N(3)})
		}
		return list
	}
	var unknown Unknown
	for _, list := range []*[]Member{&unknown.Top, &unknown.Extra} {
		if some(3) {
			*list = []Member{{`"new"`, randomValue(random, 2)}, {`"newer"`, randomValue(random, 2)}}
		}
	}
	switch kind {
	case KindRoot:
		r := &Root{Account: "me", Conversations: names(), Names: names(), Replaces: names(), Unknown: unknown}
		for _, name := range names() {
			r.Hidden = map[string]int64{name: random.Int64N(3), "a": random.Int64N(3)}
		}
		return r
	case KindConversation:
		return &Conversation{Contact: "bob", Chunks: ids(), Retired: ids(), Replaces: names(), Unknown: unknown}
	}
	c := &Chunk{Identifier: ChunkIdentifier{0, random.Int64N(2)}, Replaces: names(), Unknown: unknown}
	for range random.IntN(6) {
		c.Messages = append(c.Messages, randomEnvelope(random))
	}
	for range random.IntN(3) {
		e := randomEnvelope(random)
		c.Tombstones = append(c.Tombstones, Tombstone{e.Hash, e.Timestamp})
	}
	return c
}

func randomEnvelope(random *rand.Rand) Envelope {
	which := random.IntN(8)
	text := sampleEnvelope(rand.New(rand.NewPCG(uint64(which), 0)), int64(which/3)) // some share a timestamp
	e, _, err := ParseEnvelope(fmt.Appendf(nil, `{"z":%s,%s`, randomValue(random, 2), text[1:]))
	if err != nil {
		panic(err)
	}
	return e
}

func TestUnionLaws(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []Kind{KindRoot, KindConversation, KindChunk} {
		t.Run(kind.String(), func(t *testing.T) {
			for range 150 {
				a, b, c := randomState(random, kind), randomState(random, kind), randomState(random, kind)
				before := encode(a) + encode(b) + encode(c)
				want := encode(unionKind(a, b, c))
				equal(t, "turned", encode(unionKind(c, b, a)), want)
				equal(t, "left first", encode(unionKind(unionKind(a, b), c)), want)
				equal(t, "right first", encode(unionKind(a, unionKind(b, c))), want)
				equal(t, "twice", encode(unionKind(a, b, c, b, a)), want)
				equal(t, "absorbed", encode(unionKind(unionKind(a, b, c), b)), want)
				equal(t, "with one of them alone", encode(unionKind(unionKind(a, b, c), unionKind(c))), want)
				equal(t, "states afterwards", encode(a)+encode(b)+encode(c), before)
				decoded, err := decodeKind(kind.String(), []byte(want))
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "decoded", encode(decoded), want)
				equal(t, "canonical", canonical(t, want), want)
				if t.Failed() {
					t.Fatalf("with\n%s\n%s\n%s", encode(a), encode(b), encode(c))
				}
			}
		})
	}
}
