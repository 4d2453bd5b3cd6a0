package readable

import (
	"fmt"
	"sort"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

type envelope = container.Envelope

// A page ends when it has so many entries, or so many bytes of envelopes.
const (
	pageEntries = 500
	pageBytes   = 4 << 20
)

// page is a run of entries, by their numbers: from first up to, not including, end.
type page struct {
	first, end int
}

// pages cuts the entries into pages.
func (c *conversation) pages() (plan []page) {
	size := 0
	for number := range c.index.Entries() {
		bytes := c.index.Entry(number).Size
		last := len(plan) - 1
		if last < 0 || number-plan[last].first >= pageEntries || size+bytes > pageBytes {
			plan = append(plan, page{number, number})
			last, size = last+1, 0
		}
		plan[last].end = number + 1
		size += bytes
	}
	return plan
}

// pageOf returns the page of an entry.
func (c *conversation) pageOf(number int) int {
	return sort.Search(len(c.plan), func(i int) bool { return c.plan[i].end > number })
}

// name is the name of a file of the format.
func (e *export) name(base string) string {
	if e.Format == Markdown {
		return base + ".md"
	}
	return base + ".html"
}

func (c *conversation) pageName(number int) string { return c.name(fmt.Sprintf("page-%04d", number+1)) }

// anchor names an entry in its page.
func anchor(hash container.MessageHash) string { return "m-" + hash.String()[2:18] }

func compareNames(a, b string) int { return strings.Compare(a, b) }
