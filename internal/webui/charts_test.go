package webui

import (
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/sync/engine"
)

func milli(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

// TestChartsSumUp: whatever the stretches are, no message is drawn twice or forgotten.
func TestChartsSumUp(t *testing.T) {
	now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		parts   []engine.Stretch
		unit    string
		bars    int
		outside int64
		want    map[string]int64
	}{
		"nothing": {nil, "", 0, 0, nil},
		"one moment": {
			[]engine.Stretch{{First: milli("2026-11-01T10:00:00Z"), Last: milli("2026-11-01T10:00:00Z"), Messages: 7, Bytes: 70}},
			"day", 1, 0, map[string]int64{"2026-11-01": 7},
		},
		"two days": {
			[]engine.Stretch{{First: milli("2026-11-01T12:00:00Z"), Last: milli("2026-11-02T12:00:00Z"), Messages: 10, Bytes: 99}},
			"day", 2, 0, map[string]int64{"2026-11-01": 4, "2026-11-02": 6},
		},
		"months": {
			[]engine.Stretch{
				{First: milli("2025-11-30T23:59:59Z"), Last: milli("2025-11-30T23:59:59Z"), Messages: 3},
				{First: milli("2026-06-01T00:00:00Z"), Last: milli("2026-06-30T00:00:00Z"), Messages: 5},
			},
			"month", 8, 0, map[string]int64{"2025-11": 3, "2026-06": 5},
		},
		"years":   {[]engine.Stretch{{First: milli("2015-02-01T00:00:00Z"), Last: milli("2026-06-30T00:00:00Z"), Messages: 5000}}, "year", 12, 0, nil},
		"nowhere": {[]engine.Stretch{{First: -1, Last: -1, Messages: 2}, {First: 1 << 60, Last: 1 << 62, Messages: 3}}, "", 0, 5, nil},
		"turned":  {[]engine.Stretch{{First: milli("2026-11-02T00:00:00Z"), Last: milli("2026-11-01T00:00:00Z"), Messages: 4}}, "day", 1, 0, map[string]int64{"2026-11-02": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			d := chartData{}
			d.draw(c.parts, now)
			if d.Unit != c.unit || len(d.Bars) != c.bars || d.Outside != c.outside {
				t.Errorf("%s, %d bars, %d outside", d.Unit, len(d.Bars), d.Outside)
			}
			sum, bytes := d.Outside, int64(0)
			for _, b := range d.Bars {
				sum += b.Messages
				bytes += b.Bytes
				if want, named := c.want[b.Label]; named && b.Messages != want || b.Messages < 0 {
					t.Errorf("%s: %d, not %d", b.Label, b.Messages, want)
				}
			}
			if sum != d.Messages || bytes != d.Bytes {
				t.Errorf("%d of %d messages, %d of %d bytes", sum, d.Messages, bytes, d.Bytes)
			}
		})
	}
}
