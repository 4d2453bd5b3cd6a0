package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dm3sync/dm3sync/cache"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/watch"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// surroundings are those of a device on which all is well.
func surroundings(t *testing.T) *Surroundings {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "config.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	account := config.Account{Name: "alice.eth", Provider: config.Provider{Kind: config.KindWebDAV, URL: "https://place.example/hidden"}, Spool: folder}
	return &Surroundings{
		Config:  &config.Config{File: file, Data: folder, Accounts: []config.Account{account}},
		Version: "1", Now: time.Now, Environ: []string{"HOME=/h"},
		Agent: func(context.Context) (api.Status, error) {
			return api.Status{Version: "1", PID: 7, Accounts: []api.AccountStatus{status(func(*api.AccountStatus) {})}}, nil
		},
		Holder: func() int { return 0 },
		Open: func(context.Context, config.Account) (api.AccountStatus, error) {
			return status(func(*api.AccountStatus) {}), nil
		},
		Unlock: func(context.Context, config.Account) error { return nil },
		Build:  Build{Revision: "abc", Go: "go1", Cache: 1, Objects: 1}, Credstore: filepath.Join(folder, "credstore"),
		NodeKeys: func(context.Context, config.Account, string) error { return nil },
		Place:    func(context.Context, config.Account) (providers.Store, error) { return memory.New(nil), nil },
		Keyring:  func(context.Context) error { return keyring.ErrNoEntry },
		Advice:   func(error) string { return "" },
		Kept:     func() (*watch.Kept, error) { return &watch.Kept{}, nil },
		Disk:     func(string) (Disk, error) { return Disk{Free: 1 << 40}, nil },
		Limits:   func() Limits { return Limits{Files: 20000, Watches: 100000} },
		Probe:    func(context.Context, Address) (Seen, error) { return Seen{Looked: true, Reached: true}, nil },
	}
}

func status(change func(s *api.AccountStatus)) api.AccountStatus {
	s := api.AccountStatus{Name: "alice.eth", Open: true}
	s.State = "idle"
	change(&s)
	return s
}

// run returns the findings that are not ok.
func run(t *testing.T, s *Surroundings) (list []Finding) {
	t.Helper()
	for _, f := range Examine(t.Context(), Checks(s), time.Minute) {
		if f.Check == "" || f.Says == "" {
			t.Errorf("%+v says nothing", f)
		}
		if f.Level != OK {
			list = append(list, f)
		}
	}
	return list
}

