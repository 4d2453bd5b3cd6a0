package storage_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// inFrontOf is a load balancer that gives each request to the next instance.
func inFrontOf(t *testing.T, instances ...*rig) string {
	t.Helper()
	var next atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		target, err := url.Parse(instances[int(next.Add(1))%len(instances)].URL)
		if err != nil {
			t.Error(err)
			return
		}
		r.SetURL(target)
	}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// bucketPlaces are two clients of one bucket.
func bucketPlaces(t *testing.T) (places [2]providers.Store) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("node"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server())
	t.Cleanup(server.Close)
	for i := range places {
		place, err := s3.New(t.Context(), "node", &s3.Options{Endpoint: server.URL, Region: "us-east-1", PathStyle: true, AccessKey: "key", SecretKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { place.Close() })
		places[i] = place
	}
	return places
}

// TestTwoInstances: an app's session over two instances that share nothing but a place
// is answered as by one.
func TestTwoInstances(t *testing.T) {
	shared := memory.New(nil)
	for name, places := range map[string][2]providers.Store{"memory": {shared, shared}, "S3": bucketPlaces(t)} {
		t.Run(name, func(t *testing.T) { twoInstances(t, places) })
	}
}

// twoInstances compares an app's session at two instances behind a load balancer with
// that at one.
func twoInstances(t *testing.T, places [2]providers.Store) {
	t.Helper()
	one, c := newClock(), newClock()
	alone := newRecords(t, one, memory.New(nil), 0, nil)
	want := (&session{app: newApp(t, alone.URL, ownName, ownProfile(), one.now, nil), clock: one}).run(t.Context())
	address := inFrontOf(t, newRecords(t, c, places[0], 3, nil), newRecords(t, c, places[1], 3, nil))
	got := (&session{app: newApp(t, address, ownName, ownProfile(), c.now, nil), clock: c}).run(t.Context())
	equal(t, "the session", got, want)
}

// service is one instance's records, without HTTP.
func service(t *testing.T, place providers.Store, packAt int) *storage.Records {
	t.Helper()
	c := newClock()
	r, err := storage.NewRecords(storage.RecordsOptions{Store: place, Now: c.now, Log: (&logs{}).logger(), PackAt: packAt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// identifiers reads all pages of a conversation.
func identifiers(t *testing.T, r *storage.Records, contact string) (list []string) {
	t.Helper()
	for offset := 0; ; offset++ {
		page, err := r.Messages(t.Context(), ownName, contact, dm3api.Page{Size: 7, Offset: offset})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return list
		}
		for _, m := range page {
			list = append(list, m.ID+" "+m.Container)
		}
	}
}

// TestInstancesAtOnce: whatever instances add, edit, read and pack at the same time,
// every record is there once, in its last state, and nothing fails.
func TestInstancesAtOnce(t *testing.T) {
	place := memory.New(nil)
	var wait sync.WaitGroup
	const writers, each = 3, 40
	for w := range writers {
		r := service(t, place, 10)
		wait.Go(func() {
			for i := range each {
				record := dm3api.Record{CreatedAt: int64(i), MessageID: fmt.Sprint(w, "-", i), Container: "first"}
				shared := dm3api.Record{CreatedAt: int64(i), MessageID: fmt.Sprint("shared-", i), Container: "same"}
				if err := r.AddMessageBatch(t.Context(), ownName, "bob", []dm3api.Record{record, shared}); err != nil {
					t.Error(err)
				}
				record.Container = "last"
				if err := r.EditMessageBatch(t.Context(), ownName, "bob", []dm3api.Record{record}); err != nil {
					t.Error(err)
				}
				if n, err := r.NumberOfMessages(t.Context(), ownName, "bob"); err != nil || n < i+1 {
					t.Errorf("%d records, %v", n, err)
				}
			}
		})
	}
	wait.Wait()
	var want []string
	for i := range each {
		want = append(want, dm3api.StoredID(ownName, fmt.Sprint("shared-", i))+" same")
		for w := range writers {
			want = append(want, dm3api.StoredID(ownName, fmt.Sprint(w, "-", i))+" last")
		}
	}
	got := identifiers(t, service(t, place, 0), "bob")
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "all records", got, want)
}

// TestPacking: listings do not grow with every record, and nothing is lost when packing
// breaks off anywhere.
func TestPacking(t *testing.T) {
	place := &breaking{Store: memory.New(nil)}
	var want []string
	r := service(t, place, 20)
	for i := range 300 {
		if i%3 == 0 {
			place.after.Store(int64(i % 11)) // deletions
			place.armed.Store(true)
		}
		record := dm3api.Record{CreatedAt: int64(1000 - i), MessageID: fmt.Sprint(i), Container: strings.Repeat("x", i), IsHalted: i == 7}
		if err := r.AddMessage(t.Context(), ownName, "bob", record); err != nil {
			t.Fatal(err)
		}
		r.WaitForPacking()
		place.armed.Store(false)
		want = append(want, dm3api.StoredID(ownName, record.MessageID)+" "+record.Container)
	}
	if !place.broke.Load() {
		t.Error("nothing broke")
	}
	r = service(t, place, 0) // which remembers nothing
	equal(t, "all records", identifiers(t, r, "bob"), want)
	if n, err := r.NumberOfMessages(t.Context(), ownName, "bob"); n != 300 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if list, err := r.HaltedMessages(t.Context(), ownName); err != nil || len(list) != 1 {
		t.Errorf("halted: %v, %v", list, err)
	}
	names := 0
	for _, err := range place.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names++
	}
	if names > 100 {
		t.Errorf("%d objects for 300 records", names)
	}
}

