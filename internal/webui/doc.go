// Package webui is the page of a running agent: server-rendered HTML that works without script where it can, with a little
// script that keeps it fresh. Everything that it needs is embedded; a browser loads nothing from elsewhere, and runs nothing
// that stands inside a page.
//
// Pages are registered in one table, [pages]; each lives in a file of its own, with a template of the same name. What comes
// from messages, names, places and servers is hostile: templates escape it, and the functions of names.go cap and isolate it.
//
// Access is not checked here: see internal/access. Import order: above internal/api, below internal/agent.
package webui
