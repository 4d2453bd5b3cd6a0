package webui

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/display"
)

// bytesText is like "4.2 MB"; less than nothing is nothing.
func bytesText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// number is like "1,234".
func number(n any) string {
	switch n := n.(type) {
	case int:
		return humanize.Comma(int64(n))
	case int64:
		return humanize.Comma(n)
	}
	return fmt.Sprint(n)
}

// count is "1 message" or "1,234 messages".
func count(n any, thing string) string {
	text := number(n)
	if text == "1" {
		return "1 " + thing
	}
	return text + " " + thing + "s"
}

// Layouts of times. Without script, pages show UTC and say so; the script shows the browser's own time zone.
const (
	stampLayout = "2006-01-02 15:04:05 UTC"
	dayLayout   = "2006-01-02"
)

// ago shows a time relative to now, with the exact one in its title; the script keeps it fresh. The zero time is "never".
func (s *Site) ago(moment time.Time) template.HTML {
	return timeElement(moment, "relative", relative(moment, s.o.Now()))
}

// lasts shows since how long something is so, like "7 hours".
func (s *Site) lasts(since time.Time) template.HTML {
	return timeElement(since, "lasts", strings.TrimSuffix(relative(since, s.o.Now()), " ago"))
}

// stamp shows an exact time.
func (s *Site) stamp(moment time.Time) template.HTML {
	return timeElement(moment, "stamp", moment.UTC().Format(stampLayout))
}

// stampMilli shows an exact time of a message, in Unix milliseconds.
func (s *Site) stampMilli(milliseconds int64) template.HTML {
	return s.stamp(time.UnixMilli(milliseconds))
}

// timeElement is a time that the script rewrites in the browser's own time zone.
func timeElement(moment time.Time, kind, text string) template.HTML {
	if moment.IsZero() {
		return `<span class="never">never</span>`
	}
	moment = moment.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-time="%s" title="%s">%s</time>`, //nolint:gosec // all of it is made here
		moment.Format(time.RFC3339), kind, moment.Format(stampLayout), text))
}

// relative is like "3 minutes ago" or "in 2 hours"; app.js says the same.
func relative(moment, now time.Time) string {
	if moment.IsZero() {
		return "never"
	}
	d := now.Sub(moment)
	ahead := d < 0
	d = d.Abs()
	var n int64
	var unit string
	switch {
	case d < 10*time.Second:
		if ahead {
			return "in a moment"
		}
		return "just now"
	case d < time.Minute:
		n, unit = int64(d/time.Second), "second"
	case d < time.Hour:
		n, unit = int64(d/time.Minute), "minute"
	case d < 48*time.Hour:
		n, unit = int64(d/time.Hour), "hour"
	default:
		n, unit = int64(d/(24*time.Hour)), "day"
	}
	text := count(n, unit)
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

// lasting is how long something takes, like "about 4 minutes".
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 5*time.Second:
		return "a few seconds"
	case d < 90*time.Second:
		return fmt.Sprintf("about %s", count(int64(d.Round(5*time.Second)/time.Second), "second"))
	case d < 90*time.Minute:
		return fmt.Sprintf("about %s", count(int64(d.Round(time.Minute)/time.Minute), "minute"))
	}
	return fmt.Sprintf("about %s", count(int64(d.Round(time.Hour)/time.Hour), "hour"))
}

// percent is how much of total is done, 0 to 100; ok is false where that is not known.
func percent(done, total int64) (n int, ok bool) {
	if total <= 0 || done < 0 {
		return 0, false
	}
	return int(min(done, total) * 100 / total), true
}

// decimal writes a number for an attribute.
func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// amount is a number with its unit: "1,234 objects", or "4.2 MB" where the unit is bytes.
func amount(n int64, unit string) string {
	switch unit {
	case "bytes":
		return bytesText(n)
	case "":
		return number(n)
	}
	return number(n) + " " + line(display.Unit(unit), nameLetters)
}

// amountOf is like "3 of 1,234 objects", or "4 kB of 4.2 MB"; a total of 0 is not known.
func amountOf(done, total int64, unit string) string {
	switch {
	case total <= 0:
		return amount(done, unit)
	case unit == "bytes":
		return bytesText(done) + " of " + bytesText(total)
	}
	return number(done) + " of " + amount(total, unit)
}

// title begins a word with a large letter, and makes it harmless for one line.
func title(word string) string {
	runes := []rune(line(word, nameLetters))
	if len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
	}
	return string(runes)
}

// sentence makes a sentence of an error's text: with a capital, unless it begins with a name as in "webdav: put", and with its end.
func sentence(text string) string {
	text = strings.TrimSpace(line(text, textLetters))
	if text == "" {
		return ""
	}
	if first, _, _ := strings.Cut(text, " "); !strings.HasSuffix(first, ":") {
		runes := []rune(text)
		runes[0] = unicode.ToUpper(runes[0])
		text = string(runes)
	}
	if strings.HasSuffix(text, "…") || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