// breaking is a place at which deletions break off.
type breaking struct {
	providers.Store
	armed, broke atomic.Bool
	after        atomic.Int64
}

func (b *breaking) Delete(ctx context.Context, names ...string) error {
	if !b.armed.Load() {
		return b.Store.Delete(ctx, names...)
	}
	b.broke.Store(true)
	return errors.Join(b.Store.Delete(ctx, names[:min(len(names), int(b.after.Load()))]...), providers.ErrTransient)
}

// TestBatchesAreExact: unlike at a stock server, a batch with a known record keeps the
// others, a repeated one changes nothing, and one that could not be kept is not called
// kept.
func TestBatchesAreExact(t *testing.T) {
	place := memory.New(nil)
	r := service(t, place, 0)
	batch := []dm3api.Record{{CreatedAt: 3, MessageID: "a", Container: "1"}, {CreatedAt: 2, MessageID: "b", Container: "2"}}
	for _, list := range [][]dm3api.Record{batch[:1], batch, batch} {
		if err := r.AddMessageBatch(t.Context(), ownName, "bob", list); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{dm3api.StoredID(ownName, "a") + " 1", dm3api.StoredID(ownName, "b") + " 2"}
	equal(t, "all records", identifiers(t, r, "bob"), want)
	broken := service(t, failing{place, providers.ErrTransient}, 0)
	if err := broken.AddMessageBatch(t.Context(), ownName, "bob", []dm3api.Record{{MessageID: "c"}}); !errors.Is(err, providers.ErrTransient) {
		t.Errorf("a batch that was not kept: %v", err)
	}
}

// TestAccountsAreApart: accounts see nothing of one another, and the place nothing of
// names.
func TestAccountsAreApart(t *testing.T) {
	place := memory.New(nil)
	r := service(t, place, 0)
	const other = "0x00000000000000000000000000000000000000b2.addr.dm3.eth"
	record := dm3api.Record{MessageID: "a", Container: "1", IsHalted: true}
	if err := r.AddMessage(t.Context(), ownName, "bob", record); err != nil {
		t.Fatal(err)
	}
	if err := r.AddConversation(t.Context(), ownName, "bob", ""); err != nil {
		t.Fatal(err)
	}
	conversations, err := r.NumberOfConversations(t.Context(), other)
	messages, err2 := r.NumberOfMessages(t.Context(), other, "bob")
	halted, err3 := r.HaltedMessages(t.Context(), other)
	if err := errors.Join(err, err2, err3); err != nil || conversations+messages+len(halted) > 0 {
		t.Errorf("%d conversations, %d messages, %v, %v", conversations, messages, halted, err)
	}
	if err := r.ClearHaltedMessage(t.Context(), other, dm3api.StoredID(ownName, "a"), ""); !errors.Is(err, dm3api.ErrNotAdded) {
		t.Errorf("another account's message cleared: %v", err)
	}
	for object, err := range place.List(t.Context(), "") {
		if err != nil || strings.Contains(object.Name, "bob") || strings.Contains(object.Name, ownName[2:42]) {
			t.Errorf("the place sees %s, %v", object.Name, err)
		}
		if err := providers.ValidateName(object.Name); err != nil {
			t.Error(err)
		}
	}
}

// TestConversationStatesArePruned: hiding and naming again and again leaves few objects.
func TestConversationStatesArePruned(t *testing.T) {
	place := memory.New(nil)
	r := service(t, place, 0)
	for i := range 40 {
		if err := errors.Join(r.AddConversation(t.Context(), ownName, "bob", fmt.Sprint(i)), r.ToggleHideConversation(t.Context(), ownName, "bob", i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range place.List(t.Context(), "") {
		n++
	}
	list, err := r.Conversations(t.Context(), ownName, dm3api.Page{Size: 10})
	if err != nil || len(list) != 1 || list[0].ProfileLocation != "39" || n > 12 {
		t.Errorf("%d objects, %+v, %v", n, list, err)
	}
}
