package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dm3sync/dm3sync/sync/reconcile"
)

// shapes tells conversations apart by what TakeChanged goes by.
func shapes(catalogue *reconcile.Catalogue) map[string]string {
	all := make(map[string]string)
	for contact, conversation := range catalogue.Conversations {
		var names []string
		for _, chunk := range conversation.Chunks {
			names = append(names, fmt.Sprint(chunk.Identifier))
			for _, state := range chunk.States {
				names = append(names, fmt.Sprint(chunk.Identifier, state.Name))
			}
		}
		slices.Sort(names)
		all[contact] = fmt.Sprint(conversation.Hidden, names)
	}
	return all
}

// different lists the contacts whose conversations are not the same in both. One without chunks that was never hidden is none.
func different(before, after map[string]string) (contacts []string) {
	none := fmt.Sprint(0, []string{})
	for contact := range maps.Keys(after) {
		if before[contact] != after[contact] && (before[contact] != "" || after[contact] != none) {
			contacts = append(contacts, contact)
		}
	}
	for contact := range maps.Keys(before) {
		if after[contact] == "" {
			contacts = append(contacts, contact)
		}
	}
	slices.Sort(contacts)
	return contacts
}

func TestTakeChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawStates(t)
		heads := drawHeads(t, all)
		catalogue := &reconcile.Catalogue{}
		want := func(what string, before map[string]string) {
			got := catalogue.TakeChanged()
			for _, contact := range different(before, shapes(catalogue)) {
				if !slices.Contains(got, contact) {
					t.Errorf("%s: %s is not among %v", what, contact, got)
				}
			}
		}
		for i, head := range heads {
			before := shapes(catalogue)
			catalogue.Add(fmt.Sprint("head", i), head)
			want("a head", before)
			catalogue.Add(fmt.Sprint("again", i), head)
			if got := catalogue.TakeChanged(); len(got) > 0 {
				t.Errorf("the same in another head changed %v", got)
			}
		}
		before := shapes(catalogue)
		catalogue.AddHidden("friend.eth", 0)
		if got := catalogue.TakeChanged(); len(got) > 0 {
			t.Errorf("never hidden: changed %v", got)
		}
		catalogue.AddHidden("friend.eth", 1)
		want("hidden", before)
		gone := make(map[string]bool)
		for _, state := range all {
			gone[state.ref.Name] = rapid.Bool().Draw(t, "gone")
		}
		before = shapes(catalogue)
		catalogue.DropAll(func(name string) bool { return gone[name] })
		want("dropped", before)
		before = shapes(catalogue)
		fresh := &reconcile.Catalogue{}
		for i, head := range heads[:rapid.IntRange(0, len(heads)).Draw(t, "left")] {
			fresh.Add(fmt.Sprint("head", i), head)
		}
		fresh.Succeed(catalogue)
		catalogue = fresh
		want("succeeded", before)
	})
}
