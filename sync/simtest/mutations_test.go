package simtest

// mutations are the rules of internal/docs/design.md, part 4, each broken as
// somebody might break it.
func mutations() []mutation {
	lists := [][]mutation{journalMutations(), writingMutations(), placingMutations(), deletionMutations(), deviceMutations(), lyingMutations()}
	var all []mutation
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func journalMutations() []mutation {
	return []mutation{
		{name: "acknowledge before the sync", invariant: 1, file: "cache/journal_commit.go",
			old: "	if !b.sync {\n		return nil\n	}\n	begin", new: "	if true {\n		return nil\n	}\n	begin"},
		{name: "forget at put", invariant: 2, file: "sync/engine/push.go",
			old: "	if err := e.publish(ctx, out); err != nil {\n		return 0, err\n	}\n	e.mu.Lock()\n	e.owed",
			new: "	if _, err := e.confirmBatch(out.batch); err != nil {\n		return 0, err\n	}\n	out.batch.items = nil\n	if err := e.publish(ctx, out); err != nil {\n		return 0, err\n	}\n	e.mu.Lock()\n	e.owed"},
		{name: "forget without the second look, and bring no strays home", invariant: 2, file: "sync/engine/confirm.go",
			old: "if at < 0 || extents[at].Identifier != item.chunk {", new: "if at < 0 {", more: []edit{
				{"sync/engine/maintain.go", "		if strays := conversation.Strays(); len(strays) > 0 {", "		if strays := conversation.Strays(); len(strays) > 1000 {"}}},
		{name: "a failed push gives nothing back", invariant: 2, file: "sync/engine/push.go",
			old: "		e.pending[contact] = append(e.pending[contact], entries...)\n	}\n}\n\n// pushBatch", new: "		_, _ = contact, entries\n	}\n}\n\n// pushBatch"},
		{name: "the base tells messages by their hash alone", invariant: 2, file: "sync/engine/base.go",
			old: "return found && items[at].digest == want.digest && items", new: "return found && items"},
	}
}

func writingMutations() []mutation {
	return []mutation{
		{name: "no read-back", invariant: 2, file: "sync/engine/heads.go",
			old: "	if e.o.Store.Properties().Durable && !proof {", new: "	if true {"},
		{name: "head before chunk", invariant: 5, file: "sync/engine/push.go",
			old: "	if err := out.chunks.Wait(); err != nil {\n		return err\n	}\n	if err := e.abreast(ctx, len(out.conversations)",
			new: "	if len(out.news.Root)+len(out.news.Conversations) > 0 {\n		if _, err := e.writeHead(ctx, &out.news, out.bodies, out.force); err != nil {\n			return err\n		}\n	}\n	if err := out.chunks.Wait(); err != nil {\n		return err\n	}\n	if err := e.abreast(ctx, len(out.conversations)"},
		{name: "a compaction leaves the last state out", invariant: 6, file: "sync/engine/rewrite.go",
			old: "	union := container.UnionChunk(parts...)\n	union.Contact, union.Identifier = contact, identifier\n	return union, nil", new: "	union := container.UnionChunk(parts[:max(1, len(parts)-1)]...)\n	union.Contact, union.Identifier = contact, identifier\n	return union, nil"},
		{name: "names of replaced states forgotten at once", invariant: 6, file: "sync/engine/heads.go",
			old: "	if e.standsForAll(absorbed) && !e.o.Store.Properties().Carried {\n		forget = e.isOldNews()", new: "	if true {\n		forget = func(string) bool { return true }"},
		{name: "an absorbing head leaves out what it absorbed", invariant: 3, file: "sync/engine/heads.go",
			old: "		e.gather(merged, name, old)", new: "		e.gather(&reconcile.Catalogue{}, name, old)"},
		{name: "a state is removed because others hold as much", invariant: 6, file: "sync/engine/scrub.go",
			old: "		if e.isReplaced(object) || e.isGone(object) {\n			leftover", new: "		if true {\n			leftover"},
		{name: "twins that remove each other", invariant: 6, file: "sync/engine/rewrite.go",
			old: "		picked := reconcile.Compact(chunk.States, i+1 < len(conversation.Chunks), spill)\n", new: "		for j := 1; j < len(chunk.States); j++ {\n			a, b := chunk.States[j-1], chunk.States[j]\n			if a.Items == b.Items && a.First == b.First && a.Last == b.Last && !a.Inline() && !b.Inline() {\n				if e.device < \"m\" {\n					a = b\n				}\n				_ = e.o.Store.Delete(ctx, string(e.chunkKey(conversation.Contact, chunk.Identifier))+\"/\"+a.Name)\n			}\n		}\n		picked := reconcile.Compact(chunk.States, i+1 < len(conversation.Chunks), spill)\n"},
		{name: "what a failed pass wrote is left", invariant: 5, file: "sync/engine/pass.go",
			old: "	if err := e.adoptLoose(ctx); err != nil {", new: "	if err := error(nil); err != nil {", more: []edit{
				{"sync/engine/scrub.go", "		unnamed = append(unnamed, object.Name)", "			_ = object"}}},
		{name: "a compaction names nothing that it replaced", invariant: 6, file: "sync/engine/stage.go",
			old: "	ref := container.StateRef{Name: e.randomName(15), Replaces: names(replaced)}\n	for _, state := range replaced {\n		ref.Replaces = append(ref.Replaces, state.Replaces...)\n	}\n", new: "	ref := container.StateRef{Name: e.randomName(15)}\n", more: []edit{
				{"sync/engine/stage.go", "	chunk.Replaces = names(replaced)\n", ""}}},
		{name: "what can't be opened is left out of what replaces it", invariant: 4, file: "sync/engine/rewrite.go",
			old: "		if parts[i], _, err = e.chunkState(ctx, contact, identifier, state); err != nil {\n			return nil, err\n		}", new: "		if parts[i], _, err = e.chunkState(ctx, contact, identifier, state); err != nil {\n			if !unusable(err) {\n				return nil, err\n			}\n			parts[i] = &container.Chunk{}\n		}", in: "stormy"},
		{name: "a writer that removes in a carried folder", invariant: 5, file: "sync/engine/retire.go",
			old: "	if properties.Carried && !e.alone() {\n		return nil\n	}\n	if properties.Carried {", new: "	if properties.Carried && e.alone() {", in: "carried"},
	}
}

func placingMutations() []mutation {
	return []mutation{
		{name: "split by time instead of by what was verified", invariant: 7, file: "sync/engine/rewrite.go",
			old: "		return kept[item] || extents", new: "		return extents"},
		{name: "no chunk is ever split", invariant: 7, file: "sync/engine/maintain.go",
			old: "	for _, i := range e.overfull(conversation) {", new: "	for _, i := range e.overfull(conversation)[:0] {"},
		{name: "no re-placing of strays", invariant: 7, file: "sync/engine/maintain.go",
			old: "		if strays := conversation.Strays(); len(strays) > 0 {", new: "		if strays := conversation.Strays(); len(strays) > 1000 {"},
		{name: "a reader that looks only into the covering chunk", invariant: 7, file: "sync/engine/read.go",
			old: "	for _, chunk := range conversation.Chunks {\n		for _, state := range chunk.States {\n			if state.Items > 0 &&", new: "	for i, chunk := range conversation.Chunks {\n		from, to := int64(0), int64(1)<<62\n		if i > 0 {\n			from = chunk.Identifier.Timestamp\n		}\n		if i+1 < len(conversation.Chunks) {\n			to = conversation.Chunks[i+1].Identifier.Timestamp\n		}\n		for _, state := range chunk.States {\n			if from < w.To && to > w.From && state.Items > 0 &&"},
		{name: "a reader that calls every page complete", invariant: 4, file: "sync/engine/read.go",
			old: "			page.Provisional = true\n", new: "			page.Provisional = false\n"},
		{name: "a join that depends on order", invariant: 6, file: "internal/container/join.go",
			old: "bytes.Compare(a, b)) < 0 {", new: "0) < 0 {"},
		{name: "strays are left to whoever wrote them", invariant: 7, file: "sync/engine/taken.go",
			old: "		if e.shapeless(e.catalogue.Conversations[contact]) {", new: "		if false && e.shapeless(e.catalogue.Conversations[contact]) {", more: []edit{
				{"sync/engine/scrub.go", "	e.markShapeless()\n", ""}}},
		{name: "a split leaves the tombstones, and the source lets go of them", invariant: 7, file: "sync/engine/maintain.go",
			old: "	for _, target := range slices.Sorted(maps.Keys(targets)) {\n		piece := targets[target]\n", new: "	for _, target := range slices.Sorted(maps.Keys(targets)) {\n		piece := targets[target]\n		piece.Tombstones = nil\n", more: []edit{
				{"sync/engine/rewrite.go", "		return kept[item] || extents", "		return item.flags&knownTombstone == 0 && kept[item] || extents"}}},
		{name: "a reader that trusts the number of items", invariant: 4, file: "sync/engine/window.go",
			old: "		beyond := state.Last < first\n", new: "		beyond := true\n", more: []edit{
				{"sync/engine/window.go", "len(messages) >= w.Last && messages[0].Timestamp > left[0].state.Last", "len(messages) >= w.Last"}}},
	}
}

func deletionMutations() []mutation {
	return []mutation{
		{name: "a purge drops the tombstones", invariant: 3, file: "sync/engine/purge.go",
			old: "	out.written++\n	return e.writeChunk(ctx, out, union, picked)", new: "	union.Tombstones = nil\n	out.written++\n	return e.writeChunk(ctx, out, union, picked)"},
		{name: "removed messages lie there for ever", invariant: 3, file: "sync/engine/purge.go",
			old: "	out, groupContext := e.newOutgoing(ctx)\n	for _, p := range due {", new: "	due = nil\n	out, groupContext := e.newOutgoing(ctx)\n	for _, p := range due {"},
		{name: "tombstones expire", invariant: 3, file: "sync/engine/rewrite.go",
			old: "	union := container.UnionChunk(parts...)\n	union.Contact, union.Identifier = contact, identifier\n	return union, nil", new: "	union := container.UnionChunk(parts...)\n	union.Contact, union.Identifier = contact, identifier\n	union.Tombstones = nil\n	return union, nil"},
		{name: "a purge drops the tombstones, and the base does not know them", invariant: 3, file: "sync/engine/purge.go",
			old: "	out.written++\n	return e.writeChunk(ctx, out, union, picked)", new: "	union.Tombstones = nil\n	out.written++\n	return e.writeChunk(ctx, out, union, picked)", more: []edit{
				{"sync/engine/base.go", "		if err != nil {\n			return err\n		}\n		bases[key] = joinKnown(old, items)", "		if err != nil {\n			return err\n		}\n		items = slices.DeleteFunc(items, func(i known) bool { return i.flags&knownTombstone != 0 })\n		bases[key] = joinKnown(old, items)"}}},
		{name: "what is emptied loses its tombstones", invariant: 3, file: "sync/engine/purge.go",
			old: "	out.written++\n	return e.writeChunk(ctx, out, union, picked)", new: "	if len(union.Messages) == 0 {\n		union.Tombstones = nil\n	}\n	out.written++\n	return e.writeChunk(ctx, out, union, picked)"},
		{name: "a conversation that begins again is not listed again", invariant: 6, file: "sync/engine/push.go",
			old: "	case !living && slices", new: "	case !living && len(extents) == 0 && slices", more: []edit{
				{"sync/engine/rewrite.go", "		if e.isLiving(contact) {", "		if false {"}}},
		{name: "who writes while a conversation is emptied leaves it unlisted", invariant: 6, file: "sync/engine/lists.go",
			old: " || !listed[contact] && e.isLiving(contact)", new: " || false && listed[contact]", more: []edit{
				{"sync/engine/rewrite.go", "		if e.isLiving(contact) {", "		if false {"}}},
		{name: "the base offers what was deleted", invariant: 3, file: "sync/engine/absence.go",
			old: "there := removed[item.hash] || item.flags", new: "there := item.flags"},
	}
}

func deviceMutations() []mutation {
	// Else a device notices by the numbers of heads that there are two of it.
	noTwin := edit{"sync/engine/clone.go", "	if e.twin {\n", "	if e.twin && false {\n"}
	return []mutation{
		{name: "records are kept in clear", invariant: 12, file: "sync/engine/engine.go",
			old: "	return tx.Put(bucket, key, sealed)\n", new: "	if err := tx.Put(\"clear\", bucket+key, plain); err != nil {\n		return err\n	}\n	return tx.Put(bucket, key, sealed)\n"},
		{name: "an incarnation used again after a restart", invariant: 9, file: "sync/engine/engine.go",
			old: "	e.device = e.randomName(10)\n", new: "	e.device = e.randomName(10)\n	e.incarnation = e.device\n", more: []edit{
				{"sync/engine/engine.go", "		e.device = string(plain)\n", "		e.device, e.incarnation = string(plain), string(plain)\n"}, noTwin}},
		{name: "a head's name used twice", invariant: 9, file: "sync/engine/heads.go",
			old: "		if err != nil {\n			number :=", new: "		if err != nil {\n			e.sequence--\n			number :=", more: []edit{noTwin}},
		{name: "an error taken for absence", invariant: 4, file: "sync/engine/load.go",
			old: "isAny(err, providers.ErrNotFound, errGone)", new: "isAny(err, providers.ErrNotFound, providers.ErrTransient, providers.ErrRateLimited, providers.ErrUnauthorised, errGone)"},
		{name: "a copied cache writes under the incarnations of its twin", invariant: 9, file: "sync/engine/clone.go",
			old: "	e.own = map[string]bool{e.incarnation: true}\n	return e.o.Cache.Records().Each(\"incarnation\", func(name string, _ []byte) error {\n		e.own[name] = true\n		return nil\n	})\n}", new: "	e.own = make(map[string]bool)\n	err := e.o.Cache.Records().Each(\"incarnation\", func(name string, _ []byte) error {\n		e.own[name] = true\n		return nil\n	})\n	e.incarnation = e.device + string(rune('a'+len(e.own)%26))\n	e.own[e.incarnation] = true\n	return err\n}", more: []edit{noTwin}, in: "frail"},
		{name: "a cloned device keeps its name", invariant: 9, file: "sync/engine/clone.go",
			old: "	return head.Device == e.device && !e.own[head.Incarnation]", new: "	return false", in: "frail"},
	}
}

// lyingMutations show in worlds whose place lies.
func lyingMutations() []mutation {
	return []mutation{
		{name: "no copy is kept of what was written", invariant: 9, lies: true, file: "sync/engine/push.go",
			old: "	return e.o.Cache.Blobs().Put(up.object, up.sealed, false)\n}\n\n// stage", new: "	return nil\n}\n\n// stage"},
		{name: "an empty listing taken for the truth", invariant: 4, lies: true, file: "sync/engine/pull.go",
			old: "	if len(shown) > 0 || len(vanished) == 0 {\n		e.empty = 0", new: "	if len(shown) == 0 && len(vanished) > 0 {\n		if err := e.dropHeads(vanished); err != nil {\n			return false, err\n		}\n		return true, e.rebuild(ctx)\n	}\n	if len(shown) > 0 || len(vanished) == 0 {\n		e.empty = 0"},
		{name: "heads that are not listed count as removed", invariant: 3, lies: true, file: "sync/engine/vanished.go",
			old: "		if e.covered(name) {\n			gone = append", new: "		if true {\n			gone = append"},
		{name: "vanished heads are not written again", invariant: 9, lies: true, file: "sync/engine/vanished.go",
			old: "		if sealed, ok := e.sound(e.headObject(name)); ok {\n			if err := e.putWhole(ctx, e.headObject(name), sealed, false)", new: "		if sealed, ok := e.o.Cache.Blobs().Get(e.headObject(name)); ok && false {\n			if err := e.putWhole(ctx, e.headObject(name), sealed, false)"},
		{name: "copies of what others replaced go at once", invariant: 9, lies: true, file: "sync/engine/doubt.go",
			old: "	if len(objects) == 0 {\n		return nil\n	}\n	return e.changeDoubts(objects", new: "	for _, object := range objects {\n		if err := e.o.Cache.Blobs().Remove(object); err != nil {\n			return err\n		}\n	}\n	objects = nil\n	if len(objects) == 0 {\n		return nil\n	}\n	return e.changeDoubts(objects", in: "stale listings"},
		{name: "copies of absorbed heads go at once", invariant: 9, lies: true, file: "sync/engine/heads.go",
			old: "errors.Join(tx.Delete(\"head\", name), e.putRecord(tx, \"doubt\", e.headObject(name), nil))", new: "errors.Join(tx.Delete(\"head\", name), e.o.Cache.Blobs().Remove(e.headObject(name)))"},
		{name: "a rolled-back place accepted in silence", invariant: 9, lies: true, file: "sync/engine/problems.go",
			old: "	key := problemKey(p.Kind, p.Object)\n	old, known", new: "	p.Alarm = p.Alarm && p.Kind != \"rolled back\"\n	key := problemKey(p.Kind, p.Object)\n	old, known"},
		{name: "withheld heads accepted in silence", invariant: 9, lies: true, file: "sync/engine/problems.go",
			old: "	key := problemKey(p.Kind, p.Object)\n	old, known", new: "	p.Alarm = p.Alarm && p.Kind != \"withheld\"\n	key := problemKey(p.Kind, p.Object)\n	old, known"},
		{name: "damage accepted in silence", invariant: 9, lies: true, file: "sync/engine/problems.go",
			old: "	key := problemKey(p.Kind, p.Object)\n	old, known", new: "	p.Alarm = p.Alarm && p.Kind != \"damaged\"\n	key := problemKey(p.Kind, p.Object)\n	old, known"},
		{name: "swapped objects accepted in silence", invariant: 9, lies: true, file: "sync/engine/problems.go",
			old: "	key := problemKey(p.Kind, p.Object)\n	old, known", new: "	p.Alarm = p.Alarm && p.Kind != \"swapped\"\n	key := problemKey(p.Kind, p.Object)\n	old, known"},
	}
}
