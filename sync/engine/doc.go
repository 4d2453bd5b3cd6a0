// Package engine runs one account at one provider: it journals what is
// appended, and in passes pulls heads, merges, pushes states, confirms, and
// keeps the containers in shape (design page, parts 3 to 5).
//
// What a reader should know before the code: objects at the provider never
// change; a head says what a device wrote; the union of all live heads is the
// catalogue; an item leaves the journal only after the catalogue was read once
// more; and an object is removed only in favour of one that names it as
// replaced and was read back.
//
// Import order: above sync/reconcile, cache, providers and the ground packages
// container and seal; below internal/history and internal/agent.
package engine
