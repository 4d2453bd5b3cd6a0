package api

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// PipeName is the named pipe that stands for a socket on Windows. Pipes are in
// no folder, so the name is made of the socket's path; it tells nothing of it.
func PipeName(socket string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(socket))) // paths there don't know case
	return `\\.\pipe\dm3sync-` + hex.EncodeToString(sum[:12])
}
