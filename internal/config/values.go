package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// UnmarshalText reads a size: a number and an optional unit, decimal (kB, MB,
// GB) or binary (KiB, MiB, GiB).
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(strings.ReplaceAll(string(text), "_", ""))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is no size; write 500kB, 10MB or 256MiB", text)
	}
	*s = Size(n)
	return nil
}

// String is the size in decimal units, for messages.
func (s Size) String() string { return humanize.Bytes(uint64(max(s, 0))) }

// UnmarshalText reads a duration in Go's notation; a plain number is refused,
// because its unit would be a guess.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration; write 2s, 15m or 24h", text)
	}
	*d = Duration(value)
	return nil
}

// String is the duration in Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }

// setText sets one setting from an environment variable.
func setText(target any, text string) error {
	var err error
	switch target := target.(type) {
	case *string:
		*target = text
	case *[]string:
		*target = splitList(text)
	case *bool:
		*target, err = strconv.ParseBool(text)
	case **bool: // a setting whose absence is no answer
		value := false
		value, err = strconv.ParseBool(text)
		*target = &value
	case *int:
		*target, err = strconv.Atoi(text)
	case *float64:
		*target, err = strconv.ParseFloat(text, 64)
	case *Size:
		err = target.UnmarshalText([]byte(text))
	case **Duration:
		value := new(Duration)
		err = value.UnmarshalText([]byte(text))
		*target = value
	case *Duration:
		err = target.UnmarshalText([]byte(text))
	default:
		err = fmt.Errorf("can't be set by a variable")
	}
	return err
}

// splitList splits at commas, drops blanks and empty parts.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
