package seal_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/klauspost/compress/zstd"
)

func TestCompress(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	for _, text := range []string{"", "x", strings.Repeat("chat ", 100_000)} {
		frame := sealer.Compress([]byte("before"), []byte(text))
		if !bytes.HasPrefix(frame, []byte("before")) {
			t.Fatal("dst is lost")
		}
		body, err := sealer.Decompress([]byte("behind"), frame[len("before"):])
		if err != nil || string(body) != "behind"+text {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

// TestDecompressBombs feeds frames that say, or do not say, how much comes out of them.
func TestDecompressBombs(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	var hidden bytes.Buffer // streamed, so without its size in the frame's head
	writer, err := zstd.NewWriter(&hidden, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range seal.MaxPlaintext>>20 + 8 {
		if _, err := writer.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	said := sealer.Compress(nil, make([]byte, seal.MaxPlaintext+1))
	half := sealer.Compress(nil, make([]byte, seal.MaxPlaintext/2+1))
	// A frame head: magic, descriptor without single segment, window of 2 GiB.
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0}
	for name, bomb := range map[string][]byte{"hidden": hidden.Bytes(), "said": said, "two frames": append(bytes.Clone(half), half...), "window": window} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := sealer.Decompress(nil, bomb)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, seal.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 6*seal.MaxPlaintext {
			t.Errorf("%s: took %d MiB", name, used>>20)
		}
	}
	full := sealer.Compress(nil, make([]byte, seal.MaxPlaintext))
	if body, err := sealer.Decompress(nil, full); err != nil || len(body) != seal.MaxPlaintext {
		t.Errorf("the largest: %d bytes, %v", len(body), err)
	}
}

func TestDecompressDamage(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	frame := sealer.Compress(nil, []byte(strings.Repeat("chat ", 100)))
	for length := range frame {
		if _, err := sealer.Decompress(nil, frame[:length]); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("cut to %d: %v", length, err)
		}
	}
	if _, err := sealer.Decompress(nil, append(frame, "more"...)); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("with more behind: %v", err)
	}
}

func FuzzDecompress(f *testing.F) {
	sealer := newSealer(f, 1, nil)
	f.Add([]byte(nil))
	f.Add(sealer.Compress(nil, nil))
	f.Add(sealer.Compress(nil, []byte(strings.Repeat("chat ", 1000))))
	f.Fuzz(func(t *testing.T, frame []byte) {
		body, err := sealer.Decompress(nil, frame)
		if err != nil && !errors.Is(err, seal.ErrDamaged) && !errors.Is(err, seal.ErrTooLarge) {
			t.Errorf("other error: %v", err)
		}
		if len(body) > seal.MaxPlaintext {
			t.Errorf("%d bytes", len(body))
		}
		again, err := sealer.Decompress(nil, sealer.Compress(nil, body))
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("once more: %v", err)
		}
	})
}
