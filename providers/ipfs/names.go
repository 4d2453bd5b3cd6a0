package ipfs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// paths are where a device builds in the node's own tree of files (MFS), which the node's garbage collection spares.
type paths struct {
	base    string // all of it
	head    string // what is published
	objects string
	removed string // marks
	others  string
	kept    string // folders of objects as they were before a removal, for the grace time
	pinned  string // what of the others is pinned
}

func pathsOf(name string) paths {
	base := "/dm3sync/" + name
	return paths{
		base: base, head: base + "/head", objects: base + "/head/own/objects", removed: base + "/head/own/removed",
		others: base + "/head/others", kept: base + "/kept", pinned: base + "/pinned",
	}
}

// entry is one object as a head holds it.
type entry struct {
	name       string // of the object
	generation int    // how often an object of the name was removed before
	cid        string
	size       int64
}

// split gives the folder of an object's name, and its file there without generation. Folders have one level, so that one
// request lists each: "a/b/c" is the file "b+c" of the folder "a", and "a" the file "+".
func split(name string) (folder, file string) {
	folder, rest, deeper := strings.Cut(name, "/")
	if !deeper {
		return folder, "+"
	}
	return folder, strings.ReplaceAll(rest, "/", "+")
}

// join is the inverse of split; false for what no object's name is.
func join(folder, file string) (name string, ok bool) {
	name = folder + "/" + strings.ReplaceAll(file, "+", "/")
	if file == "+" {
		name = folder
	}
	return name, providers.ValidateName(name) == nil
}

// withGeneration is a file's name for a generation: without any for the first.
func withGeneration(file string, generation int) string {
	if generation == 0 {
		return file
	}
	return fmt.Sprintf("%s~%d", file, generation)
}

// cutGeneration is the inverse of withGeneration.
func cutGeneration(text string) (file string, generation int, ok bool) {
	file, number, again := strings.Cut(text, "~")
	if !again {
		return file, 0, true
	}
	generation, err := strconv.Atoi(number)
	return file, generation, err == nil && generation >= 0
}

// markOf is the file that says that the object of the name was removed, up to a generation.
func markOf(name string, generation int) string {
	return fmt.Sprintf("%s~%d", strings.ReplaceAll(name, "/", "+"), generation)
}

// readMark is the inverse of markOf.
func readMark(text string) (name string, generation int, ok bool) {
	file, generation, ok := cutGeneration(text)
	name = strings.ReplaceAll(file, "+", "/")
	return name, generation, ok && providers.ValidateName(name) == nil
}

// stamp says which writer wrote a head: instances are drawn at random where a folder is made, and nonces for each head, so
// that a copy of a node gives itself away.
type stamp struct {
	sequence        int64
	instance, nonce string
}

func (s stamp) String() string { return fmt.Sprintf("at-%d-%s-%s", s.sequence, s.instance, s.nonce) }

func readStamp(text string) (s stamp, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 4 || parts[0] != "at" || parts[2] == "" {
		return stamp{}, false
	}
	sequence, err := strconv.ParseInt(parts[1], 10, 64)
	return stamp{sequence, parts[2], parts[3]}, err == nil && sequence >= 0
}

// relayOf is the link to another device's own folder.
func relayOf(number int, sequence int64) string { return fmt.Sprintf("%d-%d", number, sequence) }

func readRelay(text string) (number int, sequence int64, ok bool) {
	first, second, found := strings.Cut(text, "-")
	number, err := strconv.Atoi(first)
	if err != nil || !found || number < 1 || number > MaxDevices {
		return 0, 0, false
	}
	sequence, err = strconv.ParseInt(second, 10, 64)
	return number, sequence, err == nil && sequence >= 0
}

// keptOf is the link to what was there when something was removed.
func keptOf(at time.Time, cid string) string { return fmt.Sprintf("%d-%s", at.Unix(), cid) }

func readKept(text string) (at time.Time, ok bool) {
	seconds, _, _ := strings.Cut(text, "-")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(unix, 0), err == nil
}
