package webdav

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// Files and collections have different endings, so that no object's file can be the collection of another one, and no
// server takes a name's end for a type of its own. Valid names hold no character that a URL would have to escape.
const (
	fileEnding       = ".o"
	collectionEnding = ".d"
	spreadLength     = 2
)

// markerName is the file in the base collection that says whose it is.
const markerName = "dm3sync.txt"

const markerText = "dm3sync keeps encrypted objects in this folder. Don't change, rename or remove anything in it.\n"

// spread is the collection that holds a container's, one of 256.
func spread(container string) string {
	sum := sha256.Sum256([]byte(container))
	return hex.EncodeToString(sum[:1])
}

// split returns the path of the collection that holds an object's file, ending in "/", and the file's name.
func split(name string) (collection, file string) {
	parts := strings.Split(name, "/")
	var path strings.Builder
	path.WriteString(spread(parts[0]) + "/")
	for _, part := range parts[:len(parts)-1] {
		path.WriteString(part + collectionEnding + "/")
	}
	return path.String(), parts[len(parts)-1] + fileEnding
}

// objectName returns the name of the object that a file keeps; folder is "" or the name of the folder with "/".
func objectName(folder, file string) (name string, ok bool) {
	part, ok := strings.CutSuffix(file, fileEnding)
	return folder + part, ok && providers.ValidateName(folder+part) == nil
}

// folderName returns the folder that a collection stands for, ending in "/".
func folderName(folder, collection string) (name string, ok bool) {
	part, ok := strings.CutSuffix(collection, collectionEnding)
	return folder + part + "/", ok && providers.ValidateName(folder+part) == nil
}

// matches reports whether names that begin with folder may begin with prefix too.
func matches(folder, prefix string) bool {
	return strings.HasPrefix(folder, prefix) || strings.HasPrefix(prefix, folder)
}

// address is the URL of a path below the base collection.
func (s *Store) address(path string) *url.URL {
	address := *s.base
	if moved := s.moved.Load(); moved != nil {
		address.Scheme, address.Host = moved.Scheme, moved.Host
	}
	address.Path += path
	if address.RawPath != "" {
		address.RawPath += path
	}
	return &address
}
