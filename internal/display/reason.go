package display

import (
	"context"
	"strings"
)

// Reason makes the text of an error one for people: the names of this program's packages go, which say where in the code
// it arose, and what Go calls an interruption gets plain words. The kinds of places stay, for they say whose answer it was.
// Text that is no error's comes back as it is.
func Reason(text string) string {
	parts := strings.Split(text, ": ")
	kept := make([]string, 0, len(parts))
	for i, part := range parts {
		if i < len(parts)-1 && isPackage(part) {
			continue
		}
		switch part {
		case context.Canceled.Error():
			part = "it was interrupted"
		case context.DeadlineExceeded.Error():
			part = "it took too long"
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ": ")
}

// isPackage knows the packages that begin their errors with their name; TestReasonKnowsThePackages holds it to the source. No
// rule could tell such a name from a word that means something ("configuration: ", "pass: ", "webdav: ").
func isPackage(word string) bool {
	switch word {
	case "access", "agent", "all", "api", "archive", "attachments", "bridge", "cache", "chat", "client", "config", "container", "display", "dm3api", "doctor",
		"engine", "history", "identity", "keyring", "limits", "local", "login", "mirror", "providers", "providertest", "readable", "seal",
		"search", "service", "setup", "storage", "transport", "watch", "webui":
		return true
	}
	return false
}
