//go:build linux

package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/search"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// Bounds of a large account. No time is among them: those are printed.
const (
	scalePage    = 100_000          // bytes of a page as it is shown first
	scaleList    = 40_000           // bytes of a hundred conversations for programs
	scaleRest    = 100              // MB resident at rest, only asked of the full size
	scalePiece   = 20_000           // messages of one append
	scaleSettled = 15 * time.Minute // a hanging index ends the test then
)

// large is an agent with a large account.
type large struct {
	*process
	chat.Crowd
	t      *testing.T
	base   string // folder of the machine and of its place
	full   bool
	lines  []chat.Line
	client *api.Client
	web    *http.Client
	began  time.Time
}

// TestScale: an account with many conversations and messages, through the real program: it is taken in while three tabs of the
// page are open, put in order, made searchable, and read, before and after a restart. With DM3SYNC_SCALE=full it has 10,000
// conversations and a million messages, which takes a quarter of an hour.
func TestScale(t *testing.T) {
	l := newLarge(t, 300, 20_000, 10_000, 1_000_000)
	m := newMachineAt(t, program(t), l.base, "large", []string{"--folder", placeFolder(l.base)}, "DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL=24h",
		"DM3SYNC_ACCOUNT_1_SCHEDULE_IDLE=2s", "DM3SYNC_ACCOUNT_1_SCHEDULE_LONGEST=15s", "DM3SYNC_SEARCH_MEMORY=16MiB")
	l.open(m)
	l.takeIn()
	l.settle()
	l.index()
	l.look("at rest after all was taken in")
	l.stop()
	l.open(m)
	l.memory("when the account is open")
	l.settle()
	l.index()
	l.look("at rest after a start")
	l.stop()
}

// TestManyChunks: a conversation in very many chunks, which small ones stand for: a thousand with DM3SYNC_SCALE=full, else a
// hundred. Its time line, its newest messages and a jump ask the place for nothing, and are of bounded size.
func TestManyChunks(t *testing.T) {
	l := newLarge(t, 1, 3_700, 1, 37_000)
	l.open(newMachineAt(t, program(t), l.base, "many", []string{"--folder", placeFolder(l.base)},
		"DM3SYNC_ACCOUNT_1_SCHEDULE_INTERVAL=24h", "DM3SYNC_ACCOUNT_1_CHUNK_SIZE=32kB"))
	l.takeIn()
	l.settle()
	chunks := l.status().Chunks
	if chunks < l.Messages/40 {
		t.Fatalf("%d chunks", chunks)
	}
	before := l.status()
	page := pageOf(l.Contact(0))
	l.get(200*chunks, fmt.Sprintf("the time line of %d chunks", chunks), conversationOf(l.Contact(0))+"/stretches")
	l.get(scalePage, "the page of the conversation", page)
	l.get(scalePage, "its months", page+"/months")
	l.get(scalePage, "a jump to the middle", fmt.Sprintf("%s/messages?around=%d", conversationOf(l.Contact(0)), l.Timestamp(l.Messages/2)))
	after := l.status()
	spent, quiet := after.Traffic.Minus(before.Traffic), after.LastPass.Equal(before.LastPass) && after.State != "working"
	if spent.Gets+spent.Ranges > 0 || quiet && spent.Requests() > 0 { // a pass of the agent's own lists heads, and finds nothing to get
		t.Errorf("reading made requests: %+v", spent)
	}
	l.memory("at rest")
	l.stop()
}

// pageOf is the address of a conversation's page, conversationOf that of its resource.
func pageOf(contact string) string {
	return "/c/" + base64.RawURLEncoding.EncodeToString([]byte(account)) + "/" + base64.RawURLEncoding.EncodeToString([]byte(contact))
}

func conversationOf(contact string) string {
	return "/v1/accounts/-/conversations/" + url.PathEscape(contact)
}

