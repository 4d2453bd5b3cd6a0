package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/storage"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/memory"
)

// ask sends one request and returns its answer.
func ask(t *testing.T, method, url, text string, header http.Header) (status int, answer string, answered http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read), response.Header
}

// logIn returns the header of a session.
func (r *rig) logIn(t *testing.T) http.Header {
	t.Helper()
	text, err := r.login.Challenge(t.Context(), ownName)
	if err != nil {
		t.Fatal(err)
	}
	token, err := r.login.Session(t.Context(), ownName, text, ownProfile().Sign(text))
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// TestRoutes: every route asks for a session, takes what the schema says, and refuses
// anything else.
func TestRoutes(t *testing.T) {
	tree := newTree(t, openAccount(t, memory.New(nil)), nil)
	records := newRecords(t, newClock(), memory.New(nil), 0, nil)
	bob := tree.app(t).contact("bob.eth")
	sealed := tree.app(t).record(content(ownName, "bob.eth", 1, "hello", 1), 5)
	text, err := json.Marshal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	record := string(text)
	for name, r := range map[string]*rig{"tree": tree, "records": records} {
		base, session := r.URL+"/storage/new/"+ownName+"/", r.logIn(t)
		for _, c := range []struct {
			method, route, good string
			bad                 []string
		}{
			{"POST", "addConversation", `{"encryptedContactName":"` + bob + `"}`, []string{``, `{`, `[]`, `{"encryptedContactName":7}`}},
			{"GET", "getConversations", "", nil},
			{"GET", "getConversations?pageSize=3&offset=2.9", "", nil},
			{"GET", "getNumberOfConversations", "", nil},
			{"POST", "toggleHideConversation", `{"encryptedContactName":"` + bob + `","hide":false}`, []string{`{"encryptedContactName":"` + bob + `","hide":1}`}},
			{"POST", "addMessage", `{"encryptedContactName":"` + bob + `",` + record[1:], []string{record, `{"encryptedContactName":"` + bob + `","more":1,` + record[1:], `{}`}},
			{"POST", "addMessageBatch", `{"encryptedContactName":"` + bob + `","messageBatch":[` + record + `]}`, []string{`{"encryptedContactName":"` + bob + `","messageBatch":[{}]}`}},
			{"POST", "editMessageBatch", `{"encryptedContactName":"` + bob + `","editMessageBatchPayload":[` + record + `]}`, []string{`{"encryptedContactName":"` + bob + `"}`}},
			{"GET", "getMessages/" + bob, "", nil},
			{"GET", "getMessages/bob%2Feth?pageSize=0", "", nil},
			{"GET", "getNumberOfMessages/" + bob, "", nil},
			{"GET", "getHaltedMessages", "", nil},
		} {
			if status, answer, _ := ask(t, c.method, base+c.route, c.good, session); status != 200 {
				t.Errorf("%s: %s: %d %s", name, c.route, status, answer)
			}
			for _, header := range []http.Header{{}, {"Authorization": {"Bearer x.y.z"}}} {
				if status, answer, _ := ask(t, c.method, base+c.route, c.good, header); status != 401 {
					t.Errorf("%s: %s without a session: %d %s", name, c.route, status, answer)
				}
			}
			for _, bad := range c.bad {
				if status, answer, _ := ask(t, c.method, base+c.route, bad, session); status != 400 {
					t.Errorf("%s: %s with %s: %d %s", name, c.route, bad, status, answer)
				}
			}
			if strings.HasPrefix(c.route, "get") && strings.Contains(c.route, "pageSize") {
				for _, query := range []string{"?pageSize=-1", "?offset=-1", "?pageSize=1000000"} {
					route, _, _ := strings.Cut(c.route, "?")
					if status, _, _ := ask(t, c.method, base+route+query, "", session); status != 400 && !strings.Contains(route, "bob%2Feth") {
						t.Errorf("%s: %s%s: %d", name, route, query, status)
					}
				}
			}
		}
		if status, _, _ := ask(t, "POST", base+"clearHaltedMessage", `{"messageId":"0x1"}`, session); status != 400 {
			t.Errorf("%s: clearing nothing: %d", name, status)
		}
	}
}

// TestNames: names that end a stock server are refused here, wherever they stand.
func TestNames(t *testing.T) {
	r := newRecords(t, newClock(), memory.New(nil), 0, nil)
	session := r.logIn(t)
	for _, name := range []string{"-a.eth", "a%F0%9F%98%80.eth", "%FF.eth", "a%E2%80%8B%EF%BF%BE.eth", "ab--c.eth", strings.Repeat("a", 5000)} {
		for _, path := range []string{"/auth/", "/profile/", "/storage/new/"} {
			address := r.URL + path + name
			if path == "/storage/new/" {
				address += "/getConversations"
			}
			if status, answer, _ := ask(t, "GET", address, "", session); status != 400 {
				t.Errorf("%s%.20s: %d %s", path, name, status, answer)
			}
		}
	}
	if status, _, _ := ask(t, "GET", r.URL+"/storage/new/"+strings.ToUpper(ownName[2:])+"/getConversations", "", session); status != 401 {
		t.Errorf("another name: %d", status)
	}
	upper := "0x" + strings.ToUpper(ownName[2:42]) + ownName[42:]
	if status, answer, _ := ask(t, "GET", r.URL+"/storage/new/"+upper+"/getConversations", "", session); status != 200 {
		t.Errorf("the same name: %d %s", status, answer)
	}
}

func TestOrigins(t *testing.T) {
	const app = "https://app.example.org"
	r := newRecords(t, newClock(), memory.New(nil), 0, func(o *storage.Options) { o.Guard.Origins = []string{app} })
	closed := newRecords(t, newClock(), memory.New(nil), 0, nil)
	for name, c := range map[string]struct {
		rig            *rig
		method, origin string
		status         int
		allowed        string
	}{
		"a listed page asks first":  {r, "OPTIONS", app, 204, app},
		"a listed page asks":        {r, "GET", app, 404, app},
		"another page asks first":   {r, "OPTIONS", "https://evil.example", 403, ""},
		"another page asks":         {r, "GET", "https://evil.example", 403, ""},
		"a page in a sandbox":       {r, "GET", "null", 403, ""},
		"a longer name":             {r, "GET", app + ".evil.example", 403, ""},
		"no page":                   {r, "GET", "", 404, ""},
		"a page where none may ask": {closed, "GET", app, 403, ""},
	} {
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		status, _, answered := ask(t, c.method, c.rig.URL+"/auth/nobody.eth", "", header)
		if status != c.status || answered.Get("Access-Control-Allow-Origin") != c.allowed || answered.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d, %v", name, status, answered)
		}
	}
}

