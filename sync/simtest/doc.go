// Package simtest runs several devices of one account against one place that
// misbehaves, with crashes at any request, all drawn from one seed, and checks
// what must always hold: what was acknowledged is there in the end, on every
// device, nothing removed comes back, and the tree verifies clean.
//
// It holds tests only. Import order: above sync/engine; nothing imports it.
package simtest
