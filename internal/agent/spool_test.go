package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

var signature = base64.StdEncoding.EncodeToString(make([]byte, 64))

// envelope is the text of one stored message.
func envelope(from, to string, timestamp int, text string) string {
	return fmt.Sprintf(`{"message":{"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}}`,
		text, from, timestamp, to, signature)
}

// spoolFile lets a file appear whole in a spool, which the agent may not have made yet.
func spoolFile(t *testing.T, folder, name, text string) {
	t.Helper()
	part := filepath.Join(folder, name+".part")
	err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(part, []byte(text), 0o600), os.Rename(part, filepath.Join(folder, name)))
	if err != nil {
		t.Fatal(err)
	}
}

// envelopes is NDJSON of n messages to bob.eth.
func envelopes(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(envelope("alice.eth", "bob.eth", 1_700_000_000_000+i, fmt.Sprintf("message %d", i)) + "\n")
	}
	return text.String()
}

// keeper is an engine that keeps items, or fails.
type keeper struct {
	history.Engine
	mu    sync.Mutex
	items int
	fail  []error // of the next calls
}

func (k *keeper) Append(_ context.Context, items ...engine.Item) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.fail) > 0 {
		err := k.fail[0]
		k.fail = k.fail[1:]
		return err
	}
	k.items += len(items)
	return nil
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.items
}

// spoolRig is a spool whose files are settled from the second look on.
type spoolRig struct {
	*spool
	t      *testing.T
	keeper *keeper
	status spoolStatus
}

