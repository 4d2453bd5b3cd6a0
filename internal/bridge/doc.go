// Package bridge connects an account with the services of dm3 apps: the storage service of a dm3
// node, where an app keeps each message as a record of its own, and the delivery service, where
// messages wait for their receiver. internal/docs/bridge.md says what comes of it.
//
// [Codec] translates: names and records as the app encrypts them, and, with [FromStorage] and
// [ToStorage], envelopes of the tree and back. [Bridge] moves: what waits is picked up, what the node
// has is taken, what it lacks is handed over. [Notes] say what was found out about a message, its
// signature above all.
//
// Whatever is done may be done again: the tree unites, a node refuses what it has, and an
// acknowledgement follows what is durable. What is remembered between passes only saves work.
//
// Place in the import order: beside internal/history, which it writes through; above the cache,
// internal/dm3api and the ground packages.
package bridge
