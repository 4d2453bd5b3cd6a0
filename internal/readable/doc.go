// Package readable writes conversations as plaintext that people and other programs read: HTML, Markdown or JSON Lines, into
// a folder of its own.
//
// All that comes from messages is hostile. HTML has no script, a policy that allows none and no request, and text only
// through html/template; Markdown has every sign escaped and every line quoted; names of files are made here. Files appear
// whole or not at all, readable by their owner alone, and never take the place of one that is not this package's.
//
// Memory is bounded by a page (a few hundred entries, some megabytes) and by about 100 bytes for each record of the
// conversation that is written (package thread).
//
// Place in the import order: beside history; it reads through an interface, and knows no keys and no places.
package readable
