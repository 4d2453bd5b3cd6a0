// Package benchmark measures the whole way of a message, on the whole corpus
// of real chat, as ratios within one run: import against zstd alone, a live
// trace against the bytes of its messages, and what a device holds in memory.
// It holds tests only. Where the corpus is not there, the embedded sample takes
// its place and says so.
//
// Import order: above everything but cmd and agent; nothing imports it.
package benchmark
