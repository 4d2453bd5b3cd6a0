package container

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

func BenchmarkCanonical(b *testing.B) {
	sorted := []byte(sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 1675954945000))
	var indented bytes.Buffer
	if err := json.Indent(&indented, sorted, "", "  "); err != nil {
		b.Fatal(err)
	}
	// The order in which upstream's own programs write.
	unsorted := bytes.Replace(sorted, []byte(`{"message":{`), []byte(`{"id":"x","metadata":{"b":1,"a":2},"message":{`), 1)
	unsorted = bytes.Replace(unsorted, []byte(`"timestamp":1675954945000,"to":"bob.eth"`), []byte(`"to":"bob.eth","timestamp":1675954945000`), 1)
	for _, bench := range []struct {
		name string
		text []byte
	}{{"sorted", sorted}, {"unsorted", unsorted}, {"indented", indented.Bytes()}} {
		b.Run(bench.name, func(b *testing.B) {
			var out []byte
			b.SetBytes(int64(len(bench.text)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, err = Canonical(out[:0], bench.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseEnvelope(b *testing.B) {
	text := []byte(sampleEnvelope(rand.New(rand.NewPCG(1, 2)), 1675954945000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseEnvelope(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeChunk(b *testing.B) {
	text := sampleChunk(600).AppendJSON(nil)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeChunk(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeChunk(b *testing.B) {
	chunk := sampleChunk(600)
	b.SetBytes(int64(chunk.Size()))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out = chunk.AppendJSON(out[:0])
	}
}

func BenchmarkJoin(b *testing.B) {
	left := sampleChunk(1).Messages[0]
	right := left
	right.JSON = append(bytes.Clone(left.JSON[:len(left.JSON)-1]), `,"read":true}`...)
	b.ReportAllocs()
	for b.Loop() {
		Join(left, right)
	}
}

func BenchmarkUnionChunk(b *testing.B) {
	whole, tail := sampleChunk(600), sampleChunk(610)
	b.ReportAllocs()
	for b.Loop() {
		UnionChunk(whole, tail)
	}
}
