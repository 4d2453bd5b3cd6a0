package readable

import (
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/display"
)

// folderName is the name of a contact's folder: what of the contact's name is harmless, and a piece of its hash, since
// names that look alike must not meet.
func folderName(contact string) string {
	return display.Harmless(contact) + "-" + string(container.Hash(contact))[2:10]
}
