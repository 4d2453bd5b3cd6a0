package gdrive

import (
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"google.golang.org/api/drive/v3"
)

// The private properties. A key and its value have at most 124 bytes together, so a name of up to providers.MaxName takes
// two of them; real ones fit into the first.
const (
	keyName   = "name"   // the first nameBytes of an object's whole name
	keyRest   = "name2"  // the rest of it
	keyFolder = "folder" // on the folder: the name that it was made under
	nameBytes = 119
)

const (
	folderType = "application/vnd.google-apps.folder"
	objectType = "application/octet-stream"
)

// containerOf is the part of a name that the file is called by.
func containerOf(name string) string {
	container, _, _ := strings.Cut(name, "/")
	return container
}

// propertiesOf is what a file says of itself.
func propertiesOf(name string) map[string]string {
	if len(name) <= nameBytes {
		return map[string]string{keyName: name}
	}
	return map[string]string{keyName: name[:nameBytes], keyRest: name[nameBytes:]}
}

// nameOf is the object that a file holds. Renamed says that the file was one, and has another name now; other files have
// no name at all.
func nameOf(f *drive.File) (name string, renamed bool) {
	name = f.AppProperties[keyName] + f.AppProperties[keyRest]
	if providers.ValidateName(name) != nil {
		return "", false
	}
	if containerOf(name) != f.Name {
		return "", true
	}
	return name, false
}

// fileOf is what is remembered of a file.
func fileOf(f *drive.File) file { return file{id: f.Id, size: f.Size, md5: f.Md5Checksum} }

// quote makes a text of Drive's query language.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// inFolder is the query for all that lies in the folder, and for one container or name of it.
func inFolder(folder, container, name string) string {
	query := quote(folder) + " in parents and trashed = false"
	if container != "" {
		query += " and name = " + quote(container)
	}
	if name != "" {
		for _, key := range []string{keyName, keyRest} {
			if value, ok := propertiesOf(name)[key]; ok {
				query += fmt.Sprintf(" and appProperties has { key=%s and value=%s }", quote(key), quote(value))
			}
		}
	}
	return query
}