// newLarge is a large account that nothing was done for yet: of the first size, or of the second with DM3SYNC_SCALE=full.
func newLarge(t *testing.T, contacts, messages, fullContacts, fullMessages int) *large {
	t.Helper()
	base, err := os.MkdirTemp("", "dm3sync-scale-") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	l := &large{t: t, base: base, Crowd: chat.Crowd{Account: account, Contacts: contacts, Messages: messages}, full: os.Getenv("DM3SYNC_SCALE") == "full"}
	if l.full {
		l.Contacts, l.Messages = fullContacts, fullMessages
	}
	if l.lines, err = chat.Sample(); err != nil {
		t.Fatal(err)
	}
	return l
}

// figure prints what was measured since began.
func (l *large) figure(what string, arguments ...any) {
	l.t.Helper()
	l.t.Logf("%8.1f ms  %s", float64(time.Since(l.began).Microseconds())/1000, fmt.Sprintf(what, arguments...))
}

// open starts the agent.
func (l *large) open(m *machine) {
	l.t.Helper()
	l.began = time.Now()
	l.process = m.start()
	l.client = l.process.client()
	l.figure("from the start to the open account")
	socket := filepath.Join(m.data, "agent.sock")
	l.web = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	l.t.Cleanup(l.web.CloseIdleConnections)
}

// memory prints what the agent holds, and returns what is resident, in MB.
func (l *large) memory(when string) (resident int) {
	l.t.Helper()
	values := l.resident()
	l.t.Logf("%8d MB  resident %s, of it %d the program itself; %d at the peak so far", values["VmRSS:"], when, values["RssFile:"], values["VmHWM:"])
	return values["VmRSS:"]
}

// resident is what the system says of the agent's memory, in MB by name.
func (l *large) resident() map[string]int {
	l.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.command.Process.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	values := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		var name string
		var kilobytes int
		if n, _ := fmt.Sscan(line, &name, &kilobytes); n == 2 {
			values[name] = kilobytes / 1000
		}
	}
	return values
}

