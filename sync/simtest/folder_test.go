package simtest

import (
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/container"
)

// receipts tell what a device may remove from its copy of a carried folder: what
// heads that arrived there call replaced or absorbed. What only the device itself
// replaced the others may still need: its replacement may never reach them.
type receipts struct {
	heads    []string        // that arrived, as objects
	replaced map[string]bool // names of states
	covers   []container.Cover
}

// arrived notes what the carrier brought to a copy of the folder.
func (w *world) arrived(s *server, name string, data []byte) {
	key, _, _ := strings.Cut(name, "/")
	at := slices.IndexFunc(w.accounts, func(a *account) bool { return string(a.heads) == key })
	if at < 0 {
		return
	}
	plain, err := w.accounts[at].sealer.Open(nil, container.KindHead, container.Key(key), data)
	if err != nil {
		w.fail("head %s can't be opened where it was carried to: %v", name, err)
		return
	}
	head, err := container.DecodeHead(plain)
	if err != nil {
		w.fail("%s is no head where it was carried to: %v", name, err)
		return
	}
	s.receipts.heads = append(s.receipts.heads, name)
	s.receipts.covers = container.JoinCovers(s.receipts.covers, head.Covers)
	for ref := range head.States() {
		for _, replaced := range ref.Replaces {
			s.receipts.replaced[replaced] = true
		}
	}
}

// checkRemoval checks that a device which sees another one's head in its copy of
// the folder removes only what others have replaced. A device that was cut off,
// copied or put back may have lost, or given up, its name: then it takes what it
// wrote before for another one's.
func (w *world) checkRemoval(d *device, names []string) {
	if d.shaken {
		return
	}
	s, heads := d.server, string(d.account.heads)+"/"
	alone := !slices.ContainsFunc(s.receipts.heads, func(head string) bool {
		_, there := s.get(head)
		return there && strings.HasPrefix(head, heads) && !slices.Contains(names, head)
	})
	if alone {
		return
	}
	for _, object := range names {
		_, name, _ := strings.Cut(object, "/")
		incarnation, sequence, _ := container.ParseHeadName(name)
		absorbed := strings.HasPrefix(object, heads) && slices.ContainsFunc(s.receipts.covers, func(c container.Cover) bool {
			return c.Incarnation == incarnation && c.From <= sequence && sequence <= c.To
		})
		if !absorbed && !s.receipts.replaced[name] {
			w.fail("%s removes %s from its copy of the folder, which nothing that it received replaces", d, object)
			return
		}
	}
}