func TestLimits(t *testing.T) {
	limited := func(change func(*storage.Options)) (*rig, http.Header) {
		r := newRecords(t, newClock(), memory.New(nil), 0, change)
		return r, r.logIn(t)
	}
	until := func(r *rig, header http.Header, path string) (passed int, wait string) {
		for ; passed < 50; passed++ {
			if status, _, answered := ask(t, "GET", r.URL+path, "", header); status == 429 {
				return passed, answered.Get("Retry-After")
			}
		}
		return passed, ""
	}
	own := "/storage/new/" + ownName + "/getNumberOfConversations"
	t.Run("addresses", func(t *testing.T) {
		r, session := limited(func(o *storage.Options) { o.Guard.PerSecond, o.Guard.Burst = 0.5, 5 })
		if n, wait := until(r, session, own); n != 5 || wait != "2" {
			t.Errorf("%d requests passed, wait %q", n, wait)
		}
		if status, _, _ := ask(t, "GET", r.URL+"/healthz", "", nil); status != 200 {
			t.Errorf("health: %d", status)
		}
		r.clock.add(4 * time.Second)
		if n, _ := until(r, session, own); n != 2 {
			t.Errorf("%d requests passed later", n)
		}
	})
	t.Run("proxies", func(t *testing.T) {
		r, session := limited(func(o *storage.Options) {
			o.Guard.PerSecond, o.Guard.Burst, o.Guard.Proxies = 0.5, 5, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		})
		for _, c := range []struct {
			forwarded string
			want      int
		}{
			{"203.0.113.1", 5}, {"203.0.113.2", 5}, {"7.7.7.7, 203.0.113.2", 0}, {"203.0.113.3, 127.0.0.1", 5},
			{"2001:db8::1", 5}, {"2001:db8::2", 0}, {"2001:db8:0:1::2", 5}, {"nonsense", 5},
		} {
			header := session.Clone()
			header.Set("X-Forwarded-For", c.forwarded)
			if n, _ := until(r, header, own); n != c.want {
				t.Errorf("%s: %d requests passed, want %d", c.forwarded, n, c.want)
			}
		}
	})
	t.Run("accounts", func(t *testing.T) {
		r, session := limited(func(o *storage.Options) { o.AccountPerSecond, o.AccountBurst = 0.5, 5 })
		if n, wait := until(r, http.Header{}, own); n != 50 || wait != "" {
			t.Errorf("strangers use up an account's requests: %d", n)
		}
		if n, wait := until(r, session, own); n != 5 || wait != "2" {
			t.Errorf("%d requests passed, wait %q", n, wait)
		}
	})
	t.Run("bodies", func(t *testing.T) {
		r, session := limited(nil)
		big := `{"encryptedContactName":"` + strings.Repeat("x", 1<<20) + `"}`
		address := r.URL + "/storage/new/" + ownName + "/addConversation"
		if status, _, _ := ask(t, "POST", address, big, session); status != 413 {
			t.Errorf("announced: %d", status)
		}
		for _, path := range []string{"/auth/", "/profile/"} { // which anybody may send
			if status, _, _ := ask(t, "POST", r.URL+path+ownName, big[:100_000], nil); status != 413 {
				t.Errorf("%s: %d", path, status)
			}
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, io.MultiReader(strings.NewReader(big))) // of unknown length
		if err != nil {
			t.Fatal(err)
		}
		request.Header = session
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("not announced: %d", response.StatusCode)
		}
	})
}

