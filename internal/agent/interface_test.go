package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/access"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/servertest"
)

// startAgent runs an agent until the test ends.
func (d *device) startAgent() (*Agent, *Client) {
	d.t.Helper()
	a, err := New(d.config, d.options)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
	var client *Client
	wait(d.t, "the agent", func() bool {
		client, err = Dial(d.config.Data)
		return err == nil
	})
	d.t.Cleanup(func() { _ = client.Close() })
	return a, client
}

// browser finds names under localhost here, and keeps cookies.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	return &http.Client{Jar: jar, Transport: transport}
}

// ask sends a request as the own page does, and returns the status.
func ask(t *testing.T, client *http.Client, method, address string, lines ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "http://"+request.URL.Host)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestInterfaceForABrowser: a link opens the listener, and when the last browser
// has left it is closed. What only the socket may be asked for is not there.
func TestInterfaceForABrowser(t *testing.T) {
	a, client := newDevice(t, "alice.eth").startAgent()
	link, err := client.NewLink(t.Context(), api.LinkOptions{OwnUser: true})
	if err != nil {
		t.Fatal(err)
	}
	page := browser(t)
	ask(t, page, http.MethodGet, link.URL)
	base, _, _ := strings.Cut(link.URL, "/enter")
	if status := ask(t, page, http.MethodGet, base+"/v1/status"); status != http.StatusOK {
		t.Errorf("the status: %d", status)
	}
	for _, path := range []string{"/v1/access/link", "/v1/access/token"} {
		if status := ask(t, page, http.MethodPost, base+path); status != http.StatusNotFound {
			t.Errorf("%s over loopback: %d", path, status)
		}
	}
	a.loopback.tend()
	if status := ask(t, page, http.MethodGet, base+"/v1/status"); status != http.StatusOK {
		t.Errorf("the listener was closed under a browser: %d", status)
	}
	if status := ask(t, page, http.MethodPost, base+"/leave"); status != http.StatusOK {
		t.Errorf("leaving: %d", status)
	}
	a.loopback.tend()
	wait(t, "the listener's end", func() bool {
		connection, err := net.Dial("tcp", link.Address)
		if err == nil {
			connection.Close()
		}
		return err != nil
	})
	if again, err := client.NewLink(t.Context(), api.LinkOptions{}); err != nil || ask(t, browser(t), http.MethodGet, again.URL) == http.StatusForbidden {
		t.Errorf("a link afterwards: %v", err)
	}
}

// TestInterfaceWaitsForItsPort: somebody else has it. The agent works, and takes
// the port as soon as it is free.
func TestInterfaceWaitsForItsPort(t *testing.T) {
	other, err := net.Listen("tcp", servertest.FreeAddress(t)) // nobody's outgoing connection takes it meanwhile
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, "alice.eth")
	d.config.Interface.Listen = other.Addr().String()
	a, client := d.startAgent()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.NewLink(t.Context(), api.LinkOptions{}); err == nil {
		t.Error("there is a link to somebody else's port")
	}
	token, err := client.ReplaceToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	a.loopback.tend()
	base := "http://" + d.config.Interface.Listen
	if status := ask(t, browser(t), http.MethodGet, base+"/v1/status", "Authorization: Bearer "+token); status != http.StatusOK {
		t.Errorf("with the token: %d", status)
	}
	if status := ask(t, browser(t), http.MethodGet, base+"/v1/status"); status != http.StatusUnauthorized {
		t.Errorf("without: %d", status)
	}
}

// TestDamagedTokenFile: it keeps nobody's history from being kept, and a new
// token mends it.
func TestDamagedTokenFile(t *testing.T) {
	d := newDevice(t, "alice.eth")
	file := filepath.Join(d.config.Data, access.TokenName)
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, client := d.startAgent()
	until(t, client, "alice.eth", isOpen)
	if _, err := client.NewLink(t.Context(), api.LinkOptions{}); err == nil || !strings.Contains(err.Error(), "dm3sync token --new") {
		t.Errorf("a link with a damaged token: %v", err)
	}
	token, err := client.ReplaceToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(kept)) != token {
		t.Errorf("the file holds another token, error %v", err)
	}
	if _, err := client.NewLink(t.Context(), api.LinkOptions{}); err != nil {
		t.Errorf("a link afterwards: %v", err)
	}
}
