package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"pgregory.net/rapid"
)

// The encodings that a body begins with, as the package comment says.
const (
	asItIs = 0
	zipped = 1
)

func TestBody(t *testing.T) {
	long := strings.Repeat(`{"message":"hello","metadata":{}},`, 100)
	cases := []struct {
		name     string
		options  *seal.Options
		kind     container.Kind
		text     string
		encoding byte
	}{
		{"a root", nil, container.KindRoot, long, asItIs},
		{"a conversation", nil, container.KindConversation, long, asItIs},
		{"a head", nil, container.KindHead, long, asItIs},
		{"a chunk", nil, container.KindChunk, long, zipped},
		{"a chunk in the dm3 form", &seal.Options{DM3: true}, container.KindChunk, long, zipped},
		{"a chunk without compression", &seal.Options{NoCompression: true}, container.KindChunk, long, asItIs},
		{"a chunk too short to shrink", nil, container.KindChunk, `{"messages":[]}`, asItIs},
		{"an empty chunk", nil, container.KindChunk, "", asItIs},
		{"an empty root", nil, container.KindRoot, "", asItIs},
	}
	other := newSealer(t, 2, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			body := newSealer(t, 1, c.options).AppendBody([]byte("before"), c.kind, []byte(c.text))
			if !bytes.HasPrefix(body, []byte("before")) {
				t.Fatal("dst is lost")
			}
			body = body[len("before"):]
			if body[0] != c.encoding {
				t.Errorf("encoding %d, want %d", body[0], c.encoding)
			}
			if c.encoding == asItIs && string(body[1:]) != c.text || len(body) > len(c.text)+1 {
				t.Errorf("%d bytes for %d", len(body), len(c.text))
			}
			// A body is not encrypted by itself: the head around it is.
			before := bytes.Clone(body)
			text, err := other.OpenBody([]byte("behind"), body)
			if err != nil || string(text) != "behind"+c.text {
				t.Errorf("opened to %d bytes, %v", len(text), err)
			}
			if !bytes.Equal(body, before) {
				t.Error("the body was changed")
			}
		})
	}
}

func TestBodyRoundTrip(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	rapid.Check(t, func(t *rapid.T) {
		kind := container.Kind(rapid.IntRange(1, 4).Draw(t, "kind"))
		text := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "text"), rapid.IntRange(1, 50).Draw(t, "times"))
		got, err := sealer.OpenBody(nil, sealer.AppendBody(nil, kind, text))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%x, %v; want %x", got, err, text)
		}
	})
}

func TestOpenBodyErrors(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	compressed := sealer.AppendBody(nil, container.KindChunk, []byte(strings.Repeat("chat ", 1000)))
	large := make([]byte, 1+seal.MaxPlaintext+1)
	cases := []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, seal.ErrDamaged},
		{"nothing compressed", compressed[:1], seal.ErrDamaged},
		{"cut off", compressed[:len(compressed)-1], seal.ErrDamaged},
		{"more behind", append(bytes.Clone(compressed), "more"...), seal.ErrDamaged},
		{"no frame", []byte("\x01plain text"), seal.ErrDamaged},
		{"an unknown encoding", []byte("\x02text"), seal.ErrNewerVersion},
		{"the last encoding", []byte("\xff"), seal.ErrNewerVersion},
		{"larger than the largest", large, seal.ErrTooLarge},
		{"a bomb", append([]byte{zipped}, sealer.Compress(nil, large)...), seal.ErrTooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if text, err := sealer.OpenBody(nil, c.body); !errors.Is(err, c.want) || text != nil {
				t.Errorf("%d bytes, %v; want %v", len(text), err, c.want)
			}
		})
	}
}

// TestBodiesOfManyAtOnce: buffers that are used again are not those of others.
func TestBodiesOfManyAtOnce(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			text := []byte(strings.Repeat(string(rune('a'+i))+" chat ", 500))
			for range 50 {
				body := sealer.AppendBody(nil, container.KindChunk, text)
				if got, err := sealer.OpenBody(nil, body); err != nil || !bytes.Equal(got, text) {
					t.Errorf("writer %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	group.Wait()
}

// FuzzOpenBody: each error is one of those that are promised, and what opens
// survives another round.
func FuzzOpenBody(f *testing.F) {
	sealer := newSealer(f, 1, nil)
	f.Add([]byte(nil))
	f.Add([]byte{asItIs})
	f.Add([]byte{zipped})
	f.Add([]byte("\x02newer"))
	f.Add(sealer.AppendBody(nil, container.KindRoot, []byte(`{"conversations":[]}`)))
	f.Add(sealer.AppendBody(nil, container.KindChunk, []byte(strings.Repeat("chat ", 100))))
	f.Fuzz(func(t *testing.T, body []byte) {
		text, err := sealer.OpenBody(nil, body)
		if err != nil {
			if !isOneOf(err, []error{seal.ErrDamaged, seal.ErrTooLarge, seal.ErrNewerVersion}) {
				t.Errorf("other error: %v", err)
			}
			return
		}
		again, err := sealer.OpenBody(nil, sealer.AppendBody(nil, container.KindChunk, text))
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("once more: %v", err)
		}
	})
}
