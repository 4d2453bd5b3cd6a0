package webtest

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
)

// mostColours is how many a picture of 8 bits a pixel has.
const mostColours = 256

// Small makes a picture in PNG small enough for a document: of its colours stay the 256 that are seen most, each other one
// becomes the nearest of them. Pages have few colours, so little of that can be seen.
func Small(picture []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("webtest: reading a picture: %w", err)
	}
	counts := make(map[color.RGBA]int)
	bounds := from.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	// Equally frequent ones have an order of their own, so that the same picture comes out the same.
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range most[:min(len(most), mostColours)] {
		palette = append(palette, c)
	}
	indexes := make(map[color.RGBA]uint8, len(counts))
	for c := range counts {
		indexes[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, indexes[at(x, y)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		return nil, fmt.Errorf("webtest: writing a picture: %w", err)
	}
	return out.Bytes(), nil
}
