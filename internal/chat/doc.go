// Package chat holds a sample of real chat, and turns chat lines into signed dm3 envelopes, for the demo, tests and
// benchmarks.
//
// The embedded sample is 2,985 messages that people sent each other on Ubuntu's IRC channels in 2013 (source and licence:
// sample.LICENCE.txt). The same code reads the whole corpus of 89,510 messages where it is at hand. The envelopes carry
// real Ed25519 signatures and real message hashes, so that they compress and validate like those of a dm3 client.
//
// Place in the import order: the ground; it imports only the standard library. The product itself never needs it: only
// the demo and tests do.
package chat
