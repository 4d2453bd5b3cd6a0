package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/search"
)

func (d *device) searcher(client *Client, name string) api.Searcher {
	d.t.Helper()
	searcher, ok := client.Account(name).(api.Searcher)
	if !ok {
		d.t.Fatal("a client can't search")
	}
	return searcher
}

// texts are what a search shows.
func texts(t *testing.T, s api.Searcher, q search.Query) (list []string) {
	t.Helper()
	result, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range result.Hits {
		text := ""
		for _, part := range hit.Snippet {
			text += part.Text
		}
		list = append(list, text)
	}
	return list
}

// TestSearchOnTwoDevices: what one device says is found on the other; what is deleted there is gone at once here; an agent
// that starts again knows all of it; nothing of it lies there as text.
func TestSearchOnTwoDevices(t *testing.T) {
	desk, phone := newDevice(t, "alice.eth"), newDevice(t, "alice.eth")
	phone.places = desk.places
	deskClient, _ := desk.start()
	phoneClient, stop := phone.start()
	until(t, deskClient, "alice.eth", isOpen)
	until(t, phoneClient, "alice.eth", isOpen)
	if _, err := deskClient.Append(t.Context(), "alice.eth", "", strings.NewReader(envelope("alice.eth", "bob.eth", 1000, "an unmistakable word")+"\n"+envelope("alice.eth", "bob.eth", 2000, "another one"))); err != nil {
		t.Fatal(err)
	}
	here, there := desk.searcher(deskClient, "alice.eth"), phone.searcher(phoneClient, "alice.eth")
	wait(t, "the message here", func() bool {
		result, err := here.Search(t.Context(), search.Query{Text: "unmistak"})
		if err != nil || len(result.Hits) == 0 && result.Waiting == 0 {
			t.Fatalf("neither found nor said to be missing: %+v, %v", result, err)
		}
		return len(result.Hits) == 1
	})
	wait(t, "the message there", func() bool { return len(texts(t, there, search.Query{Text: "unmistak", Contact: "BOB.eth"})) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(phone.config.Data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("unmistak")) || strings.Contains(path, "/search/") && bytes.Contains(data, []byte("bob.eth")) {
			t.Errorf("%s holds what was said", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	phoneClient, _ = phone.start()
	there = phone.searcher(phoneClient, "alice.eth")
	until(t, phoneClient, "alice.eth", isOpen)
	wait(t, "the message after a restart", func() bool { return len(texts(t, there, search.Query{Text: "unmistak"})) == 1 })
	if _, err := phoneClient.Delete(t.Context(), "alice.eth", history.Selection{Contact: "bob.eth", To: 1500}); err != nil {
		t.Fatal(err)
	}
	if list := texts(t, there, search.Query{Text: "unmistak"}); len(list) != 0 {
		t.Error("deleted, and shown:", list)
	}
	wait(t, "the deletion", func() bool { return len(texts(t, here, search.Query{Text: "unmistak"})) == 0 })
	if list := texts(t, here, search.Query{Text: "another"}); len(list) != 1 {
		t.Error(list)
	}
	if _, err := here.Search(t.Context(), search.Query{Text: "-x"}); !errors.Is(err, search.ErrQuery) {
		t.Error("through the socket:", err)
	}
}

// TestSearchWorkOfTwo: the runner and a search bring the index up to date in turns, and either may end what the other began:
// no job stays that nobody ends.
func TestSearchWorkOfTwo(t *testing.T) {
	d := newDevice(t, "alice.eth")
	l := listenTo(t, d)
	account := open(t, d)
	var steps atomic.Int64
	account.now = func() time.Time { return time.Unix(0, steps.Add(int64(longWork))) }
	var updates sync.WaitGroup
	for range 2 {
		updates.Go(func() {
			for range 100 {
				account.searchProgress(1, 3)
				account.searchProgress(2, 3)
				account.endSearchWork(nil)
			}
		})
	}
	updates.Wait()
	jobs := l.log.Jobs()
	if len(jobs) == 0 {
		t.Error("no job was told")
	}
	for _, job := range jobs {
		if job.Ended.IsZero() {
			t.Errorf("job %d never ended", job.Number)
		}
	}
}

// TestSearchStops: an agent stops soon while its index is being built.
func TestSearchStops(t *testing.T) {
	d := newDevice(t, "alice.eth")
	d.options.FlushWait, d.options.StopWait = time.Second, 30*time.Second
	client, stop := d.start()
	until(t, client, "alice.eth", isOpen)
	var lines strings.Builder
	for i := range 20_000 {
		lines.WriteString(envelope("alice.eth", "bob.eth", i+1, "many words that take a while to be put into an index") + "\n")
	}
	if _, err := client.Append(t.Context(), "alice.eth", "", strings.NewReader(lines.String())); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	t.Log("stopped after", time.Since(began)) // stop fails when it takes longer than StopWait
}

// TestSearchSwitchedOff: without search there is no index, and what there was is gone.
func TestSearchSwitchedOff(t *testing.T) {
	d := newDevice(t, "alice.eth")
	o := d.options.AccountOptions
	o.Config = d.config
	folder := filepath.Join(d.config.Folder(&d.config.Accounts[0]), "search")
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.Search(t.Context(), search.Query{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := account.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Fatal(err)
	}
	off := false
	d.config.Search = config.Search{Enabled: &off}
	if account, err = OpenAccount(t.Context(), d.config.Accounts[0], o); err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	if _, err := account.Search(t.Context(), search.Query{Text: "x"}); !errors.Is(err, search.ErrDisabled) {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the index is still there", err)
	}
}

// TestSearchAfterTheEnd: a request that comes while an account is closed opens no index anew: nobody would close it.
func TestSearchAfterTheEnd(t *testing.T) {
	d := newDevice(t, "alice.eth")
	account, err := OpenAccount(t.Context(), d.config.Accounts[0], withConfig(d))
	if err != nil {
		t.Fatal(err)
	}
	if err := account.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := account.Search(t.Context(), search.Query{Text: "x"}); !errors.Is(err, search.ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(d.config.Folder(&d.config.Accounts[0]), "search")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an index was opened", err)
	}
}