// TestLogsTellNothing: neither names nor tokens nor addresses are in the log, whatever
// happens.
func TestLogsTellNothing(t *testing.T) {
	r := newRecords(t, newClock(), memory.New(nil), 0, nil)
	a, session := r.app(t), r.logIn(t)
	if err := a.AddConversation(t.Context(), a.contact("bob.eth"), ""); err != nil {
		t.Fatal(err)
	}
	ask(t, "GET", r.URL+"/bob.eth/"+ownName, "", session)
	ask(t, "bob.eth", r.URL+"/auth/bob.eth?x=bob.eth", "", session)
	log := r.logs.String()
	if !strings.Contains(log, "addConversation") {
		t.Fatalf("the log tells nothing at all: %s", log)
	}
	for _, secret := range []string{"bob.eth", ownName, ownName[2:42], a.contact("bob.eth"), session.Get("Authorization")[7:], "127.0.0.1"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s:\n%s", secret, log)
		}
	}
}

// failing is a place that fails.
type failing struct {
	providers.Store
	err error
}

func (f failing) Put(context.Context, string, []byte) error { return f.err }

// TestFailures: a place that fails is told from a wrong request, and nothing about it
// is shown to the client.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"not reachable": {fmt.Errorf("s3: secret.example: %w", providers.ErrTransient), 503},
		"full":          {fmt.Errorf("s3: secret.example: %w", providers.ErrQuota), 507},
		"anything else": {errors.New("secret.example burns"), 500},
	} {
		place := memory.New(nil)
		r := newRecords(t, newClock(), place, 0, nil)
		session := r.logIn(t)
		broken := newRecords(t, r.clock, failing{place, c.err}, 0, nil)
		status, answer, header := ask(t, "POST", broken.URL+"/storage/new/"+ownName+"/addConversation", `{"encryptedContactName":"x"}`, session)
		if status != c.status || strings.Contains(answer, "secret") || strings.Contains(broken.logs.String(), "secret") || (status == 503) != (header.Get("Retry-After") != "") {
			t.Errorf("%s: %d %s\n%s", name, status, answer, broken.logs.String())
		}
	}
}

// start runs a server on a port of its own and returns its address, and how to stop it.
func start(t *testing.T, handler http.Handler, o storage.ServerOptions) (address string, stop func() error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- storage.Serve(ctx, listener, handler, o) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return listener.Addr().String(), stop
}

// TestSlowClients: who never ends a request loses the connection, and nobody else
// waits for it.
func TestSlowClients(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too slow", http.StatusRequestTimeout)
		}
	})
	address, _ := start(t, read, storage.ServerOptions{HeaderWait: 2 * time.Second, RequestWait: 4 * time.Second}) // enough for the others on a busy machine
	for name, text := range map[string]string{
		"a header without an end": "POST / HTTP/1.1\r\nHost: x\r\n",
		"a body that never comes": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx",
	} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(connection, text); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := ask(t, "GET", "http://"+address, "", nil); status != 200 {
			t.Errorf("%s: others get %d", name, status)
		}
		answer, err := io.ReadAll(connection) // ends when the server ends the connection
		if err != nil || bytes.Contains(answer, []byte("200 OK")) {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
		connection.Close()
	}
}