func TestAllIsWell(t *testing.T) {
	if found := run(t, surroundings(t)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestWhatIsFound: each fault is found by its check, at its level, and by no other.
func TestWhatIsFound(t *testing.T) {
	agentSays := func(change func(*api.AccountStatus)) func(*Surroundings) {
		return func(s *Surroundings) {
			s.Agent = func(context.Context) (api.Status, error) {
				return api.Status{Version: "1", Accounts: []api.AccountStatus{status(change)}}, nil
			}
		}
	}
	agentIs := func(agent, own string) func(*Surroundings) {
		return func(s *Surroundings) {
			s.Version = own
			s.Agent = func(context.Context) (api.Status, error) {
				return api.Status{Version: agent, Accounts: []api.AccountStatus{status(func(*api.AccountStatus) {})}}, nil
			}
		}
	}
	node := func(err error) func(*Surroundings) {
		return func(s *Surroundings) {
			s.Config.Accounts[0].Node = config.Node{URL: "https://node.example", Name: "alice.eth"}
			s.NodeKeys = func(context.Context, config.Account, string) error { return err }
		}
	}
	noAgent := func(s *Surroundings) {
		s.Agent = func(context.Context) (api.Status, error) { return api.Status{}, fmt.Errorf("x: %w", api.ErrNoAgent) }
	}
	for name, c := range map[string]struct {
		happens func(s *Surroundings)
		check   string
		level   Level
		says    string
	}{
		"broken configuration": {func(s *Surroundings) { s.Config, s.Failure = nil, errors.New("configuration: line 7") }, "configuration", Wrong, "line 7"},
		"writable for all":     {func(s *Surroundings) { _ = os.Chmod(s.Config.File, 0o666) }, "configuration", Wrong, "others can change"},
		"warning":              {func(s *Surroundings) { s.Config.Warnings = []string{"odd"} }, "configuration", Note, "odd"},
		"variables":            {func(s *Surroundings) { s.Environ = append(s.Environ, "DM3SYNC_DATA=hidden") }, "environment", Note, "DM3SYNC_DATA"},
		"clock of the past":    {func(s *Surroundings) { s.Now = func() time.Time { return time.Unix(0, 0) } }, "clock", Wrong, "before this program"},
		"clock behind":         {func(s *Surroundings) { s.Now = func() time.Time { return time.Now().Add(-72 * time.Hour) } }, "clock", Wrong, "changed after that"},
		"few files":            {func(s *Surroundings) { s.Limits = func() Limits { return Limits{Files: 256} } }, "limits", Note, "256 files"},
		"few watches":          {func(s *Surroundings) { s.Limits = func() Limits { return Limits{Files: 4096, Watches: 9} } }, "limits", Note, "9 folders"},
		"little memory":        {func(s *Surroundings) { s.Limits = func() Limits { return Limits{Files: 4096, Memory: 100 << 20} } }, "limits", Note, "100 MiB of memory"},
		"no data folder":       {func(s *Surroundings) { s.Config.Data += "/none" }, "data folder", Note, "not there yet"},
		"open data folder":     {func(s *Surroundings) { _ = os.Chmod(s.Config.Data, 0o755) }, "data folder", Note, "others can look"},
		"file as data folder":  {func(s *Surroundings) { s.Config.Data = s.Config.File }, "data folder", Wrong, "no folder"},
		"disk full":            {func(s *Surroundings) { s.Disk = func(string) (Disk, error) { return Disk{Free: 5}, nil } }, "data folder", Wrong, "only 5 B"},
		"little room":          {func(s *Surroundings) { s.Disk = func(string) (Disk, error) { return Disk{Free: 500e6}, nil } }, "data folder", Note, "500 MB"},
		"network disk": {func(s *Surroundings) {
			s.Disk = func(string) (Disk, error) { return Disk{Free: -1, Kind: "nfs", Network: true}, nil }
		}, "data folder", Note, "nfs"},
		"disk in memory": {func(s *Surroundings) {
			s.Disk = func(string) (Disk, error) { return Disk{Free: -1, Kind: "tmpfs", Memory: true}, nil }
		}, "data folder", Wrong, "tmpfs"},
		"no agent":      {noAgent, "agent", Note, "no agent"},
		"other version": {func(s *Surroundings) { s.Version = "2" }, "agent", Wrong, "version 1"},
		"older agent":   {agentIs("v1.9.2", "v1.10.0"), "agent", Wrong, "older than this program"},
		"newer agent":   {agentIs("v2.0.0", "v2.0.0-rc.1"), "agent", Wrong, "newer than this program"},
		"other build":   {agentIs("v0.0.0-1-a", "v0.0.0-2-b"), "agent", Wrong, "and this program"},
		"heartbeat fails": {func(s *Surroundings) {
			s.Config.Notice.Heartbeat = "https://h.example/hidden"
			s.Kept = func() (*watch.Kept, error) {
				return &watch.Kept{Heartbeats: map[string]watch.Beat{watch.BeatOfAll: {At: time.Now(), Error: "it answered 404"}}}, nil
			}
		}, "heartbeat", Wrong, "404"},
		"never a heartbeat": {func(s *Surroundings) { s.Config.Accounts[0].Notice.Heartbeat = "https://h.example/hidden" }, "heartbeat", Note, "never"},
		"no secret": {func(s *Surroundings) {
			s.Unlock = func(context.Context, config.Account) error { return keyring.ErrSource }
		}, "secret", Wrong, ""},
		"other key": {func(s *Surroundings) {
			noAgent(s)
			s.Advice = func(error) string { return "set it right" }
			s.Open = func(context.Context, config.Account) (api.AccountStatus, error) {
				return api.AccountStatus{}, errors.New("another key")
			}
		}, "account", Wrong, "another key"},
		"unknown to the agent": {agentSays(func(a *api.AccountStatus) { a.Name = "bob.eth" }), "account", Wrong, "does not know"},
		"closed":               {agentSays(func(a *api.AccountStatus) { a.Open, a.Reason = false, "no drive" }), "account", Wrong, "no drive"},
		"blocked":              {agentSays(func(a *api.AccountStatus) { a.State, a.LastError = "blocked", "gone" }), "account", Wrong, "gone"},
		"stuck":                {agentSays(func(a *api.AccountStatus) { a.Stuck, a.Pending = true, 3 }), "account", Wrong, "3 messages waiting"},
		"failed pass":          {agentSays(func(a *api.AccountStatus) { a.LastError = "offline" }), "account", Note, "offline"},
		"full place":           {agentSays(func(a *api.AccountStatus) { a.LastError, a.Obstacle = "507", obstacle.Room }), "account", Note, "507"},
		"alarm":                {agentSays(func(a *api.AccountStatus) { a.Problems = []engine.Problem{{Kind: "lost", Alarm: true, Contact: "bob"}} }), "account", Wrong, "1 alarm"},
		"problem":              {agentSays(func(a *api.AccountStatus) { a.Problems = []engine.Problem{{Kind: "doubt"}} }), "account", Note, "1 problem"},
		"damaged journal":      {agentSays(func(a *api.AccountStatus) { a.JournalDamaged = 2 }), "account", Wrong, "2 damaged frames"},
		"login":                {agentSays(func(a *api.AccountStatus) { a.Warning = "log in" }), "account", Wrong, "log in"},
		"newer objects": {agentSays(func(a *api.AccountStatus) {
			a.Problems = []engine.Problem{{Kind: "newer"}, {Kind: "newer", Contact: "bob"}}
		}), "account", Wrong, "2 objects can't be read by this one"},
		"newer folder": {func(s *Surroundings) {
			noAgent(s)
			s.Advice = func(error) string { return "update this one" }
			s.Open = func(context.Context, config.Account) (api.AccountStatus, error) {
				return api.AccountStatus{}, cache.ErrNewerVersion
			}
		}, "account", Wrong, "written by a newer version"},
		"other keys at the node": {node(ErrOtherKeys), "dm3 node", Wrong, "node.example knows alice.eth by other keys"},
		"nobody at the node":     {node(ErrNoKeys), "dm3 node", Wrong, "node.example knows nobody as alice.eth"},
		"silent node":            {node(providers.ErrTransient), "dm3 node", Note, "could not be compared"},
		"unchecked postmarks": {func(s *Surroundings) {
			node(nil)(s)
			s.Config.Accounts[0].Node.Delivery = "https://post.example"
		}, "dm3 node", Note, "postmarks"},
		"no credential": {func(s *Surroundings) { s.Config.Accounts[0].Secret.Credential = "storage-key" }, "secret", Wrong, "no credential storage-key"},
		"open credential": {func(s *Surroundings) {
			s.Config.Accounts[0].Secret.Credential = "storage-key"
			keep(t, filepath.Join(s.Credstore, "dm3sync.storage-key"), 0o644)
		}, "secret", Wrong, "others can read"},
		"place's credential": {func(s *Surroundings) { s.Config.Accounts[0].Provider.SecretCredential = "place-secret" }, "place", Note, "only the service has"},
		"paused":             {agentSays(func(a *api.AccountStatus) { a.Paused = true }), "account", Note, "paused"},
		"mirror": {agentSays(func(a *api.AccountStatus) {
			a.Mirrors = []mirror.Status{{Name: "attic", Problems: []engine.Problem{{}}}}
		}), "account", Wrong, "attic"},
		"place refuses": {func(s *Surroundings) {
			s.Place = func(context.Context, config.Account) (providers.Store, error) { return nil, providers.ErrUnauthorised }
		}, "place", Wrong, "can't be opened"},
		"no DNS": {func(s *Surroundings) {
			s.Probe = Probe(noProxy, time.Now)
			s.Config.Accounts[0].Provider.URL = "https://nowhere.invalid/hidden"
			s.Config.Accounts[0].Provider.Proxy = ""
		}, "place", Wrong, "nowhere.invalid"},
		"no spool": {func(s *Surroundings) { s.Config.Accounts[0].Spool += "/none" }, "spool", Wrong, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := surroundings(t)
			c.happens(s)
			found := run(t, s)
			if c.check == "account" { // some of it is only looked at without an agent, which is a note
				found = slices.DeleteFunc(found, func(f Finding) bool { return f.Check == "agent" })
			}
			if len(found) != 1 || found[0].Check != c.check || found[0].Level != c.level || !strings.Contains(found[0].Says, c.says) {
				t.Fatalf("%+v", found)
			}
			if text := fmt.Sprint(found); strings.Contains(text, "hidden") || strings.Contains(text, "bob") {
				t.Errorf("it tells too much: %s", text)
			}
			if name == "full place" && !strings.Contains(found[0].Do, "make room at the place") {
				t.Errorf("what to do about it: %q", found[0].Do)
			}
			if found[0].Level == Wrong && found[0].Do == "" && name != "login" { // that sentence has its way out
				t.Errorf("%+v says no way out", found)
			}
		})
	}
}

// keep writes a file of a mode.
func keep(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("secret"), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// TestCredentials: what only the service can read is looked for where its unit takes it from, sealed or not; a service
// that was started with them reads them itself.
func TestCredentials(t *testing.T) {
	s := surroundings(t)
	s.Config.Accounts[0].Secret.Credential = "storage-key"
	unlocked := false
	s.Unlock = func(context.Context, config.Account) error { unlocked = true; return nil }
	keep(t, filepath.Join(s.Credstore+".encrypted", "dm3sync.storage-key"), 0o600)
	if found := run(t, s); len(found) > 0 {
		t.Errorf("sealed: %+v", found)
	}
	keep(t, filepath.Join(s.Credstore, "dm3sync.storage-key"), 0o600)
	if found := run(t, s); len(found) > 0 || unlocked {
		t.Errorf("plain: %+v, read %v", found, unlocked)
	}
	s.Environ = append(s.Environ, "CREDENTIALS_DIRECTORY=/run/credentials/dm3sync.service")
	if found := run(t, s); len(found) > 0 || !unlocked {
		t.Errorf("as the service: %+v, read %v", found, unlocked)
	}
}

// TestVersions: the program says which one it is, and versions are ordered as people read them.
func TestVersions(t *testing.T) {
	s := surroundings(t)
	s.Version, s.Build = "v1.2.3", Build{Revision: "0123456789abcdef", Go: "go1.26.1", Cache: 7, Objects: 9}
	if found := s.versions(t.Context()); len(found) != 1 || found[0].Says != "dm3sync v1.2.3 (0123456789ab), go1.26.1; caches of version 7, sealed objects of version 9" {
		t.Errorf("%+v", found)
	}
	for _, c := range []struct {
		a, b  string
		order int
		known bool
	}{
		{"v1.2.3", "v1.2.4", -1, true},
		{"1.10.0", "v1.9.9", 1, true},
		{"v2.0.0", "v2.0.0-rc.1", 1, true},
		{"v2.0.0-rc.1", "v2.0.0", -1, true},
		{"v1.0.0+a", "v1.0.0+b", 0, false},
		{"v0.0.0-1", "v0.0.0-2", 0, false},
		{"(devel)", "v1.0.0", 0, false},
		{"v1.0", "v1.0.0", 0, false},
		{"v1.0.0", "v1.-1.0", 0, false},
	} {
		order, known := compareVersions(c.a, c.b)
		if known != c.known || known && (order < 0) != (c.order < 0) {
			t.Errorf("%s and %s: %d, %v", c.a, c.b, order, known)
		}
	}
}

// TestHeld: an agent that holds the folder and does not answer is told apart from none.
func TestHeld(t *testing.T) {
	s := surroundings(t)
	s.Agent = func(context.Context) (api.Status, error) { return api.Status{}, api.ErrNoAgent }
	s.Holder = func() int { return 42 }
	s.Open = func(context.Context, config.Account) (api.AccountStatus, error) {
		t.Error("opened what is in use")
		return api.AccountStatus{}, nil
	}
	found := run(t, s)
	if len(found) != 2 || found[0].Level != Wrong || !strings.Contains(found[0].Do, "42") || found[1].Level != Note {
		t.Errorf("%+v", found)
	}
}

// TestChecksDoNotWait: one that hangs holds up none, and says so.
func TestChecksDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		began := time.Now()
		found := Examine(t.Context(), []Check{
			{Name: "deaf", Look: func(context.Context) []Finding { <-free; return nil }},
			{Name: "listens", Look: func(ctx context.Context) []Finding { <-ctx.Done(); return []Finding{wrong("", "no answer")} }},
			{Name: "quick", Account: "a", Look: func(context.Context) []Finding { return []Finding{fine("done")} }},
		}, 15*time.Second)
		close(free)
		if took := time.Since(began); took > 17*time.Second {
			t.Errorf("took %s", took)
		}
		if !slices.EqualFunc(found, []Finding{{Check: "deaf", Level: Note}, {Check: "listens", Level: Wrong}, {Check: "quick", Account: "a", Level: OK}},
			func(a, b Finding) bool { return a.Check == b.Check && a.Level == b.Level && a.Account == b.Account }) {
			t.Errorf("%+v", found)
		}
	})
}
