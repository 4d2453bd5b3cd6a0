package seal

import (
	"bufio"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/klauspost/compress/zstd"
)

// corpusVariable names a gzip file of chat lines {timestamp, from, to, text}, one JSON object a line.
const corpusVariable = "DM3SYNC_TEST_CORPUS"

// chunkBytes is the size of the chunks that the benchmarks build.
const chunkBytes = 500_000

// corpusChunks makes chunks of envelopes with real signatures and hashes, as many as the corpus gives,
// or skips.
func corpusChunks(b *testing.B) (chunks [][]byte) {
	b.Helper()
	path := os.Getenv(corpusVariable)
	if path == "" {
		b.Skip(corpusVariable + " names no chat corpus: skipped")
	}
	file, err := os.Open(path)
	if err != nil {
		b.Skipf("no chat corpus: %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		b.Fatal(err)
	}
	talks := map[uint32][]byte{} // a hundred conversations, as an ordinary user has
	lines := bufio.NewScanner(unzipped)
	for lines.Scan() {
		var line struct {
			Timestamp      int64
			From, To, Text string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			b.Fatal(err)
		}
		talk := pairNumber(line.From, line.To)
		talks[talk] = appendEnvelope(b, talks[talk], line.Timestamp, line.From, line.To, line.Text)
		if len(talks[talk]) >= chunkBytes {
			chunks = append(chunks, append(talks[talk], "]}"...))
			delete(talks, talk)
		}
	}
	for _, rest := range talks {
		chunks = append(chunks, append(rest, "]}"...))
	}
	return chunks
}

func pairNumber(a, b string) uint32 {
	if a > b {
		a, b = b, a
	}
	sum := sha256.Sum256([]byte(a + " " + b))
	return (uint32(sum[0])<<8 | uint32(sum[1])) % 100
}

func appendEnvelope(b *testing.B, chunk []byte, timestamp int64, from, to, text string) []byte {
	b.Helper()
	sign := func(signed any) string {
		text, err := json.Marshal(signed)
		if err != nil {
			b.Fatal(err)
		}
		seed := sha256.Sum256([]byte(from))
		return base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(seed[:]), text))
	}
	type object = map[string]any
	message := object{"message": text, "metadata": object{"from": from + ".eth", "to": to + ".eth", "timestamp": timestamp, "type": "NEW"}}
	message["signature"] = sign(message)
	content, err := json.Marshal(message)
	if err != nil {
		b.Fatal(err)
	}
	hash := string(container.Hash(string(content)))
	metadata := object{"version": "v1", "encryptionScheme": "x25519-chacha20-poly1305", "messageHash": hash,
		"deliveryInformation": object{"from": from + ".eth", "to": to + ".eth"}}
	metadata["signature"] = sign(metadata)
	postmark := object{"messageHash": string(container.Hash("wire" + hash)), "incommingTimestamp": timestamp + 900}
	postmark["signature"] = sign(postmark)
	envelope, err := json.Marshal(object{"message": message, "metadata": metadata, "postmark": postmark})
	if err != nil {
		b.Fatal(err)
	}
	if len(chunk) == 0 {
		return append(append(chunk, `{"messages":[`...), envelope...)
	}
	return append(append(chunk, ','), envelope...)
}

// BenchmarkCompressionLevels compares the levels over one whole corpus an operation.
func BenchmarkCompressionLevels(b *testing.B) {
	chunks := corpusChunks(b)
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		b.Run(fmt.Sprint(level), func(b *testing.B) {
			encoder := newEncoder(level)
			var raw, compressed int64
			var frame []byte
			b.ReportAllocs()
			for b.Loop() {
				for _, chunk := range chunks {
					frame = encoder.EncodeAll(chunk, frame[:0])
					raw += int64(len(chunk))
					compressed += int64(len(frame))
				}
			}
			b.SetBytes(raw / int64(b.N))
			b.ReportMetric(float64(raw)/float64(compressed), "ratio")
			b.ReportMetric(float64(compressed)/float64(b.N)/1e6, "MB-out/op")
		})
	}
}

// BenchmarkCorpus seals and opens a whole corpus an operation.
func BenchmarkCorpus(b *testing.B) {
	chunks := corpusChunks(b)
	sealer, err := New([32]byte{1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	sealed := make([][]byte, len(chunks))
	b.Run("seal", func(b *testing.B) {
		var raw, out int64
		for b.Loop() {
			for i, chunk := range chunks {
				if sealed[i], err = sealer.Seal(sealed[i][:0], container.KindChunk, "key", chunk); err != nil {
					b.Fatal(err)
				}
				raw += int64(len(chunk))
				out += int64(len(sealed[i]))
			}
		}
		b.SetBytes(raw / int64(b.N))
		b.ReportMetric(float64(out)/float64(b.N)/1e6, "MB-out/op")
	})
	b.Run("open", func(b *testing.B) {
		var raw int64
		var opened []byte
		for b.Loop() {
			for i := range sealed {
				if opened, err = sealer.Open(opened[:0], container.KindChunk, "key", sealed[i]); err != nil {
					b.Fatal(err)
				}
				raw += int64(len(opened))
			}
		}
		b.SetBytes(raw / int64(b.N))
	})
}

func BenchmarkRecord(b *testing.B) {
	sealer, err := New([32]byte{1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	plaintext := make([]byte, 850)
	var sealed, opened []byte
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if sealed, err = sealer.SealRecord(sealed[:0], "journal", plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if opened, err = sealer.OpenRecord(opened[:0], "journal", sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
