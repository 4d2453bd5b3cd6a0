package webtest_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/dm3sync/dm3sync/internal/webui/webtest"
)

// TestSmall: a picture keeps its size and its frequent colours, in 8 bits a pixel.
func TestSmall(t *testing.T) {
	from := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			from.Set(x, y, color.RGBA{20, 90, 120, 255})
		}
	}
	for i := range 600 { // more colours than there is room for, each once
		from.Set(i%64, i/64, color.RGBA{uint8(i), uint8(i / 3), 200, 255})
	}
	var in bytes.Buffer
	if err := png.Encode(&in, from); err != nil {
		t.Fatal(err)
	}
	small, err := webtest.Small(in.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.(*image.Paletted); !ok || got.Bounds() != from.Bounds() {
		t.Errorf("%T of %v", got, got.Bounds())
	}
	if r, g, b, _ := got.At(40, 40).RGBA(); r>>8 != 20 || g>>8 != 90 || b>>8 != 120 {
		t.Errorf("the most frequent colour became %d, %d, %d", r>>8, g>>8, b>>8)
	}
	if again, err := webtest.Small(in.Bytes()); err != nil || !bytes.Equal(small, again) {
		t.Errorf("the same picture comes out otherwise, %v", err)
	}
	if _, err := webtest.Small([]byte("no picture")); err == nil {
		t.Error("what is no picture was taken")
	}
}
