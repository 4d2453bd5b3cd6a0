package dm3node

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// What a node sees of dm3sync begins so. The app's names are base64 of JSON and begin with "eyJ".
const (
	ownPrefix  = "dm3sync."
	indexNames = ownPrefix + "i."
	laneNames  = ownPrefix + "b."
)

// buckets is how many indexes there are: part of the format.
const buckets = 32

// bucketOf is the index of an object, by the container's part of its name.
func bucketOf(container string) int {
	sum := sha256.Sum256([]byte(container))
	return int(sum[0]) % buckets
}

// containerOf is the part of a name or prefix before its first slash; whole tells whether there is one.
func containerOf(name string) (container string, whole bool) {
	container, _, whole = strings.Cut(name, "/")
	return container, whole
}

// indexName is the conversation of an index's generation: nobody can guess it who doesn't know the partition.
func (s *Store) indexName(bucket, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "dm3sync index\x00%s\x00%d\x00%d", s.options.Partition, bucket, generation))
	return indexNames + hex.EncodeToString(sum[:16])
}

// randomID is a text of 32 hex digits that nobody had before.
func randomID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand
	return hex.EncodeToString(random[:])
}
