package main

import (
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 3600))

func TestParseMoment(t *testing.T) {
	for text, want := range map[string]time.Time{
		"now":                  testNow,
		"0":                    time.UnixMilli(0),
		"1700000000123":        time.UnixMilli(1700000000123),
		"9007199254740991":     time.UnixMilli(1<<53 - 1),
		"2013-04-01":           time.Date(2013, 4, 1, 0, 0, 0, 0, testNow.Location()),
		"2013-04-01T15:04":     time.Date(2013, 4, 1, 15, 4, 0, 0, testNow.Location()),
		"2013-04-01 15:04:05":  time.Date(2013, 4, 1, 15, 4, 5, 0, testNow.Location()),
		"2013-04-01T15:04:05Z": time.Date(2013, 4, 1, 15, 4, 5, 0, time.UTC),
		"90m":                  testNow.Add(-90 * time.Minute),
		"7d":                   testNow.Add(-7 * 24 * time.Hour),
		"1.5d":                 testNow.Add(-36 * time.Hour),
		"2w":                   testNow.Add(-14 * 24 * time.Hour),
	} {
		if got, err := parseMoment(text, testNow); err != nil || got != want.UnixMilli() {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want.UnixMilli())
		}
	}
}

func TestParseMomentRefuses(t *testing.T) {
	for _, text := range []string{"", "yesterday", "-1", "-7d", "-3h", "9007199254740992", "NaNd", "1e300d", "2013-13-01", "1969-12-31T00:00:00Z", "d", "60000d"} {
		if got, err := parseMoment(text, testNow); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, seed := range []string{"now", "7d", "2013-04-01", "1700000000123", "2013-04-01T15:04:05+02:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseMoment(text, testNow); err == nil && got < 0 {
			t.Errorf("%q is taken for %d", text, got)
		}
	})
}
