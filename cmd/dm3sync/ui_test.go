package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// visitMain is the scripts' browser: "visit ADDRESS" opens an address, keeps
// cookies on the way, and shows where it ended, or writes that into the file
// $VISITED, whole. As browsers do, it finds names under localhost here.
func visitMain() {
	if err := visit(os.Args[1], os.Getenv("AUTHORIZATION")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func visit(address, authorization string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	dialer := &net.Dialer{}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, _ := net.SplitHostPort(address)
		if strings.HasSuffix(host, ".localhost") {
			host = "127.0.0.1"
		}
		return dialer.DialContext(ctx, network, net.JoinHostPort(host, port))
	}}}
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	text := fmt.Sprintf("%d %s %d cookies\n%s\n", response.StatusCode, response.Request.URL.RequestURI(), len(jar.Cookies(response.Request.URL)), body)
	if file := os.Getenv("VISITED"); file != "" {
		return errors.Join(err, os.WriteFile(file+".part", []byte(text), 0o600), os.Rename(file+".part", file))
	}
	fmt.Print(text)
	return err
}

// linkCommand is "link": it sets LINK to what the last command printed.
func linkCommand(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("LINK", strings.TrimSpace(ts.ReadFile("stdout")))
}

// bearerCommand is "bearer FILE": visits show the token in the file from now on.
func bearerCommand(ts *testscript.TestScript, _ bool, arguments []string) {
	ts.Setenv("AUTHORIZATION", "Bearer "+strings.TrimSpace(ts.ReadFile(arguments[0])))
}

func TestForwarding(t *testing.T) {
	for want, parts := range map[string][2]string{
		"ssh -N -L 8485:127.0.0.1:8485 192.0.2.7": {"127.0.0.1:8485", "192.0.2.1 50000 192.0.2.7 22"},
		"ssh -N -L 8485:[::1]:8485 this-host":     {"[::1]:8485", "odd"},
	} {
		if got := forwarding(parts[0], parts[1]); !strings.Contains(got, want) {
			t.Errorf("%v: %s", parts, got)
		}
	}
}
