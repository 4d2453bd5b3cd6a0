//go:build race

package container

// raceEnabled says that pools drop some of what they are given.
const raceEnabled = true
