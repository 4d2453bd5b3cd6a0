package s3_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
	"github.com/dm3sync/dm3sync/providers/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Credentials of the servers that the environment may name.
const (
	testKey    = "testkey"
	testSecret = "testsecret"
)

func options(endpoint string) *s3.Options {
	return &s3.Options{
		Endpoint: endpoint, Region: "us-east-1", PathStyle: true, AccessKey: testKey, SecretKey: testSecret, Stall: 30 * time.Second,
	}
}

func newStore(t *testing.T, bucket string, o *s3.Options) *s3.Store {
	t.Helper()
	store, err := s3.New(t.Context(), bucket, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// fake returns an S3 server in this process with one bucket. Between is called for every request.
func fake(t *testing.T, bucket string, between func(*http.Request)) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	server := gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if between != nil {
			between(r)
		}
		server.ServeHTTP(w, r)
	})
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// bucket makes a new bucket at a real server.
func bucket(t *testing.T, endpoint string) string {
	t.Helper()
	client := sdk.New(sdk.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	})
	name := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	if _, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.DeleteBucket(context.WithoutCancel(t.Context()), &sdk.DeleteBucketInput{Bucket: aws.String(name)})
	})
	return name
}

func TestConformance(t *testing.T) {
	endpoint := serve(t, fake(t, "bucket", nil))
	for _, prefix := range []string{"", "some/folder/"} {
		t.Run("prefix="+prefix, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providers.Store {
				o := options(endpoint)
				o.Prefix = prefix
				return newStore(t, "bucket", o)
			})
		})
	}
}

// TestConformanceServers runs the suite on real servers, whose addresses the environment gives.
func TestConformanceServers(t *testing.T) {
	for _, variable := range []string{"DM3SYNC_TEST_MINIO", "DM3SYNC_TEST_VERSITYGW"} {
		t.Run(variable, func(t *testing.T) {
			endpoint := servertest.Named(t, variable)
			name := bucket(t, endpoint)
			providertest.Run(t, func(t *testing.T) providers.Store { return newStore(t, name, options(endpoint)) })
		})
	}
}

// TestPrefix: stores of one bucket with different prefixes don't see each other, and foreign keys aren't listed.
func TestPrefix(t *testing.T) {
	endpoint := serve(t, fake(t, "bucket", nil))
	whole, inner := newStore(t, "bucket", options(endpoint)), options(endpoint)
	inner.Prefix = "/inner/"
	store := newStore(t, "bucket", inner)
	if err := store.Put(t.Context(), "a/1", []byte("inner")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/1", "inner/x", "innermost/a"} {
		if err := whole.Put(t.Context(), name, []byte("outer")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := whole.Get(t.Context(), "inner/a/1"); err != nil || string(data) != "inner" {
		t.Errorf("%q %v", data, err)
	}
	found := []string{}
	for object, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, object.Name)
	}
	if fmt.Sprint(found) != "[a/1 x]" {
		t.Errorf("listed %v", found)
	}
}

// TestNoOptionalChecksums: what breaks compatible stores is not sent.
func TestNoOptionalChecksums(t *testing.T) {
	var checked atomic.Int32
	endpoint := serve(t, fake(t, "bucket", func(r *http.Request) {
		if r.Method != http.MethodPut && r.Method != http.MethodGet {
			return
		}
		checked.Add(1)
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum") || strings.HasPrefix(name, "X-Amz-Sdk-Checksum") ||
				name == "X-Amz-Trailer" || name == "Expect" || strings.Contains(strings.Join(values, ""), "aws-chunked") {
				t.Errorf("%s %s: %s: %s", r.Method, r.URL, name, values)
			}
		}
		if r.Method == http.MethodPut && r.ContentLength < 0 {
			t.Error("put without a length")
		}
	}))
	store := newStore(t, "bucket", options(endpoint))
	for _, size := range []int{0, 10, 3 << 20} {
		if err := store.Put(t.Context(), "a/1", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), "a/1"); err != nil {
			t.Fatal(err)
		}
	}
	if checked.Load() < 6 {
		t.Errorf("%d requests seen", checked.Load())
	}
}

func TestCustomAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(fake(t, "bucket", nil))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not trust it
	server.StartTLS()
	defer server.Close()
	store := newStore(t, "bucket", options(server.URL))
	if err := store.Put(t.Context(), "a/1", nil); err == nil || providers.Retriable(err) {
		t.Errorf("an unknown authority: %v", err)
	}
	o := options(server.URL)
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(o.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	trusting := newStore(t, "bucket", o)
	if err := trusting.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestProxy(t *testing.T) {
	handler := fake(t, "bucket", nil)
	var asked atomic.Value
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host + " " + r.Header.Get("Proxy-Authorization"))
		handler.ServeHTTP(w, r)
	}))
	o := options("http://storage.invalid:9000")
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("user", "secretword")
	o.Proxy = address.String()
	store := newStore(t, "bucket", o)
	if err := store.Put(t.Context(), "a/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != "storage.invalid:9000 Basic dXNlcjpzZWNyZXR3b3Jk" {
		t.Errorf("the proxy was asked for %v", asked.Load())
	}
}

// TestCredentialChain: without keys in the options those of the environment count; without any the error says so.
func TestCredentialChain(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "none")
	for variable, value := range map[string]string{
		"AWS_CONFIG_FILE": empty, "AWS_SHARED_CREDENTIALS_FILE": empty, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
		"AWS_CA_BUNDLE": "", "AWS_REGION": "eu-somewhere-1", "AWS_ACCESS_KEY_ID": "envkey", "AWS_SECRET_ACCESS_KEY": "envsecret",
	} {
		t.Setenv(variable, value)
	}
	var header atomic.Value
	endpoint := serve(t, fake(t, "bucket", func(r *http.Request) { header.Store(r.Header.Get("Authorization")) }))
	o := options(endpoint)
	o.AccessKey, o.SecretKey, o.Region = "", "", ""
	if err := newStore(t, "bucket", o).Put(t.Context(), "a/1", nil); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(header.Load()); !strings.Contains(got, "envkey/") || !strings.Contains(got, "/eu-somewhere-1/") {
		t.Errorf("signed with %s", got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	err := newStore(t, "bucket", o).Put(t.Context(), "a/1", nil)
	wantError(t, "no credentials", err, providers.ErrUnauthorised)
}

func TestBadOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*s3.Options){
		"endpoint without scheme": func(o *s3.Options) { o.Endpoint = "host:9000" },
		"endpoint with password":  func(o *s3.Options) { o.Endpoint = "https://user:hunter2@host" },
		"half a key":              func(o *s3.Options) { o.SecretKey = "" },
		"prefix":                  func(o *s3.Options) { o.Prefix = "../x" },
		"proxy":                   func(o *s3.Options) { o.Proxy = "http://user:hunter2@host:bad" },
		"no authority file":       func(o *s3.Options) { o.CAFile = junk + ".missing" },
		"junk authority":          func(o *s3.Options) { o.CAFile = junk },
	} {
		o := options("http://127.0.0.1:1")
		change(o)
		_, err := s3.New(t.Context(), "bucket", o)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s3.New(t.Context(), "", nil); err == nil {
		t.Error("no bucket")
	}
}
