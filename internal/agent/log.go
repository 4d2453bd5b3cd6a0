package agent

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"

	"github.com/dm3sync/dm3sync/internal/config"
)

// NewLogger returns the logger that c describes, writing to w; terminal says
// whether w is one, which decides the format "auto".
func NewLogger(w io.Writer, c config.Log, terminal bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(c.Level)); err != nil {
			return nil, fmt.Errorf("agent: %w: log level %q; use debug, info, warn or error", config.ErrConfig, c.Level)
		}
	}
	if c.Format == "text" || c.Format != "json" && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !terminal})), nil
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
}
