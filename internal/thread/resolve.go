package thread

// Why says why a record that acts upon another does not count, and is shown as what it is.
type Why uint8

// The reasons.
const (
	// Counts: it shows at what it acts upon; or it acts upon nothing.
	Counts Why = iota
	// NoTarget: what it names is not among the records.
	NoTarget
	// NotAuthor: an edit or deletion of what somebody else said.
	NotAuthor
	// NoEffect: what it names can't be edited, deleted, reacted to or received: a receipt, for example, or by its own author.
	NoEffect
)

// resolve finds what a fact acts upon, and whether it counts. References are hashes of what was there before, so chains
// end; but names that are only claimed can make a circle, which ends here without a target.
func (x *Index) resolve(i int32) {
	f := &x.facts[i]
	if f.state != stateNew {
		return
	}
	f.state = stateBusy
	defer func() { f.state = stateDone }()
	if !f.kind.acts() && f.kind != KindReply {
		return
	}
	t := x.lookup(f)
	if t < 0 || t == i {
		f.why = NoTarget
		return
	}
	target := &x.facts[t]
	if target.kind == KindEdit {
		x.resolve(t)
		if target.state == stateBusy {
			f.why = NoTarget
			return
		}
	}
	if f.why = x.verdict(f, target); f.why == Counts {
		f.target = x.root(t)
	}
}

// root is the message that an edit which counts belongs to; anything else is its own.
func (x *Index) root(t int32) int32 {
	if f := &x.facts[t]; f.kind == KindEdit && f.why == Counts && f.target >= 0 {
		return f.target
	}
	return t
}

// verdict tells whether a fact may act upon its target.
func (x *Index) verdict(f, target *fact) Why {
	same := x.sameAuthor(f, target)
	switch f.kind {
	case KindEdit, KindDelete:
		if !target.kind.isMessage() && (f.kind == KindEdit || target.kind != KindReaction) {
			return NoEffect
		}
		if !same {
			return NotAuthor
		}
	case KindReceived, KindOpened:
		if same || !target.kind.isMessage() {
			return NoEffect
		}
	default:
		if !target.kind.isMessage() {
			return NoEffect
		}
	}
	return Counts
}