// status is what the agent says of the account.
func (l *large) status() api.AccountStatus {
	l.t.Helper()
	status, err := l.client.Account("").Status(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return status
}

// takeIn appends everything while tabs are open; these are not told of each message.
func (l *large) takeIn() {
	l.t.Helper()
	began, before := time.Now(), l.events()
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	var tabs [3]*atomic.Int64
	for i := range tabs {
		tabs[i] = l.tab(ctx)
	}
	for first := 0; first < l.Messages; first += scalePiece {
		var text bytes.Buffer
		if err := l.Write(&text, l.lines, first, min(first+scalePiece, l.Messages)); err != nil {
			l.t.Fatal(err)
		}
		summary, err := l.client.Append(l.t.Context(), "", "", &text)
		if err != nil || summary.Accepted != min(scalePiece, l.Messages-first) {
			l.t.Fatalf("append: %+v, %v", summary, err)
		}
	}
	l.began = began
	l.figure("to append %d messages of %d conversations with three tabs open", l.Messages, l.Contacts)
	l.memory("after that")
	happened := l.events() - before
	l.t.Logf("%8d events in the feed for that", happened)
	if most := l.Messages / 20; happened > most {
		l.t.Errorf("%d events in the feed, want at most %d", happened, most)
	}
	for i := range tabs {
		within(openWait, func() bool { return tabs[i].Load() > 0 }) // a tab may be slower than the append
		// At most one pulse in 600 ms and one at the beginning, whatever happens.
		if told, most := tabs[i].Load(), int64(time.Since(began)/(600*time.Millisecond))+2; told > most || told == 0 {
			l.t.Errorf("tab %d was told of news %d times, want at most %d", i, told, most)
		}
	}
}

// events is the number of the newest event in the feed.
func (l *large) events() (number int) {
	l.t.Helper()
	response, err := l.web.Get("http://agent/v1/events")
	if err != nil {
		l.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := fmt.Fscanf(response.Body, "id: %d", &number); err != nil {
		l.t.Fatalf("reading the first event: %v", err)
	}
	return number
}

// tab listens as an open page does, and counts what it is told.
func (l *large) tab(ctx context.Context) *atomic.Int64 {
	l.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/live", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	told := new(atomic.Int64)
	go func() {
		response, err := l.web.Do(request)
		if err != nil {
			return // it was told nothing
		}
		defer response.Body.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := response.Body.Read(buffer)
			told.Add(int64(bytes.Count(buffer[:n], []byte("event: pulse"))))
			if err != nil {
				return
			}
		}
	}()
	return told
}

// settle brings the account to rest, and looks what a pass at rest asks the place for: its heads, once.
func (l *large) settle() {
	l.t.Helper()
	l.began = time.Now()
	for _, work := range []engine.Work{{Settle: true}, {Scrub: true}, {Settle: true}} {
		if _, err := l.client.Sync(l.t.Context(), "", work, nil); err != nil {
			l.t.Fatal(err)
		}
	}
	l.figure("to settle, scrub and settle")
	var after api.AccountStatus
	least := int64(math.MaxInt64)
	for range 5 { // the agent runs a pass of its own now and then, beside one of these
		before := l.status()
		l.began = time.Now()
		if _, err := l.client.Sync(l.t.Context(), "", engine.Work{}, nil); err != nil {
			l.t.Fatal(err)
		}
		l.figure("for a pass at rest")
		after = l.status()
		least = min(least, requestsSince(before.Traffic, after.Traffic))
	}
	if least != 1 {
		l.t.Errorf("a pass at rest made %d requests, want 1: %+v", least, after.Traffic)
	}
	if after.Pending != 0 || after.Conversations != l.Contacts || len(after.Problems) > 0 {
		l.t.Errorf("not in order: %+v", after.Status)
	}
	objects, size := l.place()
	l.t.Logf("%d objects with %d MB at the place, %d chunks, %d requests so far", objects, size/1e6, after.Chunks, after.Traffic.Requests())
	if most := 3*l.Contacts + 2*after.Chunks + 200; objects > most {
		l.t.Errorf("%d objects at the place, want at most %d", objects, most)
	}
}

// place counts the objects at the place.
func (l *large) place() (objects int, size int64) {
	l.t.Helper()
	if err := filepath.WalkDir(placeFolder(filepath.Dir(l.data)), func(_ string, file os.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		info, err := file.Info()
		if err == nil {
			objects, size = objects+1, size+info.Size()
		}
		return err
	}); err != nil {
		l.t.Fatal(err)
	}
	return objects, size
}

// index waits until everything here can be searched, and nothing more comes for a while: a pass may still bring some.
func (l *large) index() {
	l.t.Helper()
	l.began = time.Now()
	for quiet, before := 0, -1; quiet < l.quietLooks(); time.Sleep(500 * time.Millisecond) {
		found := l.find(search.Query{Text: "no-such-word-anywhere"})
		if quiet++; found.Waiting > 0 || found.Indexed != before || found.Indexed+found.MissingMessages < l.Messages {
			quiet = 0
		}
		before = found.Indexed
		if time.Since(l.began) > scaleSettled {
			l.t.Fatalf("the index does not go on: %d indexed, %d wait, %d are missing; %s", found.Indexed, found.Waiting, found.MissingMessages, found.Problem)
		}
		if quiet == l.quietLooks() {
			l.figure("until %d messages can be searched and it is quiet; %d are not here", found.Indexed, found.MissingMessages)
		}
	}
	l.memory("then")
}

func (l *large) quietLooks() int {
	if l.full {
		return 12
	}
	return 3
}

func (l *large) find(q search.Query) search.Result {
	l.t.Helper()
	searcher, ok := l.client.Account("").(api.Searcher)
	if !ok {
		l.t.Fatal("the account can't be searched")
	}
	found, err := searcher.Search(l.t.Context(), q)
	if err != nil {
		l.t.Fatal(err)
	}
	return found
}
