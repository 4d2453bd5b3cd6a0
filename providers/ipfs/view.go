package ipfs

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// view is what all heads together say at one moment.
type view struct {
	heads  []*head
	marks  []map[string]int   // of all heads
	recent map[string]*change // of this device, since the look
}

// head is one device's part of a view.
type head struct {
	number            int
	own               bool
	current, previous *snapshot
}

// view takes what the last look found.
func (s *Store) view() *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &view{marks: []map[string]int{s.self.marks}, recent: maps.Clone(s.self.recent)}
	if s.self.objects != nil {
		v.heads = append(v.heads, &head{number: s.o.Device, own: true, current: s.self.objects})
	}
	for number := range s.devices {
		if d := &s.devices[number]; d.current != nil {
			v.heads = append(v.heads, &head{number: number, current: d.current, previous: d.previous})
			v.marks = append(v.marks, d.current.marks)
		}
	}
	return v
}

// removed tells whether some head lists the entry as removed.
func (v *view) removed(one *entry) bool {
	return v.mark(one.name) >= one.generation
}

// mark is the highest generation that some head lists as removed; -1 where none does.
func (v *view) mark(name string) int {
	highest := -1
	for _, marks := range v.marks {
		if generation, ok := marks[name]; ok && generation > highest {
			highest = generation
		}
	}
	return highest
}

// folder is what one head holds in a folder; what can't be read of it now is answered by the one before.
func (s *Store) folder(ctx context.Context, h *head, folder string) ([]entry, error) {
	found, err := s.folderOf(ctx, h.current, folder)
	if err == nil || h.previous == nil || ctx.Err() != nil {
		return found, err
	}
	if found, earlier := s.folderOf(ctx, h.previous, folder); earlier == nil {
		return found, nil
	}
	return nil, err
}

func (s *Store) folderOf(ctx context.Context, one *snapshot, folder string) ([]entry, error) {
	one.mu.Lock()
	found, known := one.folders[folder]
	one.mu.Unlock()
	if known {
		return found, nil
	}
	answer, err := s.node.list(ctx, true, "/ipfs/"+one.objects+"/"+folder)
	if err != nil && !errors.Is(err, errAbsent) {
		return nil, err
	}
	if err == nil {
		found = entriesOf(folder, answer[0])
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if len(one.folders) >= mostFolders {
		clear(one.folders)
	}
	one.folders[folder] = found
	return found, nil
}

func entriesOf(folder string, lines []child) []entry {
	found := make([]entry, 0, len(lines))
	for _, one := range lines {
		file, generation, ok := cutGeneration(one.Name)
		if !ok || one.Type != isFile {
			continue
		}
		if name, ok := join(folder, file); ok {
			found = append(found, entry{name: name, generation: generation, cid: one.Hash, size: one.Size})
		}
	}
	return found
}

// inFolder unites what the heads hold in a folder, by name: what some head lists as removed is not there. Heads that can't
// be read are left out; failure says why.
func (s *Store) inFolder(ctx context.Context, v *view, folder string) (found map[string]entry, failure error) {
	lists := make([][]entry, len(v.heads))
	failures := make([]error, len(v.heads))
	var group sync.WaitGroup
	for i, h := range v.heads {
		group.Go(func() { lists[i], failures[i] = s.folder(ctx, h, folder) })
	}
	group.Wait()
	found = make(map[string]entry)
	for i, h := range v.heads {
		if h.own && failures[i] != nil {
			return nil, failures[i]
		}
		v.unite(found, h, lists[i])
	}
	v.uniteRecent(found, folder)
	return found, errors.Join(failures...)
}

// unite adds one head's entries.
func (v *view) unite(found map[string]entry, h *head, list []entry) {
	for _, one := range list {
		if _, changed := v.recent[one.name]; changed && h.own {
			continue
		}
		v.add(found, one)
	}
}

// uniteRecent adds what this device put since the look.
func (v *view) uniteRecent(found map[string]entry, folder string) {
	for name, change := range v.recent {
		if in, _ := split(name); in == folder && change.entry != nil {
			v.add(found, *change.entry)
		}
	}
}

func (v *view) add(found map[string]entry, one entry) {
	if v.removed(&one) {
		return
	}
	if other, twice := found[one.name]; !twice || one.generation > other.generation {
		found[one.name] = one
	}
}

// find looks for an object in the heads that are known: nil where none of them has it. What heads that can't be read may
// hold is unknown; then nil comes with an error.
func (s *Store) find(ctx context.Context, name string) (*entry, error) {
	v := s.view()
	if change := v.recent[name]; change != nil && change.entry != nil && !v.removed(change.entry) {
		return change.entry, nil
	}
	folder, _ := split(name)
	found, err := s.inFolder(ctx, v, folder)
	if one, ok := found[name]; ok {
		return &one, nil
	}
	return nil, err
}
