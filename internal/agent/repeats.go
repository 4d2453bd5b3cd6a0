package agent

import "log/slog"

// failures counts failures in a row, so that a night offline is a few lines in the
// log: of the first, of each other one, and of every doubling. It is used by one
// goroutine.
type failures struct {
	count int
	text  string // of the last one
}

// level is at what level a failure is logged; those that are no news are for
// debugging.
func (f *failures) level(err error, news slog.Level) slog.Level {
	f.count++
	again := err.Error() == f.text && f.count&(f.count-1) != 0
	f.text = err.Error()
	if again {
		return slog.LevelDebug
	}
	return news
}

// over begins anew after a success, and tells how many failures there were.
func (f *failures) over() int {
	count := f.count
	*f = failures{}
	return count
}