// TestStopLetsRequestsEnd: a request under way when the server stops is answered.
func TestStopLetsRequestsEnd(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-goOn
		if r.Context().Err() != nil {
			http.Error(w, "cut", http.StatusServiceUnavailable)
		}
	})
	address, stop := start(t, slow, storage.ServerOptions{})
	answered := make(chan int)
	go func() {
		response, err := http.Get("http://" + address) //nolint:noctx // it ends with the server
		if err != nil {
			answered <- 0
			return
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	<-begun
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	close(goOn)
	if status := <-answered; status != 200 {
		t.Errorf("the request under way: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the stop: %v", err)
	}
}

// TestSignUp: an app that is new to the service registers, logs in and works; and a
// published profile alone opens nothing.
func TestSignUp(t *testing.T) {
	wallet, err := identity.ParseWalletKey("0x" + strings.Repeat("11", 32))
	if err != nil {
		t.Fatal(err)
	}
	profile := identity.FromStorageKey([32]byte{7})
	name := identity.AccountName(wallet.Address())
	published := profile.UserProfile("ds.example.eth")
	text, err := published.Text()
	if err != nil {
		t.Fatal(err)
	}
	signed := wallet.Sign(identity.ProfileCreationMessage(text, wallet.Address()))
	body := func(profile, signature string) string {
		return fmt.Sprintf(`{"profile":%s,"signature":%q}`, profile, signature)
	}
	r := newRecords(t, newClock(), memory.New(nil), 0, nil)
	post := func(name, text string) (int, string) {
		status, answer, _ := ask(t, "POST", r.URL+"/profile/"+name, text, nil)
		return status, answer
	}
	other := strings.Replace(text, published.PublicSigningKey, identity.EncodeKey(make([]byte, 32)), 1)
	for what, c := range map[string][2]string{
		"another profile":              {name, body(other, signed)},
		"no signature":                 {name, body(text, "")},
		"another address":              {ownName, body(text, signed)},
		"a name without an address":    {"alice.eth", body(text, signed)},
		"a domain of somebody else":    {name[:42] + ".evil.eth", body(text, signed)},
		"no profile":                   {name, body(`{}`, signed)},
		"a profile that is no profile": {name, body(`"x"`, signed)},
	} {
		if status, answer := post(c[0], c[1]); status != 400 {
			t.Errorf("%s: %d %s", what, status, answer)
		}
	}
	if status, _, _ := ask(t, "GET", r.URL+"/profile/"+name, "", nil); status != 404 {
		t.Errorf("before: %d", status)
	}
	status, token := post("0x"+strings.ToUpper(name[2:42])+name[42:], body(text, signed))
	if status != 200 {
		t.Fatalf("registering: %d %s", status, token)
	}
	header := http.Header{"Authorization": {"Bearer " + strings.Trim(token, `"`)}}
	if status, _, _ := ask(t, "GET", r.URL+"/storage/new/"+name+"/getConversations", "", header); status != 401 {
		t.Errorf("the token of a registration opens the account: %d", status)
	}
	if status, _ := post(name, body(text, signed)); status != 400 {
		t.Errorf("registering twice: %d", status)
	}
	status, answer, _ := ask(t, "GET", r.URL+"/profile/"+name, "", nil)
	var got dm3api.SignedProfile
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.Signature != signed {
		t.Errorf("afterwards: %d %s", status, answer)
	}
	a := newApp(t, r.URL, name, profile, r.clock.now, nil)
	if err := a.AddConversation(t.Context(), a.contact("bob.eth"), ""); err != nil {
		t.Error(err)
	}
}

// TestTreeProfiles: an app finds the account's profile, or registers as if it were new,
// and logs in.
func TestTreeProfiles(t *testing.T) {
	r := newTree(t, openAccount(t, memory.New(nil)), nil)
	text, err := ownProfile().UserProfile().Text()
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.FromStorageKey([32]byte{9}).UserProfile().Text()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		method, name, body string
		status             int
	}{
		"the profile":                    {"GET", ownName, "", 200},
		"by an alias":                    {"GET", "alice.eth", "", 200},
		"somebody else's":                {"GET", "bob.eth", "", 404},
		"the same registers":             {"POST", ownName, fmt.Sprintf(`{"profile":%s,"signature":"0x"}`, text), 200},
		"one of another key registers":   {"POST", ownName, fmt.Sprintf(`{"profile":%s,"signature":"0x"}`, other), 400},
		"somebody else registers":        {"POST", "bob.eth", fmt.Sprintf(`{"profile":%s,"signature":"0x"}`, text), 400},
		"nobody else can have challenge": {"GET", "../auth/bob.eth", "", 404},
	} {
		status, answer, _ := ask(t, c.method, r.URL+"/profile/"+c.name, c.body, nil)
		if status != c.status {
			t.Errorf("%s: %d %s", what, status, answer)
		}
		if c.method == "POST" && status == 200 {
			if err := r.login.Check(t.Context(), ownName, strings.Trim(answer, `"`)); err == nil {
				t.Error("a published profile opens the account")
			}
		}
	}
}
