// Package mirror keeps further places of one account like its own: it copies what
// they lack, removes there what is superseded, fills the account's own place again
// from them, and moves an account (design page, part 3; record 21).
//
// What a reader should know before the code: objects are immutable, their names are
// random and the same at every place, and they are sealed for the account, not for a
// place. So places are copied object by object, verbatim, and every copy is a whole
// account. A mirror follows the catalogue of the engine, never the mere listing of
// the account's place, so that a wiped or rolled-back place empties no mirror; and
// nothing leaves a mirror before all that it holds was found in states in use.
//
// Import order: beside sync/engine, which it asks; above cache and providers; below
// internal/agent.
package mirror
