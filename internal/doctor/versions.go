package doctor

import (
	"context"
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/api"
)

// Build is what is known of this program.
type Build struct {
	Revision string // of its source; empty: unknown
	Go       string // that it was built with
	Cache    int    // the version of data folders that it writes, and the newest that it reads
	Objects  int    // likewise of sealed objects
}

// versions says which program this is; that others are newer or older is said by the checks that meet them.
func (s *Surroundings) versions(context.Context) []Finding {
	text := "dm3sync " + s.Version
	if s.Build.Revision != "" {
		text += " (" + s.Build.Revision[:min(len(s.Build.Revision), 12)] + ")"
	}
	return []Finding{fine("%s, %s; caches of version %d, sealed objects of version %d", text, s.Build.Go, s.Build.Cache, s.Build.Objects)}
}

// other says how the agent's program differs from this one, if it does.
func (s *Surroundings) other(status *api.Status) []Finding {
	if status.Version == s.Version {
		return nil
	}
	order, known := compareVersions(status.Version, s.Version)
	switch {
	case known && order < 0:
		return []Finding{wrong("restart the agent: it goes on with the program that it was started as", "the agent (process %d) is version %s, older than this program, %s", status.PID, status.Version, s.Version)}
	case known && order > 0:
		return []Finding{wrong("find out which one is meant: `which -a dm3sync` lists them, and the service's file names its own", "the agent (process %d) is version %s, newer than this program, %s", status.PID, status.Version, s.Version)}
	}
	return []Finding{wrong("restart the agent, unless another dm3sync is meant", "the agent (process %d) is version %s, and this program %s", status.PID, status.Version, s.Version)}
}

// newerObjects counts what the place holds of a newer program.
func newerObjects(status *api.AccountStatus) (count int) {
	for i := range status.Problems {
		if status.Problems[i].Kind == "newer" {
			count++
		}
	}
	return count
}

// judgeNewer says that a newer program wrote at the place.
func judgeNewer(status *api.AccountStatus) []Finding {
	count := newerObjects(status)
	if count == 0 {
		return nil
	}
	return []Finding{wrong("update dm3sync here; nothing is lost, and nothing of it is touched", "another device writes with a newer dm3sync: %s can't be read by this one", counted(count, "object"))}
}

// compareVersions orders two versions such as v1.2.3 or 1.2.3-rc.1; known is false where one is none, or where the order
// can't be told, as of two builds of one version.
func compareVersions(a, b string) (order int, known bool) {
	left, leftRest, leftOK := parseVersion(a)
	right, rightRest, rightOK := parseVersion(b)
	if !leftOK || !rightOK {
		return 0, false
	}
	for i := range left {
		if left[i] != right[i] {
			return left[i] - right[i], true
		}
	}
	switch {
	case leftRest == rightRest:
		return 0, false
	case leftRest == "": // what has something behind it comes before
		return 1, true
	case rightRest == "":
		return -1, true
	}
	return 0, false
}

// parseVersion takes a version apart: its three numbers, and what follows a hyphen.
func parseVersion(text string) (numbers [3]int, rest string, ok bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "+")
	text, rest, _ = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(numbers) {
		return numbers, "", false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return numbers, "", false
		}
		numbers[i] = int(n)
	}
	return numbers, rest, true
}