func newSpoolRig(t *testing.T) *spoolRig {
	rig := &spoolRig{t: t, keeper: &keeper{}}
	rig.spool = newSpool(filepath.Join(t.TempDir(), "spool"), history.New(rig.keeper, []string{"alice.eth"}), spoolOptions{
		settle: time.Nanosecond, report: func(s spoolStatus) { rig.status = s }, log: slog.New(slog.DiscardHandler),
	})
	if err := os.MkdirAll(rig.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return rig
}

func (r *spoolRig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *spoolRig) look() {
	r.spool.look(r.t.Context(), noWatcher())
}

// content is a file's text, or "absent".
func (r *spoolRig) content(name string) string {
	text, err := os.ReadFile(filepath.Join(r.folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func TestSpoolTakesFiles(t *testing.T) {
	r := newSpoolRig(t)
	large := envelopes(20_000) // several MB
	r.write("large.ndjson", large)
	r.write("one.json", strings.ReplaceAll(envelope("alice.eth", "bob.eth", 1, ""), ",", ",\n"))
	r.write("UPPER.NDJSON", envelopes(3))
	r.write("empty.ndjson", "")
	left := []string{".hidden.ndjson", "a.ndjson.tmp", "a.ndjson.part", "notes.txt", "none"}
	for _, name := range left {
		r.write(name, envelopes(1))
	}
	if err := os.Mkdir(filepath.Join(r.folder, "folder.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte(envelopes(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(r.folder, "link.ndjson")); err != nil {
		t.Fatal(err)
	}
	r.look()
	if r.keeper.items != 0 {
		t.Error("files were taken at first sight")
	}
	r.look()
	if r.keeper.items != 20_004 || r.status != (spoolStatus{}) {
		t.Errorf("%d items, %+v", r.keeper.items, r.status)
	}
	for _, name := range []string{"large.ndjson", "one.json", "UPPER.NDJSON", "empty.ndjson"} {
		if got := r.content(name); got != "absent" {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range left {
		if r.content(name) == "absent" {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestSpoolRejects(t *testing.T) {
	foreign := envelope("x.eth", "y.eth", 1, "not ours")
	good := envelope("alice.eth", "bob.eth", 1, "")
	r := newSpoolRig(t)
	for round, name := range []string{"mixed.ndjson", "mixed.ndjson.2"} {
		r.write("mixed.ndjson", good+"\n"+foreign+"\n\n{broken\n"+good)
		r.look()
		r.look()
		if got := r.content("rejected/" + name); got != foreign+"\n{broken\n" {
			t.Errorf("rejected lines: %q", got)
		}
		reasons := r.content("rejected/" + name + ".reason.txt")
		if !strings.HasPrefix(reasons, "line 2: "+history.ErrNotOurs.Error()+"\nline 4: ") || strings.Contains(reasons, "x.eth") {
			t.Errorf("reasons: %q", reasons)
		}
		if r.keeper.items != 2*(round+1) || r.status.rejected != 2*(round+1) || r.content("mixed.ndjson") != "absent" {
			t.Errorf("%d items, %+v", r.keeper.items, r.status)
		}
	}
	info, err := os.Stat(filepath.Join(r.folder, "rejected", "mixed.ndjson"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Join(r.folder, "rejected")); err != nil || len(entries) != 4 {
		t.Errorf("%v, %v", entries, err)
	}
}

// What cannot be copied line by line is kept as a whole.
func TestSpoolKeepsWhole(t *testing.T) {
	good := envelope("alice.eth", "bob.eth", 1, "")
	for name, text := range map[string]string{
		"long.ndjson":   good + "\n" + strings.Repeat("x", history.MaxLine+1) + "\n" + good,
		"broken.json":   good + good + "{{",
		"too-big.json":  strings.Repeat(" ", documentLimit) + good,
		"garbage.json":  "\x00\xff",
		"unended.json":  good[:30],
		"no-array.json": "[" + good + ", 1",
	} {
		t.Run(name, func(t *testing.T) {
			r := newSpoolRig(t)
			r.write(name, text)
			r.look()
			r.look()
			if r.content("rejected/"+name) != text || r.content(name) != "absent" {
				t.Error("the file is not kept as it was")
			}
			if !strings.HasPrefix(r.content("rejected/"+name+".reason.txt"), "line ") || r.status.rejected != 1 {
				t.Errorf("%+v, %q", r.status, r.content("rejected/"+name+".reason.txt"))
			}
		})
	}
}

// A file that grows, though it should not stand there, loses nothing.
func TestSpoolGrowingFile(t *testing.T) {
	r := newSpoolRig(t)
	half := envelopes(4)
	r.write("grows.ndjson", half[:len(half)/2])
	r.look()
	r.write("grows.ndjson", half)
	r.look()
	if r.keeper.items != 0 {
		t.Error("a file was taken that changed since it was seen")
	}
	r.look()
	if r.keeper.items != 4 || r.status.rejected != 0 {
		t.Errorf("%d items, %+v", r.keeper.items, r.status)
	}
	r.write("late.ndjson", envelopes(2))
	seen, err := os.Lstat(filepath.Join(r.folder, "late.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("late.ndjson", envelopes(5)) // between the look and the end of reading
	if err := r.take(t.Context(), filepath.Join(r.folder, "late.ndjson"), seen); err != nil {
		t.Fatal(err)
	}
	if r.content("late.ndjson") == "absent" {
		t.Error("a file was removed that changed meanwhile")
	}
}

func TestSpoolFailures(t *testing.T) {
	r := newSpoolRig(t)
	r.keeper.fail = []error{errors.New("disk full")}
	r.write("a.ndjson", envelopes(2)+"bad\n")
	r.write("b.ndjson", envelopes(3))
	r.look()
	r.look()
	if !strings.Contains(r.status.failure, "disk full") || r.status.rejected != 0 {
		t.Errorf("%+v", r.status)
	}
	if r.content("a.ndjson") == "absent" || r.content("b.ndjson") != "absent" || r.content("rejected/a.ndjson") != "absent" {
		t.Error("the failing file must stay, the other go")
	}
	r.look()
	if r.status != (spoolStatus{rejected: 1}) || r.keeper.items != 5 || r.content("rejected/a.ndjson") != "bad\n" {
		t.Errorf("%+v, %d items", r.status, r.keeper.items)
	}
	if entries, _ := os.ReadDir(filepath.Join(r.folder, "rejected")); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestPatientEngine(t *testing.T) {
	k := &keeper{fail: []error{fmt.Errorf("engine: %w", cache.ErrJournalFull)}}
	kicked := 0
	p := patientEngine{k, func() { kicked++ }}
	if err := p.Append(t.Context(), make([]engine.Item, 2)...); err != nil || k.items != 2 || kicked != 1 {
		t.Errorf("%v, %d items, %d kicks", err, k.items, kicked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.fail = []error{cache.ErrJournalFull}
	if err := p.Append(ctx, engine.Item{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	k.fail = []error{errors.New("disk")}
	if err := p.Append(t.Context(), engine.Item{}); err == nil {
		t.Error("other errors are no reason to wait")
	}
}

// A file that is renamed in is taken by notice, long before the next scan.
func TestSpoolNotices(t *testing.T) {
	r := newSpoolRig(t)
	r.options.settle = 20 * time.Millisecond
	r.options.report = func(spoolStatus) {}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { r.run(ctx) })
	defer group.Wait()
	defer cancel()
	for i := range 3 {
		r.write("x.tmp", envelopes(1))
		if err := os.Rename(filepath.Join(r.folder, "x.tmp"), filepath.Join(r.folder, "x.ndjson")); err != nil {
			t.Fatal(err)
		}
		taken := func() bool { return r.keeper.count() == i+1 && r.content("x.ndjson") == "absent" }
		waitFor(t, "the file to be taken", spoolScan-5*time.Second, taken)
	}
}

// wait polls until done, for as long as a busy machine may take.
func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	waitFor(t, what, time.Minute, done)
}

// waitFor is wait for a time that is shorter than the periodic look that would do it, too.
func waitFor(t testing.TB, what string, long time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRejectsNothing(t *testing.T) {
	r := newRejects(filepath.Join(t.TempDir(), "x"))
	defer r.discard()
	if err := r.keep("x"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(r.folder); !errors.Is(err, os.ErrNotExist) {
		t.Error("a folder was made for nothing")
	}
}
