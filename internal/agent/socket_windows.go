package agent

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"syscall"

	"github.com/Microsoft/go-winio"

	"github.com/dm3sync/dm3sync/internal/api"
)

// listen opens the named pipe that stands for the local socket, for the user
// alone: nobody else may open it, not even the network's version of the user. A
// pipe of that name that another process has is never joined.
func listen(path string) (net.Listener, error) {
	owner, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("agent: asking who the user is: %w", err)
	}
	listener, err := winio.ListenPipe(api.PipeName(path), &winio.PipeConfig{
		// Denied to the network, then everything to the user; nothing inherited.
		SecurityDescriptor: "D:P(D;;GA;;;NU)(A;;GA;;;" + owner.Uid + ")",
	})
	if errors.Is(err, syscall.ERROR_ACCESS_DENIED) {
		return nil, fmt.Errorf("agent: %w on %s, or another user has taken its name; stop it, or set another socket", ErrRunning, path)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: opening the named pipe: %w", err)
	}
	return listener, nil
}
