package storage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// How records lie at a place. Nothing is ever changed: a record's edit is one more
// object, and of several the greatest counts, by a rule that any instance applies to
// what it lists. All that listing, ordering and counting need stands in the names.
//
//	accounts/<account>/profile/<digest>              a registered profile
//	accounts/<account>/c/<conversation>/l<revision>.<created>.<digest>   name and location
//	accounts/<account>/c/<conversation>/h<revision>.<0|1>                hidden or not
//	accounts/<account>/m/<conversation>/<created>.<record>.<revision>.<h|n>.<digest>
//	accounts/<account>/m/<conversation>/p.<last>.<count>.<index>.<digest>   a pack
//
// Account and conversation are hashes: the place learns neither names nor who has to
// do with whom. Numbers are hex and of fixed length, so that they sort as texts.

// accountFolder is the beginning of all names of an account.
func accountFolder(account string) string {
	return "accounts/" + digest("account", account)[:40] + "/"
}

// conversationID stands for a contact of an account.
func conversationID(account, contact string) string {
	return digest("conversation", account, contact)[:32]
}

func conversationPrefix(account, conversation string) string {
	return accountFolder(account) + "c/" + conversation + "/"
}

func messagePrefix(account, conversation string) string {
	return accountFolder(account) + "m/" + conversation + "/"
}

// digest hashes texts so that no two lists of them collide.
func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part) // a hash takes everything
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// version is one state of a record, as its name tells it.
type version struct {
	created  int64  // Unix milliseconds
	id       string // 32 hex digits of the stored identifier
	revision uint32
	halted   bool
	digest   string // 16 hex digits, of the container

	object         string // that holds it
	offset, length int64  // in a pack; length 0: the whole object
	size           int64  // of what is to be read, in bytes
}

// alone tells whether a version has an object of its own.
func (v version) alone() bool { return v.length == 0 }

// packable tells whether a version that lies alone should not. Large ones may: reading
// a page must not mean reading pack after pack of them.
func (v version) packable() bool { return !v.halted && v.size <= packBytes/8 }

// recordID is the part of a stored identifier that names carry.
func recordID(storedID string) string {
	id := strings.TrimPrefix(storedID, "0x")
	if len(id) < 32 {
		return digest("odd identifier", storedID)[:32] // nobody's, and harmless in a name
	}
	return digest("record", id)[:32]
}

// name is the last part of the name of a version that lies alone.
func (v version) name() string {
	flag := "n"
	if v.halted {
		flag = "h"
	}
	return fmt.Sprintf("%s.%s.%08x.%s.%s", formatTime(v.created), v.id, v.revision, flag, v.digest)
}

// parseVersion reads such a part; false for anything else.
func parseVersion(name string) (v version, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 5 || len(parts[0]) != 14 || len(parts[1]) != 32 || len(parts[2]) != 8 || len(parts[4]) != 16 {
		return version{}, false
	}
	created, err := parseTime(parts[0])
	revision, err2 := strconv.ParseUint(parts[2], 16, 32)
	if err != nil || err2 != nil || parts[3] != "h" && parts[3] != "n" {
		return version{}, false
	}
	return version{created: created, id: parts[1], revision: uint32(revision), halted: parts[3] == "h", digest: parts[4]}, true
}

// compare orders the versions of one record: the greatest counts.
func (v version) compare(other version) int {
	return cmp.Or(cmp.Compare(v.revision, other.revision), cmp.Compare(v.digest, other.digest), cmp.Compare(v.object, other.object))
}

// packName is what the name of a pack tells: the last time of creation in it, how many
// records it has, and how long its index is.
type packName struct {
	last         int64
	count, index int64
	digest       string
}

func (p packName) String() string {
	return fmt.Sprintf("p.%s.%08x.%08x.%s", formatTime(p.last), p.count, p.index, p.digest)
}

func parsePackName(name string) (p packName, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 5 || parts[0] != "p" || len(parts[4]) != 32 {
		return packName{}, false
	}
	last, err := parseTime(parts[1])
	count, err2 := strconv.ParseInt(parts[2], 16, 64)
	index, err3 := strconv.ParseInt(parts[3], 16, 64)
	return packName{last, count, index, parts[4]}, err == nil && err2 == nil && err3 == nil
}

// firstDate is the first moment of JavaScript's dates, in milliseconds: names count
// from there, so that they hold no signs.
const firstDate = -8_640_000_000_000_000

func formatTime(at int64) string { return fmt.Sprintf("%014x", at-firstDate) }

func parseTime(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 16, 64)
	return number + firstDate, err
}
