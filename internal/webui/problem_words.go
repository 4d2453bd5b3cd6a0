package webui

import (
	"github.com/dm3sync/dm3sync/internal/display"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// wordsOf explains a problem of an account's own place; mirrorWordsOf, one of a mirror.
func wordsOf(p engine.Problem) display.Problem {
	if providertest.IsLeftover(p.Object) {
		return display.Problem{
			Title:   "An object of a check lies at the place",
			Meaning: "`dm3sync check` wrote it; the check runs now, or was interrupted.",
			Way:     "Run `dm3sync check` once more, and it removes what is left.",
		}
	}
	if known, ok := display.AccountProblem(p.Kind); ok {
		return known
	}
	return display.Problem{Title: "Something is wrong: " + line(p.Kind, nameLetters), Way: "`dm3sync verify` says more."}
}

func mirrorWordsOf(p engine.Problem) display.Problem {
	if known, ok := display.MirrorProblem(p.Kind); ok {
		return known
	}
	return wordsOf(p)
}
