package acceptance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/container"
)

const (
	windowBytes = 8  // the shortest secret that can be sought: shorter ones stand in random bytes by chance
	digitsInRow = 10 // a time in seconds has as many; random bytes have not
)

// plain are texts that stand in every plaintext.
var plain = []string{`"message"`, `"metadata"`, `"signature"`, `"timestamp"`, `"conversations"`}

// secrets are texts that no place may see.
type secrets map[uint64][]string

func (s secrets) add(texts ...string) {
	for _, text := range texts {
		if len(text) < windowBytes {
			continue
		}
		start := binary.LittleEndian.Uint64([]byte(text))
		s[start] = append(s[start], text)
	}
}

// in returns the first secret that stands in data, or "".
func (s secrets) in(data []byte) string {
	for i := 0; i+windowBytes <= len(data); i++ {
		for _, text := range s[binary.LittleEndian.Uint64(data[i:])] {
			if bytes.HasPrefix(data[i:], []byte(text)) {
				return text
			}
		}
	}
	return ""
}

// digitRuns returns the runs of at least so many decimal digits.
func digitRuns(data []byte, least int) (runs []string) {
	start := 0
	for i := 0; i <= len(data); i++ {
		if i < len(data) && '0' <= data[i] && data[i] <= '9' {
			continue
		}
		if i-start >= least {
			runs = append(runs, string(data[start:i]))
		}
		start = i + 1
	}
	return runs
}

// secretsOf are the names of the input's contacts, whole and without what they share, and the account's.
func secretsOf(in *input) secrets {
	s := secrets{}
	s.add(account, string(storageKey[:]))
	s.add(plain...)
	for contact := range in.counts {
		s.add(contact)
		if label, _, _ := strings.Cut(contact, "."); len(label) > windowBytes+2 {
			s.add(label)
		}
	}
	return s
}

// timestampIn returns a timestamp of the input that stands in a name of an object. Names are hexadecimal, so that digits
// alone say nothing.
func timestampIn(name string, timestamps map[int64]bool) string {
	const digits = 13
	for _, run := range digitRuns([]byte(name), digits) {
		for i := range len(run) - digits + 1 {
			if at, err := strconv.ParseInt(run[i:i+digits], 10, 64); err == nil && timestamps[at] {
				return run[i : i+digits]
			}
		}
	}
	return ""
}

// revealed says what an object tells, or nothing.
func revealed(s secrets, timestamps map[int64]bool, name string, data []byte) string {
	if found := s.in([]byte(name)); found != "" {
		return fmt.Sprintf("the name of %s shows %q", name, found)
	}
	if found := timestampIn(name, timestamps); found != "" {
		return fmt.Sprintf("the name of %s shows the time %s", name, found)
	}
	if found := s.in(data); found != "" {
		return fmt.Sprintf("the bytes of %s show %q", name, found)
	}
	if found := digitRuns(data, digitsInRow); len(found) > 0 {
		return fmt.Sprintf("the bytes of %s show the number %s", name, found[0])
	}
	return ""
}

// wantNoSecrets reads every object, name and bytes, as the place sees it.
func wantNoSecrets(t *testing.T, d *device, in *input) {
	t.Helper()
	sought := secretsOf(in)
	names := listed(t, d)
	heads, sealer := string(container.HeadsKey(rootKey()))+"/", newSealer(t)
	devices := map[string]bool{}
	for _, name := range names {
		if !strings.HasPrefix(name, heads) {
			continue
		}
		head := openHead(t, d, name, sealer)
		devices[head.Device] = true
	}
	if len(devices) == 0 {
		t.Fatal("no head names a device")
	}
	sought.add(slices.Collect(maps.Keys(devices))...)
	var mu sync.Mutex
	var total int
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for _, name := range names {
		group.Go(func() error {
			data, err := d.counter.Get(ctx, name)
			if err != nil {
				return err
			}
			found := revealed(sought, in.timestamps, name, data)
			mu.Lock()
			defer mu.Unlock()
			if total += len(data); found != "" {
				t.Error(found)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objects, %.1f MB as stored for %.1f MB of envelopes; %d devices are named inside heads", len(names), float64(total)/1e6, float64(in.bytes)/1e6, len(devices))
}

func listed(t *testing.T, d *device) (names []string) {
	t.Helper()
	for object, err := range d.counter.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	return names
}

// TestSecretsAreFound: the search is able to find what it looks for.
func TestSecretsAreFound(t *testing.T) {
	in := &input{counts: map[string]int{"friend-00042.user.dm3.eth": 1}, timestamps: map[int64]bool{1367366400123: true}}
	noise := bytes.Repeat([]byte{0x80, 'f', 'r', '7'}, 100)
	for want, object := range map[string][2]string{
		"":                  {"0xab/" + strings.Repeat("12", 32), "1234567"},
		"shows \"friend-00": {"0xab/friend-00042.user.dm3.eth", ""},
		"shows the time":    {"0xab/91367366400123", ""},
		"show \"friend-00":  {"0xab/c", "friend-00042"},
		"show \"alice.eth":  {"0xab/c", account},
		"show the number":   {"0xab/c", "1367366400"},
		"show \"\\\"messag": {"0xab/c", `{"message":`},
	} {
		got := revealed(secretsOf(in), in.timestamps, object[0], slices.Concat(noise, []byte(object[1]), noise))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: found %q, want %q", object, got, want)
		}
	}
}
