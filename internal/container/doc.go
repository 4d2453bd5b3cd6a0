// Package container holds the tree that dm3 keeps conversations in: a root
// that lists contacts, a conversation that lists chunks, and chunks that hold
// messages; their derived keys, their canonical JSON text, and the pure union
// by which two states of one container become one.
//
// Sources: the specification's page "Data Structure", and for everything it
// leaves open the behaviour of upstream's published packages, which the
// vectors in testdata freeze.
//
// Import order: this package is at the ground. It imports the standard library
// only and knows nothing of encryption, providers or accounts.
package container
