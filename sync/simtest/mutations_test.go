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
		{name: "no look after a start", invariant: 2, file: "sync/engine/behind.go",
			old: "	if behind {\n		p.Provisional = true", new: "	if false {\n		p.Provisional = true"},
	}
}

func writingMutations() []mutation {
	return []mutation{
		{name: "no read-back", invariant: 2, file: "sync/engine/heads.go",
			old: "	if e.o.Store.Properties().Durable && !proof {", new: "	if true {"},
		{name: "head before chunk", invariant: 5, file: "sync/engine/push.go",
			old: "	if err := out.chunks.Wait(); err != nil {\n		return err\n	}\n	group, groupContext",
			new: "	if len(out.news.Root)+len(out.news.Conversations) > 0 {\n		if _, err := e.writeHead(ctx, &out.news, out.bodies, out.force); err != nil {\n			return err\n		}\n	}\n	if err := out.chunks.Wait(); err != nil {\n		return err\n	}\n	group, groupContext"},
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
	}
}

func placingMutations() []mutation {
	return []mutation{
		{name: "split by time instead of by what was verified", invariant: 7, file: "sync/engine/rewrite.go",
			old: "		return own || !moved[item] && (item.flags&knownTombstone != 0 || !removed[item.hash])", new: "		return own"},
		{name: "no re-placing of strays", invariant: 7, file: "sync/engine/maintain.go",
			old: "		if strays := conversation.Strays(); len(strays) > 0 {", new: "		if strays := conversation.Strays(); len(strays) > 1000 {"},
		{name: "a reader that looks only into the covering chunk", invariant: 7, file: "sync/engine/read.go",
			old: "	for _, chunk := range conversation.Chunks {\n		for _, state := range chunk.States {\n			if state.Items > 0 &&", new: "	for i, chunk := range conversation.Chunks {\n		from, to := int64(0), int64(math.MaxInt64)\n		if i > 0 {\n			from = chunk.Identifier.Timestamp\n		}\n		if i+1 < len(conversation.Chunks) {\n			to = conversation.Chunks[i+1].Identifier.Timestamp\n		}\n		for _, state := range chunk.States {\n			if from < r.To && to > r.From && state.Items > 0 &&"},
		{name: "a reader that calls every page complete", invariant: 4, file: "sync/engine/read.go",
			old: "			page.Provisional = true\n", new: "			page.Provisional = false\n"},
		{name: "a join that depends on order", invariant: 6, file: "internal/container/join.go",
			old: "bytes.Compare(a, b)) < 0 {", new: "0) < 0 {"},
	}
}

func deletionMutations() []mutation {
	return []mutation{
		{name: "a purge drops the tombstones", invariant: 3, file: "sync/engine/purge.go",
			old: "	out.written++\n	return e.writeChunk(ctx, out, union, picked)", new: "	union.Tombstones = nil\n	out.written++\n	return e.writeChunk(ctx, out, union, picked)"},
		{name: "removed messages lie there for ever", invariant: 3, file: "sync/engine/purge.go",
			old: "	out, groupContext := e.newOutgoing(ctx)\n	for _, p := range due {", new: "	due = nil\n	out, groupContext := e.newOutgoing(ctx)\n	for _, p := range due {"},
	}
}

func deviceMutations() []mutation {
	return []mutation{
		{name: "an incarnation used again after a restart", invariant: 9, file: "sync/engine/engine.go",
			old: "	e.device = e.randomName(10)\n", new: "	e.device = e.randomName(10)\n	e.incarnation = e.device\n", more: []edit{
				{"sync/engine/engine.go", "		e.device = string(plain)\n", "		e.device, e.incarnation = string(plain), string(plain)\n"}}},
		{name: "a head's name used twice", invariant: 9, file: "sync/engine/heads.go",
			old: "		if err != nil {\n			number :=", new: "		if err != nil {\n			e.sequence--\n			number :="},
		{name: "an error taken for absence", invariant: 4, file: "sync/engine/load.go",
			old: "isAny(err, providers.ErrNotFound, errGone)", new: "isAny(err, providers.ErrNotFound, providers.ErrTransient, providers.ErrRateLimited, providers.ErrUnauthorised, errGone)"},
	}
}

// lyingMutations show in worlds whose place lies.
func lyingMutations() []mutation {
	return []mutation{
		{name: "a rolled-back place accepted in silence", invariant: 9, lies: true, file: "sync/engine/problems.go",
			old: "	key := problemKey(p.Kind, p.Object)\n	old, known", new: "	p.Alarm = false\n	key := problemKey(p.Kind, p.Object)\n	old, known"},
		{name: "no copy is kept of what was written", invariant: 9, lies: true, file: "sync/engine/push.go",
			old: "	return e.o.Cache.Blobs().Put(up.object, up.sealed, false)\n}\n\n// stage", new: "	return nil\n}\n\n// stage"},
	}
}
