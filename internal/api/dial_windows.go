package api

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// errForeignPipe says that another user has the pipe's name: what is sent there
// would be that user's to read.
var errForeignPipe = errors.New("the named pipe belongs to another user")

// dialSocket connects to the agent's named pipe, if it is the user's own: while
// no agent runs, anybody may make one of that name.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	connection, err := winio.DialPipeContext(ctx, PipeName(path))
	if err != nil {
		return nil, err
	}
	if err := checkOwner(connection); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return connection, nil
}

func checkOwner(connection net.Conn) error {
	pipe, ok := connection.(interface{ Fd() uintptr })
	if !ok {
		return fmt.Errorf("api: %w: it can't be told whose it is", errForeignPipe)
	}
	security, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("api: asking whose the named pipe is: %w", err)
	}
	owner, _, err := security.Owner()
	if err != nil {
		return fmt.Errorf("api: asking whose the named pipe is: %w", err)
	}
	own, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("api: asking who the user is: %w", err)
	}
	// What an administrator's elevated process makes belongs to all of them; they
	// can read everything anyway.
	if !owner.Equals(own.User.Sid) && !owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) && !owner.IsWellKnown(windows.WinLocalSystemSid) {
		return errForeignPipe
	}
	return nil
}
