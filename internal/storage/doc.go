// Package storage answers the REST interface of a dm3 node's storage service
// for dm3 apps, in two ways behind one handler: from and into the tree of an
// account of this configuration ([Tree]), and, for those who run a node for
// others, as opaque records of many accounts on any place ([Records]).
//
// It holds the login (challenges that count once, tokens), the limits and the
// HTTP server around package dm3api, which knows the wire format.
//
// Import order: beside internal/api, whose accounts it serves; below
// internal/agent and cmd.
package storage
