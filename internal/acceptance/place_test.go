package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// Credentials of the server that the environment may name.
const (
	testKey    = "testkey"
	testSecret = "testsecret"
)

// place is where devices meet; every device opens a store of its own on it.
type place struct {
	name   string
	bucket string // of S3
	idle   int    // requests of an idle pass; 0 is one
	store  func(t *testing.T) providers.Store
	named  func(t *testing.T, device string) providers.Store // where a place must know which device opens it again
}

// as opens the place for a device that may come again.
func (p place) as(t *testing.T, device string) providers.Store {
	if p.named != nil {
		return p.named(t, device)
	}
	return p.store(t)
}

// constructor makes an empty place. Requests go through between, where it is given and where there are any.
type constructor func(t *testing.T, between func(http.Handler) http.Handler) place

// places are all kinds of places: a folder, a bucket, a collection of each WebDAV server that the environment names, else of
// one in this process, a folder of Google Drive's double, two IPFS nodes, an account at a dm3 node's, a single file, and
// databases where the environment names them.
func places() []constructor {
	all := []constructor{
		func(t *testing.T, _ func(http.Handler) http.Handler) place { return newFolder(t) },
		func(t *testing.T, between func(http.Handler) http.Handler) place {
			p, _ := newBucket(t, between)
			return p
		},
	}
	all = append(append(all, collections()...), newDriveFolder, newNodes, newNode, newSingleFile)
	return append(all, databases()...)
}

func newFolder(t *testing.T) place {
	t.Helper()
	path := t.TempDir()
	if err := local.Create(path); err != nil {
		t.Fatal(err)
	}
	return place{name: "folder", store: func(t *testing.T) providers.Store {
		store, err := local.New(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}}
}

// newBucket makes a bucket at the server that the environment names, else at one in this process. Requests go through
// between, where it is given.
func newBucket(t *testing.T, between func(http.Handler) http.Handler) (p place, endpoint string) {
	t.Helper()
	endpoint = os.Getenv("DM3SYNC_TEST_MINIO")
	p.name = "minio"
	bucket := fmt.Sprintf("acceptance-%d-%d", os.Getpid(), time.Now().UnixNano())
	var handler http.Handler
	if endpoint == "" {
		if full() && servertest.Required() {
			t.Fatal("DM3SYNC_TEST_MINIO is not set, but DM3SYNC_REQUIRE_SERVERS is")
		}
		p.name = "s3"
		handler = gofakes3.New(s3mem.New(), gofakes3.WithTimeSkewLimit(0)).Server()
		endpoint = serve(t, handler)
	}
	makeBucket(t, endpoint, bucket)
	p.bucket = bucket
	if between != nil {
		if handler == nil {
			handler = forward(t, endpoint)
		}
		endpoint = serve(t, between(handler))
	}
	p.store = func(t *testing.T) providers.Store {
		store, err := s3.New(t.Context(), bucket, &s3.Options{
			Endpoint: endpoint, Region: "us-east-1", PathStyle: true, AccessKey: testKey, SecretKey: testSecret,
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	t.Cleanup(func() { empty(t, p) })
	return p, endpoint
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// forward hands requests on as they are: they are signed for the address that the client knows.
func forward(t *testing.T, endpoint string) http.Handler {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	target.Path = "" // requests name it
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
	}}
}

func makeBucket(t *testing.T, endpoint, bucket string) {
	t.Helper()
	client := sdk.New(sdk.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
}

// empty removes what a test left at a place that outlives it.
func empty(t *testing.T, p place) {
	if p.name != "minio" {
		return
	}
	ctx := context.WithoutCancel(t.Context())
	store := p.store(t)
	defer store.Close()
	var names []string
	for object, err := range store.List(ctx, "") {
		if err != nil {
			t.Error(err)
		}
		names = append(names, object.Name)
	}
	if err := store.Delete(ctx, names...); err != nil {
		t.Error(err)
	}
}
