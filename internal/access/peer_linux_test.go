package access_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/dm3sync/dm3sync/internal/access"
)

// TestLinkOfAnotherUser: a link that stood in a program's arguments is worth
// nothing to other users, and is not used up by them.
func TestLinkOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	r := newRig(t)
	code, _, err := r.gate.NewLink(true)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%s && printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' >&3 && cat <&3`, r.port, access.EnterPath(code), r.address)
	command := exec.Command("bash", "-c", script)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := command.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 403 ") || strings.Contains(string(out), "Set-Cookie") {
		t.Errorf("another user: %s, %v", out, err)
	}
	if got := r.request("GET", access.EnterPath(code), ""); got.status != http.StatusSeeOther {
		t.Errorf("the user: %d", got.status)
	}
}

// TestLinkOfOwnUser: over both kinds of addresses the kernel's table names the
// user, so that a link for the own user works.
func TestLinkOfOwnUser(t *testing.T) {
	r := newRig(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		code, _, err := r.gate.NewLink(true)
		if err != nil {
			t.Fatal(err)
		}
		connection, err := net.Dial("tcp", net.JoinHostPort(host, r.port))
		if err != nil {
			t.Logf("no %s here: %v", host, err)
			continue
		}
		fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", access.EnterPath(code), r.port)
		if got := parse(t, connection); got.status != http.StatusSeeOther {
			t.Errorf("%s: %d %s", host, got.status, got.body)
		}
		connection.Close()
	}
}
