// Package simtest tries the promise that nothing is ever lost: it runs whole
// worlds of devices, places and faults, each drawn from one seed, and checks
// what must hold when all is quiet again.
//
// A world runs inside a testing/synctest bubble, so time is virtual, and every
// request to a place waits for a scheduler, so which device comes next is drawn
// from the seed as well: a seed means the same history each time. Engine,
// reconcile, cache and seal are the real ones; the disk below the cache
// (cache/cachetest) and the places are in memory and can do what real ones do
// at their worst. A history is a list of steps that were drawn beforehand; a
// seed that fails is cut down to the shortest history that still fails, which
// is printed with the line that runs it again.
//
// It holds tests only. Import order: above sync/engine; nothing imports it.
package simtest
