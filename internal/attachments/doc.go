// Package attachments archives what messages only refer to: it fetches https: and ipfs: addresses when the user asks for
// that, and keeps the bytes sealed and addressed by their content.
//
// Every address comes from somebody else. So nothing is fetched from private, loopback or otherwise special networks,
// which is decided at the address that is really dialled, for each redirect anew; no proxy, cookie, referrer, login or
// compression is used; sizes, types, times and numbers are bounded; and what comes is kept, never looked into.
//
// Place in the import order: beside the providers. It imports seal for its cipher, and providers/transport for its
// watchdog; it knows no messages and no tree.
package attachments
