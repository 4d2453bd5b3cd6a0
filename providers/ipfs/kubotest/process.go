package kubotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// Binary is the variable with the path of a real Kubo; .ci/run sets it.
const Binary = "DM3SYNC_TEST_KUBO_BINARY"

// startWait is how long a node may take to come up.
const startWait = 2 * time.Minute

// Process is a real node of the test's own on 127.0.0.1, which knows nobody but those it was connected with.
type Process struct {
	URL     string // of its RPC, the same after a restart
	t       *testing.T
	binary  string
	folder  string
	log     *os.File
	command *exec.Cmd
	wait    func() error
	peers   []*Process
}

// Real tells whether the environment names a real Kubo. Where servers are required it must.
func Real(t *testing.T) bool {
	t.Helper()
	return servertest.Optional(t, Binary) != ""
}

// Start starts a node with an empty repository, or skips the test where the environment names none. It ends with the test.
func Start(t *testing.T) *Process {
	t.Helper()
	p := &Process{t: t, binary: servertest.Named(t, Binary), folder: t.TempDir()}
	var err error
	if p.log, err = os.Create(filepath.Join(p.folder, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.log.Close() })
	if err := p.ipfs("init", "--profile=test").Run(); err != nil {
		t.Fatalf("ipfs init: %v", err)
	}
	_, port, _ := strings.Cut(servertest.FreeAddress(t), ":") // nobody's while the node is down, either
	p.configure("/ip4/127.0.0.1/tcp/" + port)
	t.Cleanup(p.Stop)
	p.Restart()
	return p
}

// ipfs is one run of the program.
func (p *Process) ipfs(arguments ...string) *exec.Cmd {
	command := exec.Command(p.binary, arguments...)
	command.Env = append(os.Environ(), "IPFS_PATH="+filepath.Join(p.folder, "repository"), "IPFS_TELEMETRY=off", "HTTP_PROXY=", "HTTPS_PROXY=")
	command.Stdout, command.Stderr = p.log, p.log
	return command
}

// configure keeps the node on this machine, and its RPC at an address.
func (p *Process) configure(rpc string) {
	p.t.Helper()
	file := filepath.Join(p.folder, "repository", "config")
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		p.t.Fatal(err)
	}
	addresses, ok := config["Addresses"].(map[string]any)
	if !ok {
		p.t.Fatal("the node's configuration has no addresses")
	}
	addresses["API"], addresses["Gateway"], addresses["Swarm"] = rpc, "/ip4/127.0.0.1/tcp/0", []string{"/ip4/127.0.0.1/tcp/0"}
	config["Bootstrap"], config["AutoConf"] = []string{}, map[string]any{"Enabled": false}
	config["Import"] = map[string]any{"UnixFSHAMTDirectorySizeThreshold": "8KiB"} // folders are spread over blocks early
	if text, err = json.Marshal(config); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// Restart starts the node, again where Stop ended it, and connects it with those that it was connected with.
func (p *Process) Restart() {
	p.t.Helper()
	known := filepath.Join(p.folder, "repository", "api")
	os.Remove(known)
	p.command = p.ipfs("daemon")
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.wait = sync.OnceValue(p.command.Wait)
	for end := time.Now().Add(startWait); ; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(known); err == nil && p.answers(strings.TrimSpace(string(text))) {
			break
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(p.log.Name()) // the test fails in any case
			p.t.Fatalf("the node does not come up:\n%s", text[max(0, len(text)-4000):])
		}
	}
	for _, peer := range p.peers {
		p.Connect(peer)
	}
}

// answers takes the address that the node wrote down, /ip4/127.0.0.1/tcp/port, and tells whether the RPC answers there.
func (p *Process) answers(address string) bool {
	parts := strings.Split(address, "/")
	if len(parts) != 5 {
		return false
	}
	p.URL = "http://127.0.0.1:" + parts[4]
	_, err := p.call("version")
	return err == nil
}

// Stop ends the node as kill -9 does.
func (p *Process) Stop() {
	if p.command != nil && p.command.Process != nil {
		_ = p.command.Process.Kill() // it may have ended
		_ = p.wait()                 // it was killed
	}
}

// Connect makes two nodes know each other.
func (p *Process) Connect(other *Process) {
	p.t.Helper()
	answer, err := other.call("id")
	if err != nil {
		p.t.Fatal(err)
	}
	var who struct{ Addresses []string }
	if err := json.Unmarshal(answer, &who); err != nil || len(who.Addresses) == 0 {
		p.t.Fatalf("the node has no address: %v", err)
	}
	var failures []error
	for _, address := range who.Addresses {
		if _, err := p.call("swarm/connect", "arg", address); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) == len(who.Addresses) {
		p.t.Fatal(errors.Join(failures...))
	}
	for _, one := range p.peers {
		if one == other {
			return
		}
	}
	p.peers, other.peers = append(p.peers, other), append(other.peers, p)
}

// Cut separates the node from all others, or joins it to those it was connected with; its RPC goes on.
func (p *Process) Cut(cut bool) {
	p.t.Helper()
	const everybody = "/ip4/127.0.0.0/ipcidr/8"
	if !cut {
		p.must("swarm/filters/rm", "arg", everybody)
		for _, peer := range p.peers {
			p.Connect(peer)
		}
		return
	}
	p.must("swarm/filters/add", "arg", everybody)
	var found struct{ Peers []struct{ Addr, Peer string } }
	if err := json.Unmarshal(p.must("swarm/peers"), &found); err != nil {
		p.t.Fatal(err)
	}
	for _, peer := range found.Peers {
		p.must("swarm/disconnect", "arg", peer.Addr+"/p2p/"+peer.Peer)
	}
}

// Collect runs the node's garbage collection.
func (p *Process) Collect() {
	p.t.Helper()
	p.must("repo/gc")
}

// Gateway is the address of the node's HTTP gateway.
func (p *Process) Gateway() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, "repository", "gateway"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// PinService makes a remote pinning service known to the node.
func (p *Process) PinService(name, address, token string) {
	p.t.Helper()
	p.must("pin/remote/service/add", "arg", name, "arg", address, "arg", token)
}

// Sharded tells whether a folder of the node's tree of files is spread over several blocks.
func (p *Process) Sharded(path string) bool {
	p.t.Helper()
	var found struct{ Hash string }
	if err := json.Unmarshal(p.must("files/stat", "arg", path), &found); err != nil {
		p.t.Fatal(err)
	}
	var block struct{ Data json.RawMessage }
	if err := json.Unmarshal(p.must("dag/get", "arg", found.Hash), &block); err != nil {
		p.t.Fatal(err)
	}
	return strings.Contains(string(block.Data), `"bytes":"CAU`) // UnixFS: field 1 (type) is 5
}

func (p *Process) must(command string, pairs ...string) []byte {
	p.t.Helper()
	answer, err := p.call(command, pairs...)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

func (p *Process) call(command string, pairs ...string) ([]byte, error) {
	values := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), startWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v0/"+command+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", command, answer.Status, text)
	}
	return text, err
}
