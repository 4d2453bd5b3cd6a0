package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxMillis is the largest timestamp of a message (internal/docs/format.md part 4).
const maxMillis = 1<<53 - 1

// parseMoment reads a point in time and returns Unix milliseconds. It takes
// RFC 3339, dates and date-times in local time (2026-01-31, 2026-01-31T15:04),
// Unix milliseconds, "now", and durations before now (90m, 12h, 7d, 2w).
func parseMoment(text string, now time.Time) (int64, error) {
	if text == "now" {
		return now.UnixMilli(), nil
	}
	if millis, err := strconv.ParseInt(text, 10, 64); err == nil {
		if millis < 0 || millis > maxMillis {
			return 0, fmt.Errorf("%s lies outside the timestamps that messages can have", text)
		}
		return millis, nil
	}
	if moment, err := time.Parse(time.RFC3339, text); err == nil {
		return inRange(text, moment)
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if moment, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return inRange(text, moment)
		}
	}
	if before, ok := parseSpan(text); ok {
		return inRange(text, now.Add(-before))
	}
	return 0, fmt.Errorf("%q is no time; write 2026-01-31, 2026-01-31T15:04, an RFC 3339 time, Unix milliseconds, or a time before now such as 12h or 7d", text)
}

func inRange(text string, moment time.Time) (int64, error) {
	if millis := moment.UnixMilli(); millis >= 0 {
		return millis, nil
	}
	return 0, fmt.Errorf("%s lies before 1970; messages have no such timestamps", text)
}

// parseSpan is time.ParseDuration with days and weeks, not negative.
func parseSpan(text string) (time.Duration, bool) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n < math.MaxInt64/float64(unit)) {
			return 0, false
		}
		return time.Duration(n * float64(unit)), true
	}
	span, err := time.ParseDuration(text)
	return span, err == nil && span >= 0
}
