package s3

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
	"net/http/httptrace"
)

type noisy struct {
	net.Conn
	mu sync.Mutex
	log []string
}

func (n *noisy) Read(p []byte) (int, error) { k, err := n.Conn.Read(p); n.add(fmt.Sprintf("read %d %v", k, err)); return k, err }
func (n *noisy) Write(p []byte) (int, error) { k, err := n.Conn.Write(p); n.add(fmt.Sprintf("write %d %v %.20q", k, err, p)); return k, err }
func (n *noisy) add(s string) { n.mu.Lock(); n.log = append(n.log, time.Now().Format("05.000000 ")+s); if len(n.log) > 14 { n.log = n.log[1:] }; n.mu.Unlock() }
func (n *noisy) Close() error {
	n.add("close "+string(debug.Stack()))
	return n.Conn.Close()
}

func TestDebug(t *testing.T) {
	_ = httptrace.ContextClientTrace
	var mu sync.Mutex
	var all []*noisy
	s, err := New(context.Background(), os.Getenv("B"), &Options{Endpoint: os.Getenv("DM3SYNC_TEST_MINIO"), PathStyle: true, Region: "us-east-1", AccessKey: "testkey", SecretKey: "testsecret"})
	if err != nil { t.Fatal(err) }
	dial := s.transport.DialContext
	s.transport.DialContext = func(ctx context.Context, a, b string) (net.Conn, error) {
		c, err := dial(ctx, a, b)
		if err != nil { return nil, err }
		n := &noisy{Conn: c}
		mu.Lock(); all = append(all, n); mu.Unlock()
		return n, nil
	}
	names := []string{}
	for i := range 1050 { names = append(names, fmt.Sprintf("0x%064x/n%d", i, i)) }
	for i := range 60 {
		if err := s.Delete(context.Background(), names...); err != nil {
			port := strings.Split(strings.Split(err.Error(), "->")[0], "127.0.0.1:")
			t.Log(i, err)
			for _, n := range all {
				if strings.HasSuffix(n.LocalAddr().String(), port[len(port)-1]) {
					t.Log(strings.Join(n.log, "\n"))
				}
			}
			t.FailNow()
		}
	}
}
