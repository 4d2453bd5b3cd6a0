package display

import (
	"bytes"
	"encoding/binary"
	"image"
	_ "image/gif"  // its size
	_ "image/jpeg" // its size
	_ "image/png"  // its size
	"net/http"
)

// maxPixels bounds an image that a page shows by itself: a few kilobytes can unfold to gigabytes in a browser.
const maxPixels = 50_000_000

// ImageType is the type of an image that every browser shows and that can't do anything; else "". The content decides, not
// what the message says.
func ImageType(data []byte) string {
	kind, _, _ := Image(data)
	return kind
}

// Image is [ImageType] with the size of the image in pixels.
func Image(data []byte) (kind string, width, height int) {
	kind = http.DetectContentType(data)
	switch kind {
	case "image/png", "image/jpeg", "image/gif":
		if config, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
			width, height = config.Width, config.Height
		}
	case "image/webp":
		width, height = webpSize(data)
	}
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return "", 0, 0
	}
	return kind, width, height
}

// webpSize reads the size of a WebP image (RFC 9649, 2.4 to 2.7); 0 where it can't.
func webpSize(data []byte) (width, height int) {
	if len(data) < 30 {
		return 0, 0
	}
	switch string(data[12:16]) {
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(data[26:]) & 0x3fff), int(binary.LittleEndian.Uint16(data[28:]) & 0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(data[21:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1
	case "VP8X":
		return int(binary.LittleEndian.Uint32(data[24:])&0xffffff) + 1, int(binary.LittleEndian.Uint32(data[26:])>>8) + 1
	}
	return 0, 0
}
