// Package watch tells people and their monitors how an agent goes, unasked: it
// decides what deserves a notice, gives notices and heartbeats, and serves
// metrics and health.
//
// Everything follows from what an account's status says, and from how long it has
// said so while this device was awake. Wall clocks decide nothing: a device that
// sleeps or whose clock jumps has waited no longer for that.
//
// Import order: beside internal/api, whose statuses it reads; below internal/agent.
package watch
