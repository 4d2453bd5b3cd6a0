// Package search is full text search over what is on this device: a sealed index of the words of the account's messages,
// in any script, that is built in the background and says what it has not indexed.
//
// [Index] keeps immutable sealed segments in a folder of its own and a buffer in memory; [Index.Update] brings it up to
// date with a [Source], [Index.Search] asks it. Texts are never kept: what a query finds is read from the history before
// it is shown, so what is deleted is never shown, and what can't be read is said.
//
// Place in the import order: above container, seal, thread and cache; below history, api and agent, which hand it the
// history as interfaces.
package search
