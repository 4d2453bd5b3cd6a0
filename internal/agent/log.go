package agent

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/display"
)

// NewLogger returns the logger that c describes, writing to w; terminal says
// whether w is one, which decides the format "auto". What places and files bring into a
// record, in the text of an error mostly, steers no terminal.
func NewLogger(w io.Writer, c config.Log, terminal bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(c.Level)); err != nil {
			return nil, fmt.Errorf("agent: %w: log level %q; use debug, info, warn or error", config.ErrConfig, c.Level)
		}
	}
	if c.Format == "text" || c.Format != "json" && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !terminal, ReplaceAttr: harmless(true)})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: harmless(false)})), nil
}

// harmless cleans the values of records, which the text format would write with the
// escape sequences that they hold, as colours. With flat, values of other types become
// text first.
func harmless(flat bool) func(groups []string, a slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		switch value := a.Value.Any().(type) {
		case string:
			if len(groups) == 0 && a.Key == slog.MessageKey {
				value = display.Line(value)
			}
			a.Value = slog.StringValue(display.Clean(value))
		case error:
			a.Value = slog.StringValue(display.Clean(value.Error()))
		case slog.Level, *slog.Source:
		default:
			if flat && a.Value.Kind() == slog.KindAny {
				a.Value = slog.StringValue(display.Clean(fmt.Sprintf("%+v", value)))
			}
		}
		return a
	}
}
