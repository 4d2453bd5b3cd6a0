// Package display makes what messages and names say harmless to show: texts, links, attachments, names of files.
//
// All that goes in is hostile. Escaping for HTML or Markdown is the page's work; this package takes out what escaping leaves,
// such as control characters, turns of the direction of writing in one line, addresses that lead elsewhere than they read, and
// images that are none.
//
// Place in the import order: above thread, below readable and webui. It is pure: no storage, no clock, no output.
package display
