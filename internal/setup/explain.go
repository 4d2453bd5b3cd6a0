package setup

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/login"
	"github.com/dm3sync/dm3sync/providers"
)

// Explain is an error of this package, or of a place, as sentences for people: the reason, then the way out.
func Explain(err error) string {
	reason, way := Reason(err), WayOut(err)
	if way == "" {
		return reason
	}
	return reason + " " + way
}

// Reason is an error as a sentence.
func Reason(err error) string {
	text := err.Error()
	for again := true; again; {
		again = false
		for _, prefix := range []string{
			"agent: ", "opening the place: ", "preparing the login: ", "setup: ", "config: ", "configuration: ", "login: ", "reaching the place: ", "checking the place: ",
			ErrAnswers.Error() + ": ", ErrOrder.Error() + ": ",
		} {
			if rest, ok := strings.CutPrefix(text, prefix); ok {
				text, again = rest, true
			}
		}
	}
	if first, size := utf8.DecodeRuneInString(text); unicode.IsLower(first) && !technical.MatchString(text) {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	return strings.TrimRight(text, ".") + "."
}

// technical is a text that begins with the name of a package or a setting, which stays as it is.
var technical = regexp.MustCompile(`^[a-z0-9_.]+(:|[._])`)

// WayOut is what to do about an error, as a sentence; empty where the error says that itself.
func WayOut(err error) string {
	for _, way := range []struct {
		target   error
		sentence string
	}{
		{login.ErrNeeded, "Log in to the place, below; then it is tried again."},
		{login.ErrClient, "Check the client id and its secret."},
		{providers.ErrUnauthorised, "Check user name and password, and that this login may write there."},
		{providers.ErrQuota, "Make room there, or choose another place."},
		{providers.ErrRateLimited, "Wait a while, then try again."},
		{fs.ErrNotExist, "Check the path: a part of it is not there."},
		{fs.ErrPermission, "Choose a folder that you may write to, or change its permissions."},
		{syscall.ENOTDIR, "A part of the path is a file; choose another folder."},
		{syscall.EROFS, "That disk can't be written to; choose another folder."},
		{providers.ErrTransient, "Check the address and the network, then try again."},
		{providers.ErrNotFound, "Check the address: there is nothing there."},
		{keyring.ErrNoVault, "Keep the secret in a file."},
		{context.Canceled, "It was stopped; try again when you like."},
	} {
		if errors.Is(err, way.target) {
			return way.sentence
		}
	}
	return ""
}
