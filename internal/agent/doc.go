// Package agent puts dm3sync together: it opens accounts (secret, cache,
// provider, engine, history), and runs all of a configuration's accounts side
// by side with their schedules and spools, behind a local socket.
//
// Import order: above internal/api, internal/config and everything below them;
// below cmd. Decorators are put around providers here, and nowhere else.
//
// No account waits for another: each has goroutines of its own, and a provider
// that hangs, or an account that cannot be opened, shows in the status and
// changes nothing elsewhere. What is appended goes to the journal whether the
// provider answers or not.
package agent
