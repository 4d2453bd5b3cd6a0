package acceptance

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// phase measures one step: what it took, and what its devices asked of the place.
type phase struct {
	t       *testing.T
	name    string
	started time.Time
	devices []*device
	before  []providers.Counts
}

func startPhase(t *testing.T, name string, devices ...*device) *phase {
	resetPeak()
	p := &phase{t: t, name: name, started: time.Now(), devices: devices}
	for _, d := range devices {
		p.before = append(p.before, d.counter.Counts())
	}
	return p
}

func (p *phase) end(more string) {
	p.t.Helper()
	taken := time.Since(p.started)
	peak := peakMemory()
	var sum providers.Counts
	for i, d := range p.devices {
		spent := d.counter.Counts().Minus(p.before[i])
		sum.Puts += spent.Puts
		sum.Gets += spent.Gets + spent.Ranges
		sum.Lists += spent.Lists
		sum.Deletes += spent.Deletes
		sum.Failed += spent.Failed
		sum.Up += spent.Up
		sum.Down += spent.Down
	}
	p.t.Logf("%-28s %6.1f s  %6d requests (%d put, %d get, %d list, %d delete, %d failed)  %.1f MB up  %.1f MB down  %s %s",
		p.name, taken.Seconds(), sum.Requests(), sum.Puts, sum.Gets, sum.Lists, sum.Deletes, sum.Failed,
		float64(sum.Up)/1e6, float64(sum.Down)/1e6, peak, more)
}

// resetPeak makes the kernel forget the peak of this process, where it can.
func resetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // other systems have no such file
}

// peakMemory is the largest resident size since resetPeak, test and all.
func peakMemory() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kilobytes, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("peak %d MB", kilobytes/1000)
}
