package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
)

const someKey = container.Key("0x919e4e297e37e21f2e64048124ff374ea87367cfb68f676ae059213e92834ae1")

// fixedBytes gives one byte for ever, as randomness that can be repeated.
type fixedBytes byte

func (f fixedBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(f)
	}
	return len(p), nil
}

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errors.New("no randomness today") }

func newSealer(t testing.TB, keyByte byte, options *seal.Options) *seal.Sealer {
	t.Helper()
	sealer, err := seal.New([32]byte(bytes.Repeat([]byte{keyByte}, 32)), options)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func mustSeal(t testing.TB, sealer *seal.Sealer, kind container.Kind, plaintext string) []byte {
	t.Helper()
	sealed, err := sealer.Seal(nil, kind, someKey, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	kinds := []container.Kind{container.KindRoot, container.KindConversation, container.KindChunk, container.KindHead}
	sizes := []int{0, 1, 2045, 2046, 2047, 2048, 65533, 65534, 65535, 65536, 500_000, 3 << 20}
	for name, options := range map[string]*seal.Options{"default": nil, "plain": {NoCompression: true}, "dm3": {DM3: true}} {
		sealer := newSealer(t, 1, options)
		for _, kind := range kinds {
			for _, size := range sizes {
				plaintext := strings.Repeat("chat ", size/5+1)[:size]
				sealed, err := sealer.Seal([]byte("before"), kind, someKey, []byte(plaintext))
				if err != nil || !bytes.HasPrefix(sealed, []byte("before")) {
					t.Fatalf("%s %v %d: sealing: %v", name, kind, size, err)
				}
				opened, err := sealer.Open([]byte("behind"), kind, someKey, sealed[len("before"):])
				if err != nil || string(opened) != "behind"+plaintext {
					t.Errorf("%s %v %d: opening: %v", name, kind, size, err)
				}
			}
		}
	}
}

// TestSizes holds the padded sizes to the package comment: 33 + 16 bytes around a multiple of the step.
func TestSizes(t *testing.T) {
	sealer := newSealer(t, 1, &seal.Options{NoCompression: true})
	for _, c := range []struct{ plaintext, step, padded int }{
		{0, 2048, 2048},
		{2046, 2048, 2048},
		{2047, 2048, 4096},
		{65534, 2048, 65536},
		{65535, 2048, 67584},
		{131070, 2048, 131072},
		{131071, 4096, 135168},
		{500_000, 8192, 507904},
		{10_000_000, 262144, 10223616},
	} {
		sealed := mustSeal(t, sealer, container.KindChunk, strings.Repeat("x", c.plaintext))
		if got := len(sealed) - 49; got != c.padded || got%c.step != 0 {
			t.Errorf("%d: padded to %d, want %d", c.plaintext, got, c.padded)
		}
	}
	for size := 65_537; size < 4<<20; size += 40_099 {
		padded := len(mustSeal(t, sealer, container.KindHead, strings.Repeat("x", size))) - 49
		if excess := float64(padded-size-2) / float64(size); excess > 1.0/32 {
			t.Fatalf("%d: padded to %d, %.3f more", size, padded, excess)
		}
	}
}

// TestOnlyChunksAreCompressed compares the sizes of sealed forms of one very regular text.
func TestOnlyChunksAreCompressed(t *testing.T) {
	text := strings.Repeat("again and again ", 10_000)
	for _, kind := range []container.Kind{container.KindRoot, container.KindConversation, container.KindHead} {
		if size := len(mustSeal(t, newSealer(t, 1, nil), kind, text)); size < len(text) {
			t.Errorf("%v: %d bytes: compressed", kind, size)
		}
	}
	if size := len(mustSeal(t, newSealer(t, 1, nil), container.KindChunk, text)); size > 4096 {
		t.Errorf("chunk: %d bytes: not compressed", size)
	}
	if size := len(mustSeal(t, newSealer(t, 1, &seal.Options{NoCompression: true}), container.KindChunk, text)); size < len(text) {
		t.Errorf("chunk without compression: %d bytes: compressed", size)
	}
}

func TestNoncesDiffer(t *testing.T) {
	for _, options := range []*seal.Options{nil, {DM3: true}} {
		sealer := newSealer(t, 1, options)
		if bytes.Equal(mustSeal(t, sealer, container.KindRoot, "x"), mustSeal(t, sealer, container.KindRoot, "x")) {
			t.Error("two seals of one text are equal")
		}
	}
}

func TestOpenErrors(t *testing.T) {
	sealer, other := newSealer(t, 1, nil), newSealer(t, 2, nil)
	dm3 := newSealer(t, 1, &seal.Options{DM3: true})
	sealed := mustSeal(t, sealer, container.KindRoot, "text")
	newer := bytes.Clone(sealed)
	newer[0] = 2
	for name, c := range map[string]struct {
		sealer *seal.Sealer
		kind   container.Kind
		key    container.Key
		sealed []byte
		want   error
	}{
		"empty":           {sealer, 1, someKey, nil, seal.ErrDamaged},
		"zeros":           {sealer, 1, someKey, make([]byte, 4096), seal.ErrDamaged},
		"newer":           {sealer, 1, someKey, newer, seal.ErrNewerVersion},
		"newer and short": {sealer, 1, someKey, []byte{9}, seal.ErrNewerVersion},
		"other key":       {other, 1, someKey, sealed, seal.ErrOtherKey},
		"other kind":      {sealer, 2, someKey, sealed, seal.ErrDamaged},
		"other container": {sealer, 1, someKey[:65] + "f", sealed, seal.ErrDamaged},
		"longer":          {sealer, 1, someKey, append(bytes.Clone(sealed), 0), seal.ErrDamaged},
		"dm3 form":        {sealer, 1, someKey, mustSeal(t, dm3, 1, "text"), seal.ErrFormNotAllowed},
		"dm3, head":       {dm3, container.KindHead, someKey, mustSeal(t, dm3, 1, "text"), seal.ErrFormNotAllowed},
		"dm3, other key":  {newSealer(t, 2, &seal.Options{DM3: true}), 1, someKey, mustSeal(t, dm3, 1, "text"), seal.ErrDamaged},
		"dm3, no object":  {dm3, 1, someKey, []byte(`{"nonce":"0x000102030405060708090a0b"}`), seal.ErrDamaged},
		"huge":            {sealer, 1, someKey, append(bytes.Clone(sealed), make([]byte, 80<<20)...), seal.ErrTooLarge},
	} {
		if _, err := c.sealer.Open(nil, c.kind, c.key, c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// A head is no text; where dm3 is asked for it is sealed all the same, and bound to its place.
	head := mustSeal(t, dm3, container.KindHead, "\x00\x00\x00\x80{}")
	if opened, err := sealer.Open(nil, container.KindHead, someKey, head); err != nil || string(opened) != "\x00\x00\x00\x80{}" {
		t.Errorf("head where dm3 is allowed: %v", err)
	}
	if opened, err := dm3.Open(nil, 1, someKey, sealed); err != nil || string(opened) != "text" {
		t.Errorf("compact form where dm3 is allowed: %v", err)
	}
}

// TestEveryBitCounts flips each bit and cuts at each length: nothing but an error may come of it.
func TestEveryBitCounts(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	sealed := mustSeal(t, sealer, container.KindChunk, "text")
	for i := range 8 * len(sealed) {
		sealed[i/8] ^= 1 << (i % 8)
		if _, err := sealer.Open(nil, container.KindChunk, someKey, sealed); err == nil {
			t.Fatalf("bit %d of byte %d does not count", i%8, i/8)
		}
		sealed[i/8] ^= 1 << (i % 8)
	}
	for length := range sealed {
		_, err := sealer.Open(nil, container.KindChunk, someKey, sealed[:length])
		if !errors.Is(err, seal.ErrDamaged) {
			t.Fatalf("cut to %d: %v", length, err)
		}
	}
}

func TestSealErrors(t *testing.T) {
	if _, err := newSealer(t, 1, nil).Seal(nil, 1, someKey, make([]byte, seal.MaxPlaintext+1)); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := newSealer(t, 1, &seal.Options{DM3: true}).Seal(nil, 1, someKey, []byte{0xff}); !errors.Is(err, seal.ErrText) {
		t.Errorf("no text in the dm3 form: %v", err)
	}
	for _, dm3 := range []bool{false, true} {
		sealer := newSealer(t, 1, &seal.Options{DM3: dm3, Random: noRandom{}})
		if _, err := sealer.Seal(nil, 1, someKey, nil); err == nil {
			t.Error("sealed without randomness")
		}
		if _, err := sealer.SealRecord(nil, "name", nil); err == nil {
			t.Error("record sealed without randomness")
		}
	}
}

func TestRecords(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	for _, size := range []int{0, 1, 850, 100_000} {
		plaintext := bytes.Repeat([]byte{7}, size)
		sealed, err := sealer.SealRecord([]byte("before"), "bucket/key", plaintext)
		if err != nil || len(sealed) != len("before")+size+seal.RecordOverhead {
			t.Fatalf("%d: %d bytes, %v", size, len(sealed), err)
		}
		sealed = sealed[len("before"):]
		opened, err := sealer.OpenRecord([]byte("behind"), "bucket/key", sealed)
		if err != nil || string(opened) != "behind"+string(plaintext) {
			t.Errorf("%d: %v", size, err)
		}
		if _, err := sealer.OpenRecord(nil, "bucket/other", sealed); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("other name: %v", err)
		}
		if _, err := newSealer(t, 2, nil).OpenRecord(nil, "bucket/key", sealed); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("other key: %v", err)
		}
		if _, err := sealer.Open(nil, container.KindRoot, "bucket/key", sealed); err == nil {
			t.Error("a record opened as an object")
		}
	}
	for _, c := range []struct {
		sealed []byte
		want   error
	}{{nil, seal.ErrDamaged}, {make([]byte, 100), seal.ErrDamaged}, {[]byte{1, 2}, seal.ErrDamaged}, {[]byte{2}, seal.ErrNewerVersion}} {
		if _, err := sealer.OpenRecord(nil, "bucket/key", c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.sealed, err)
		}
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	sealer := newSealer(t, 1, nil)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			text := strings.Repeat(fmt.Sprintf("worker %d ", worker), 3000)
			for range 20 {
				sealed, err := sealer.Seal(nil, container.KindChunk, someKey, []byte(text))
				if err != nil {
					t.Error(err)
					return
				}
				opened, err := sealer.Open(nil, container.KindChunk, someKey, sealed)
				if err != nil || string(opened) != text {
					t.Errorf("worker %d: %v", worker, err)
				}
			}
		})
	}
	group.Wait()
}

func TestSecretsDoNotPrint(t *testing.T) {
	sealer := newSealer(t, 'K', nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		shown := fmt.Sprintf(verb+verb, sealer, seal.Session{Receive: [32]byte{75, 75}})
		if strings.Contains(shown, "75") || strings.Contains(shown, "KK") || strings.Contains(shown, "4b4b") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
}
