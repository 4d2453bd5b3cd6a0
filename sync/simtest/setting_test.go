package simtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// setting is what does not change while a world runs.
type setting struct {
	devices    int
	accounts   int
	promise    providers.Properties
	chunkLimit int
	inline     int64
	lookEvery  int
	grace      time.Duration // before bytes of deleted messages go
	blobs      int64         // bytes of the blob budget; 0 is more than a world needs
	compress   bool
	liar       bool // the place damages, withholds and rolls back; devices keep what they have
	frail      bool // devices get lost, cloned, restored from backups
	stormy     bool // requests fail in every way that a working place can
	steps      int
}

func drawSetting(random *rand.Rand) setting {
	s := setting{
		devices: 1 + random.IntN(3), accounts: 1,
		chunkLimit: 5000 + random.IntN(4)*3000, inline: int64(4000 + random.IntN(4)*8000), lookEvery: 1 + random.IntN(4),
		compress: random.IntN(12) == 0, steps: 200 + random.IntN(40),
	}
	if random.IntN(2) == 0 {
		s.grace = time.Duration(random.Int64N(int64(48 * time.Hour)))
	}
	if random.IntN(8) == 0 {
		s.accounts = 2
	}
	switch random.IntN(5) {
	case 0, 1:
		s.liar = true
	case 2, 3:
		s.frail = true
	}
	s.stormy = random.IntN(3) > 0
	s.promise = providers.Properties{Kind: "sim", Durable: true, CurrentListings: true, Deletes: true, MaxObject: providers.DefaultMaxObject, Parallel: 1}
	switch random.IntN(6) {
	case 0:
		s.promise.Durable = false
	case 1:
		s.promise.CurrentListings = false
	case 2:
		s.promise.Durable, s.promise.CurrentListings = false, false
	case 3:
		if !s.liar {
			s.promise.Carried = true
		}
	}
	if !s.liar && random.IntN(4) == 0 {
		s.blobs = int64(8000 + random.IntN(3)*20_000)
	}
	return s
}

func (s setting) String() string {
	words := []string{fmt.Sprintf("%d devices", s.devices), fmt.Sprintf("chunks of %d", s.chunkLimit), fmt.Sprintf("inline %d", s.inline), fmt.Sprintf("look every %d", s.lookEvery)}
	for word, holds := range map[string]bool{
		"two accounts": s.accounts > 1, "place that lies": s.liar, "frail devices": s.frail, "stormy": s.stormy, "not durable": !s.promise.Durable,
		"stale listings": !s.promise.CurrentListings, "carried": s.promise.Carried, "compressed": s.compress, "small cache": s.blobs > 0,
	} {
		if holds {
			words = append(words, word)
		}
	}
	slices.Sort(words[4:])
	return strings.Join(words, ", ")
}

// has tells whether the setting is one with all of some words, comma separated.
func (s setting) has(words string) bool {
	text := s.String()
	for word := range strings.SplitSeq(words, ",") {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// step is one entry of a history: what is done, by which device, and the seed of
// everything else about it, so that leaving steps out changes no other one.
type step struct {
	kind   string
	device int
	seed   uint64
}

func (s step) String() string { return fmt.Sprintf("%-10s device %d", s.kind, s.device) }

// weight says how often a kind of step is drawn, and in which worlds.
type weight struct {
	kind  string
	often int
	in    func(setting) bool
}

func weights() []weight {
	liar := func(s setting) bool { return s.liar }
	frail := func(s setting) bool { return s.frail }
	stormy := func(s setting) bool { return s.stormy }
	carried := func(s setting) bool { return s.promise.Carried }
	return []weight{
		{"append", 120, nil}, {"remove", 12, nil}, {"empty", 2, nil}, {"hide", 3, nil}, {"twin", 10, nil}, {"read", 40, nil},
		{"flush", 60, nil}, {"pass", 50, nil}, {"settle", 14, nil}, {"scrub", 4, nil}, {"together", 30, nil},
		{"cut", 22, nil}, {"cutdisk", 16, nil}, {"restart", 6, nil}, {"skew", 3, nil}, {"sleep", 4, nil}, {"join", 1, nil},
		{"weather", 20, stormy}, {"calm", 8, stormy}, {"catchup", 10, stormy},
		{"backup", 4, frail}, {"rot", 3, frail}, {"fill", 3, frail}, {"empty disk", 3, frail}, {"restore", 4, frail}, {"clone", 1, frail}, {"lose", 1, frail},
		{"carry", 60, carried},
		{"keep", 3, liar}, {"rollback", 1, liar}, {"flip", 3, liar}, {"swap", 2, liar}, {"drop", 2, liar}, {"wipe", 1, liar},
		{"withhold", 3, liar}, {"show", 3, liar},
	}
}

func drawSteps(random *rand.Rand, s setting) []step {
	var kinds []string
	for _, w := range weights() {
		if w.in == nil || w.in(s) {
			for range w.often {
				kinds = append(kinds, w.kind)
			}
		}
	}
	steps := make([]step, s.steps)
	for i := range steps {
		steps[i] = step{kinds[random.IntN(len(kinds))], random.IntN(6), random.Uint64()}
	}
	return steps
}

// kept reads a list like "3,7-9" of step numbers.
func kept(list string) (numbers []int, err error) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("steps to keep: %w", err)
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(to); err != nil {
				return nil, fmt.Errorf("steps to keep: %w", err)
			}
		}
		for n := first; n <= last; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// listed is the other way round.
func listed(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		} else {
			parts = append(parts, strconv.Itoa(numbers[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}
