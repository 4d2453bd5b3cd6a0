package webtest

import (
	"fmt"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Healthy is an account that has nothing to complain of.
func Healthy(name string) *Account {
	now := time.Now()
	return &Account{State: api.AccountStatus{
		Name: name, Open: true, Provider: "s3", Place: "https://s3.eu-central-1.example/alice-dm3/dm3sync",
		Space: &api.Space{Used: 1_840_000_000, Left: 8_160_000_000, Asked: now.Add(-20 * time.Minute)}, NextPass: now.Add(4 * time.Minute),
		Status: engine.Status{
			Account: name, State: "idle", Conversations: 212, Chunks: 640, Heads: 3, Devices: 3,
			LastPass: now.Add(-50 * time.Second), LastSuccess: now.Add(-50 * time.Second),
		},
		Mirrors: []mirror.Status{{
			Name: "nas", Provider: "webdav", Place: "https://nas.home.example/dav/dm3sync", State: "complete", Objects: 1931,
			LastPass: now.Add(-time.Hour), LastSuccess: now.Add(-time.Hour),
		}},
	}, Talks: talks(now)}
}

// talks are conversations of the last year.
func talks(now time.Time) (list []engine.Conversation) {
	for i, contact := range []string{"bob.eth", "carol.addr.dm3.eth", "dave.eth", "0x71cb05ee1b1f506ff321da3dac38f25c0c9ce6e1.addr.dm3.eth", "erin.eth"} {
		list = append(list, engine.Conversation{
			Contact: contact, Chunks: 1 + i*3, Messages: 7 + i*i*1234, Hidden: i == 4, Pending: i % 2,
			First: now.AddDate(-1, -i, 0).UnixMilli(), Last: now.Add(-time.Duration(i*i) * 31 * time.Hour).UnixMilli(),
		})
	}
	return list
}

// States are accounts in all the states that there are, one each, by a word for the state.
func States() map[string]*Account {
	return map[string]*Account{
		"healthy": Healthy("alice.eth"),
		"new":     fresh("new.eth"),
		"working": working("work.alice.eth"),
		"paused":  paused("paused.eth"),
		"stuck":   stuck("stuck.eth"),
		"blocked": blocked("blocked.eth"),
		"login":   loginEnded("drive.eth"),
		"closed":  closed("closed.eth"),
		"lagging": lagging("mirrors.eth"),
	}
}

// All are the accounts of States in an order that does not change.
func All() (list []*Account) {
	states := States()
	for _, state := range []string{"healthy", "working", "stuck", "blocked", "login", "lagging", "paused", "new", "closed"} {
		list = append(list, states[state])
	}
	return list
}

func fresh(name string) *Account {
	a := Healthy(name)
	a.State.Status = engine.Status{Account: name, State: "idle", Heads: 1, Devices: 1}
	a.State.Provider, a.State.Place, a.State.Space, a.State.Mirrors = "folder", "/home/alice/dm3sync", nil, nil
	return a
}

func working(name string) *Account {
	a := Healthy(name)
	a.State.State, a.State.Pending, a.State.PendingBytes = "working", 4_812, 2_340_000
	a.State.Provider, a.State.Place, a.State.Mirrors, a.State.NextPass = "webdav", "https://cloud.example/remote.php/dav/files/alice/dm3sync", nil, time.Time{}
	a.State.Space = &api.Space{Used: 46_000_000_000, Left: 1_900_000_000, Asked: time.Now()}
	return a
}

func paused(name string) *Account {
	a := Healthy(name)
	a.State.Paused, a.State.NextPass, a.State.Pending, a.State.PendingBytes = true, time.Time{}, 12, 8_100
	a.State.Provider, a.State.Place, a.State.Mirrors = "ipfs", "http://127.0.0.1:5001", nil
	a.State.Space = &api.Space{Used: 310_000_000, Left: -1}
	return a
}

func stuck(name string) *Account {
	a, now := Healthy(name), time.Now()
	a.State.Stuck, a.State.Since, a.State.Pending, a.State.PendingBytes = true, now.Add(-7*time.Hour), 38, 31_000
	a.State.LastSuccess, a.State.LastError = now.Add(-7*time.Hour), `webdav: put heads/5f0c: 507 Insufficient Storage: the place is full`
	a.State.Obstacle = obstacle.Room
	a.State.Provider, a.State.Place, a.State.Mirrors = "webdav", "https://dav.example/alice", nil
	a.State.Space = &api.Space{Used: 10_000_000_000, Left: 0, Asked: now}
	return a
}

func blocked(name string) *Account {
	a, now := Healthy(name), time.Now()
	a.State.State, a.State.LastError = "blocked", "the account has stopped to be safe: the place shows nothing of this account, though this device wrote there before; check that it is the right place and that it is mounted; "+
		"to write there again what this device holds, run `dm3sync repair`; to give that up and start anew there, run `dm3sync forget`"
	a.State.Obstacle = obstacle.Blocked
	a.State.Problems = []engine.Problem{
		{Kind: "blocked", Alarm: true, Container: "root", Object: "root", Detail: "the place shows nothing of this account any more", Since: now.Add(-3 * time.Hour), Count: 41},
		{Kind: "rolled back", Alarm: true, Container: "head", Object: "heads/77ab", Detail: "the place shows an older list of objects than before", Since: now.Add(-3 * time.Hour), Count: 2},
		{Kind: "damaged", Alarm: true, Container: "chunk", Object: "a91c55/4d02", Contact: "bob.eth", Detail: "the object can't be opened: damaged", Since: now.Add(-26 * time.Hour), Count: 5},
		{Kind: "newer", Container: "head", Object: "heads/90fe", Detail: "a newer program wrote this object; update dm3sync", Since: now.Add(-2 * time.Hour), Count: 1},
	}
	a.State.Healed = []engine.Healed{{
		Problem: engine.Problem{Kind: "missing", Alarm: true, Container: "chunk", Object: "77b1c0/aa01", Contact: "carol.addr.dm3.eth", Detail: "an object is missing", Since: now.Add(-50 * time.Hour), Count: 3},
		Until:   now.Add(-48 * time.Hour), How: "written again from what this device holds",
	}}
	a.State.Alarms = engine.Alarms{Raised: map[string]int64{"blocked": 1, "rolled back": 1, "damaged": 4, "missing": 2}, Healed: map[string]int64{"damaged": 3, "missing": 2}}
	return a
}

func loginEnded(name string) *Account {
	a, now := Healthy(name), time.Now()
	a.State.Provider, a.State.Place, a.State.Mirrors = "drive", "Google Drive, folder dm3sync", nil
	a.State.Obstacle = obstacle.Login
	a.State.Warning = "the login has ended; run `dm3sync login drive` to log in again"
	a.State.LastError, a.State.LastSuccess, a.State.Pending, a.State.PendingBytes = "login: a new login is needed", now.Add(-31*time.Hour), 3, 2_000
	return a
}

func closed(name string) *Account {
	return &Account{State: api.AccountStatus{
		Name: name, Provider: "postgres", Place: "db.example:5432/dm3",
		Reason: "keyring: the secret is locked; unlock the keyring, or set DM3SYNC_PASSPHRASE", Status: engine.Status{Account: name, State: "idle", Obstacle: obstacle.Locked},
	}}
}

func lagging(name string) *Account {
	a, now := Healthy(name), time.Now()
	a.State.Mirrors = []mirror.Status{
		{Name: "usb", Provider: "folder", Place: "/media/alice/usb/dm3sync", State: "failing", Objects: 1200, Waiting: 731, LastPass: now.Add(-time.Minute), LastSuccess: now.Add(-9 * 24 * time.Hour), Obstacle: obstacle.Unreachable, LastError: "local: the folder is not there; is the disk connected?"},
		{Name: "old place", Provider: "s3", Place: "https://old.example/bucket", Shared: true, State: "behind", Objects: 1900, Waiting: 31, LastPass: now.Add(-time.Minute), LastSuccess: now.Add(-time.Minute)},
		{Name: "attic", Provider: "webdav", Place: "https://attic.example/", State: "new", Warning: "the login will end in 3 days"},
	}
	a.State.Node = &api.NodeStatus{Place: "https://node.dm3.example", LastSuccess: now.Add(-4 * time.Minute), Last: bridge.Report{}, Moved: 17, Forged: 1}
	a.State.SpoolError, a.State.SpoolRejected, a.State.JournalDamaged = "the spool folder can't be read: permission denied", 4, 1
	return a
}

// HostileAccounts say hostile things wherever a name, place, error or problem stands.
func HostileAccounts() (list []*Account) {
	now := time.Now()
	for i, text := range Hostile() {
		a := Healthy(fmt.Sprintf("%s%d", text, i))
		a.State.Place, a.State.LastError, a.State.Warning, a.State.SpoolError, a.State.Provider = text, text, text, text, text
		a.State.Mirrors = []mirror.Status{{Name: text, Provider: text, Place: text, State: text, LastError: text, Warning: text}}
		problem := engine.Problem{Kind: text, Alarm: true, Container: text, Object: text, Contact: text, Detail: text, Since: now, Count: 1}
		a.State.Problems = []engine.Problem{problem}
		a.State.Healed = []engine.Healed{{Problem: problem, Until: now, How: text}}
		a.State.Alarms = engine.Alarms{Raised: map[string]int64{text: 1}, Healed: map[string]int64{text: 1}}
		a.State.Node = &api.NodeStatus{Place: text, Error: text}
		a.Talks = nil
		for j, contact := range Hostile() {
			a.Talks = append(a.Talks, engine.Conversation{Contact: contact, Messages: j, First: now.UnixMilli(), Last: now.UnixMilli()})
		}
		list = append(list, a)
	}
	closed := closed(`<b onclick=window.hacked=1>closed</b>`)
	closed.State.Reason = `<script>window.hacked=1</script>`
	return append(list, closed)
}
