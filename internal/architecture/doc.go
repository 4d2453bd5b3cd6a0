// Package architecture holds the house rules that a compiler doesn't: tests that read the source of the whole module and
// fail on an import that runs up, on a missing doc comment, on files and functions that grew too long, and on visible names
// at the top level that don't belong there.
//
// Place in the import order: none; it imports only the standard library, and nothing imports it. A rule is changed here,
// in the same commit as the code that needs the change, with the reason beside it.
package architecture
