package login

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// errNoDesktop says that a browser has nowhere to appear.
var errNoDesktop = errors.New("there is no desktop here")

// SystemBrowser opens addresses in the user's browser: the command in $BROWSER, else the system's own way. The address
// is all that the command gets; it holds no secret, since other users may see the arguments of programs. The result
// returns as soon as the browser was started.
func SystemBrowser(getenv func(name string) string) func(ctx context.Context, address string) error {
	return func(_ context.Context, address string) error {
		arguments, err := browserCommand(runtime.GOOS, getenv, address)
		if err != nil {
			return err
		}
		// Not bound to the context: the browser stays when the login is over.
		command := exec.Command(arguments[0], arguments[1:]...)
		if err := command.Start(); err != nil {
			return fmt.Errorf("starting %s: %w", arguments[0], err)
		}
		go func() { _ = command.Wait() }() // so that no zombie stays; the address is shown in any case
		return nil
	}
}

// browserCommand is what opens an address on a system.
func browserCommand(system string, getenv func(string) string, address string) ([]string, error) {
	// Like others, take the first of a list; %s stands for the address.
	first, _, _ := strings.Cut(getenv("BROWSER"), ":")
	if words := strings.Fields(first); len(words) > 0 && system != "windows" {
		if !strings.Contains(first, "%s") {
			return append(words, address), nil
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%s", address)
		}
		return words, nil
	}
	switch system {
	case "darwin":
		return []string{"open", address}, nil
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", address}, nil
	}
	if getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
		return nil, errNoDesktop // xdg-open would start one for terminals, in this terminal
	}
	return []string{"xdg-open", address}, nil
}
