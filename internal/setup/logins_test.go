package setup

import (
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/login"
)

// TestLoginsBegunAtOnce: of two logins for one place that begin at once, as by a double click, one waits, and the other one is
// given up: nothing holds its port, and nothing has to wait for its end.
func TestLoginsBegunAtOnce(t *testing.T) {
	const clicks = 2
	folder := filepath.Join(t.TempDir(), "account")
	var together sync.WaitGroup
	together.Add(clicks)
	open := func() (*login.Login, error) {
		together.Done()
		together.Wait() // neither sees the other one
		return login.Open(login.Options{
			Place:  login.Place{ClientID: "client", AuthURL: "http://127.0.0.1:1/auth", TokenURL: "http://127.0.0.1:1/token"},
			Folder: folder, Unlock: func() ([32]byte, error) { return [32]byte{}, nil },
		})
	}
	logins := &Logins{}
	begun := make(chan api.LoginStatus, clicks)
	for range clicks {
		go func() {
			status, err := logins.Start("alice.eth", "", time.Now, open, nil)
			if err != nil {
				t.Error(err)
			}
			begun <- status
		}()
	}
	both := []api.LoginStatus{<-begun, <-begun}
	now := logins.Status("alice.eth", "")
	for _, status := range both {
		if status.Redirect != now.Redirect {
			gone(t, status.Redirect)
		}
	}
	if now.State != api.LoginWaiting || !answers(t, now.Redirect) || both[0].Redirect == both[1].Redirect {
		t.Errorf("%+v", now)
	}
	logins.Close()
	gone(t, now.Redirect)
}

// answers tells whether something listens at an address of this machine.
func answers(t *testing.T, address string) bool {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", parsed.Host)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// gone waits until nothing listens there.
func gone(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); answers(t, address); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s still listens", address)
		}
	}
}

// TestNoLoginAfterTheEnd: a login that begins when all have been given up holds no port.
func TestNoLoginAfterTheEnd(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "account")
	logins := &Logins{}
	open := func() (*login.Login, error) {
		logins.Close() // just before it waits
		return login.Open(login.Options{
			Place:  login.Place{ClientID: "client", AuthURL: "http://127.0.0.1:1/auth", TokenURL: "http://127.0.0.1:1/token"},
			Folder: folder, Unlock: func() ([32]byte, error) { return [32]byte{}, nil },
		})
	}
	status, err := logins.Start("alice.eth", "", time.Now, open, nil)
	if err == nil || status.State == api.LoginWaiting || logins.Status("alice.eth", "").State != api.LoginNone {
		t.Errorf("%+v, %v", status, err)
	}
}
