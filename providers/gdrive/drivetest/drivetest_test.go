package drivetest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/providers/gdrive/drivetest"
)

// client speaks to a double without any library.
type client struct {
	t      *testing.T
	server *drivetest.Server
	header http.Header // of the next request, beside the token
}

func newClient(t *testing.T) *client {
	t.Helper()
	server := drivetest.New("shared")
	t.Cleanup(server.Close)
	return &client{t: t, server: server}
}

func (c *client) do(method, path, kind, body string) (status int, header http.Header, answer string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token, err := c.server.Token(); err == nil {
		request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	c.header = nil
	got, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return got.StatusCode, got.Header, string(text)
}

func (c *client) get(path string) (int, string) {
	c.t.Helper()
	status, _, text := c.do("GET", path, "", "")
	return status, text
}

// id generates one.
func (c *client) id(space string) string {
	c.t.Helper()
	_, text := c.get("/drive/v3/files/generateIds?count=1&space=" + space)
	var answer struct{ IDs []string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.IDs) != 1 {
		c.t.Fatalf("%s: %v", text, err)
	}
	return answer.IDs[0]
}

const related = "multipart/related; boundary=b"

// upload creates a file in one request.
func (c *client) upload(description, content string) (int, string) {
	c.t.Helper()
	body := "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" + description + "\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + content + "\r\n--b--\r\n"
	status, _, text := c.do("POST", "/upload/drive/v3/files?uploadType=multipart", related, body)
	return status, text
}

func description(id, name, more string) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"mimeType":"text/plain"%s}`, id, name, more)
}

// reason is Drive's word in an error.
func reason(text string) string {
	var answer struct {
		Error struct{ Errors []struct{ Reason string } }
	}
	if json.Unmarshal([]byte(text), &answer) != nil || len(answer.Error.Errors) == 0 {
		return ""
	}
	return answer.Error.Errors[0].Reason
}

// TestStrictRequests: whatever the double does not know is refused.
func TestStrictRequests(t *testing.T) {
	c := newClient(t)
	for _, r := range []struct {
		method, path, kind, body string
		status                   int
	}{
		{"GET", "/drive/v3/files?pageSiz=1", "", "", 400},
		{"GET", "/drive/v3/files?pageSize=0", "", "", 400},
		{"GET", "/drive/v3/files?pageSize=1001", "", "", 400},
		{"GET", "/drive/v3/files?pageSize=1&pageSize=1", "", "", 400},
		{"GET", "/drive/v3/files?pageToken=none", "", "", 400},
		{"GET", "/drive/v3/files?fields=files(nam)", "", "", 400},
		{"GET", "/drive/v3/files?fields=files(name", "", "", 400},
		{"GET", "/drive/v3/files?fields=files(name))", "", "", 400},
		{"GET", "/drive/v3/files?fields=files(,name)", "", "", 400},
		{"GET", "/drive/v3/files?fields=", "", "", 400},
		{"GET", "/drive/v3/files?fields=kind/x", "", "", 400},
		{"GET", "/drive/v3/files?spaces=photos", "", "", 400},
		{"GET", "/drive/v3/files?supportsAllDrives=1", "", "", 400},
		{"GET", "/drive/v3/files?driveId=shared", "", "", 400},
		{"GET", "/drive/v3/files?driveId=shared&supportsAllDrives=true&corpora=drive", "", "", 400},
		{"GET", "/drive/v3/files?driveId=other&supportsAllDrives=true&corpora=drive&includeItemsFromAllDrives=true", "", "", 404},
		{"GET", "/drive/v3/files", "", "a body", 400},
		{"GET", "/drive/v3/files?alt=media", "", "", 400},
		{"GET", "/drive/v3/files/none", "", "", 404},
		{"DELETE", "/drive/v3/files/none", "", "", 404},
		{"GET", "/drive/v3/about", "", "", 400},
		{"GET", "/drive/v3/changes", "", "", 400},
		{"GET", "/drive/v3/changes?pageToken=x", "", "", 400},
		{"GET", "/drive/v3/changes?pageToken=99", "", "", 400},
		{"GET", "/drive/v3/files/generateIds?count=1001", "", "", 400},
		{"GET", "/drive/v3/files/generateIds?space=photos", "", "", 400},
		{"GET", "/drive/v2/files", "", "", 404},
		{"PATCH", "/drive/v3/files/none", "", "", 404},
		{"POST", "/drive/v3/files", "text/plain", `{"name":"x"}`, 400},
		{"POST", "/upload/drive/v3/files", related, "", 400},
		{"POST", "/upload/drive/v3/files?uploadType=media", "text/plain", "x", 400},
		{"POST", "/upload/drive/v3/files?uploadType=multipart", "multipart/mixed; boundary=b", "", 400},
		{"POST", "/upload/drive/v3/files?uploadType=multipart", related, "--b--\r\n", 400},
		{"POST", "/upload/drive/v3/files?uploadType=resumable", "application/json; charset=UTF-8", "{}", 400},
		{"PUT", "/upload/drive/v3/files?uploadType=resumable&upload_id=none", "", "x", 404},
	} {
		if status, _, text := c.do(r.method, r.path, r.kind, r.body); status != r.status || reason(text) == "" {
			t.Errorf("%s %s: %d, want %d: %s", r.method, r.path, status, r.status, text)
		}
	}
}

// TestQueries: the part of the language that is known, and nothing else.
func TestQueries(t *testing.T) {
	c := newClient(t)
	folder := c.server.Add("it's", drivetest.RootID, drivetest.FolderType, true, map[string]string{"k": "v"}, nil)
	inside := c.server.Add("in", folder, "text/plain", true, map[string]string{"k": "w"}, nil)
	c.server.Trash(c.server.Add("gone", folder, "text/plain", true, nil, nil))
	for query, want := range map[string]int{
		"":                            3,
		"name = 'in'":                 1,
		`name='it\'s'`:                1,
		"name = 'i'":                  0,
		"'" + folder + "' in parents": 2,
		"'" + folder + "' in parents and trashed = false":                                                  1,
		"'" + folder + "' in parents and trashed=true":                                                     1,
		"mimeType = '" + drivetest.FolderType + "'":                                                        1,
		"appProperties has { key='k' and value='v' }":                                                      1,
		"appProperties has {key='k' and value='w'} and name = 'in' and 'me' in owners and trashed = false": 1,
		"appProperties has { key='k' and value='x' }":                                                      0,
	} {
		status, text := c.get("/drive/v3/files?fields=files(id)&q=" + strings.NewReplacer(" ", "%20", "{", "%7B", "}", "%7D").Replace(query))
		if status != 200 || strings.Count(text, `"id"`) != want {
			t.Errorf("%s: %d %s, want %d", query, status, text, want)
		}
	}
	for _, query := range []string{
		" ", "name", "name =", "name = in", "name = 'in", `name = 'a\n'`, "name contains 'in'", "name != 'in'", "trashed", "trashed = 'true'",
		"name = 'in' or name = 'out'", "not trashed = true", "name = 'in' name = 'in'", "name = 'in' and", "'x' in readers", "'you' in owners",
		"appProperties has { key='k' }", "appProperties has { key='k' and value='v'", "(name = 'in')", "modifiedTime > '2026'", "fullText contains 'x'",
	} {
		if status, text := c.get("/drive/v3/files?q=" + strings.ReplaceAll(query, " ", "%20")); status != 400 {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
	c.server.Remove(folder)
	if status, _ := c.get("/drive/v3/files/" + inside); status != 404 {
		t.Errorf("a deleted folder leaves what it held: %d", status)
	}
}

// TestMasks: what is not asked for is not told, and without a mask little is.
func TestMasks(t *testing.T) {
	c := newClient(t)
	id := c.server.Add("name", drivetest.RootID, "text/plain", true, map[string]string{"k": "v"}, []byte("data"))
	for path, want := range map[string]string{
		"/drive/v3/files/" + id:                              fmt.Sprintf(`{"id":%q,"kind":"drive#file","mimeType":"text/plain","name":"name"}`, id),
		"/drive/v3/files/" + id + "?fields=size,md5Checksum": `{"md5Checksum":"8d777f385d3dfec8815d20f7496026dc","size":"4"}`,
		"/drive/v3/files/" + id + "?fields=appProperties":    `{"appProperties":{"k":"v"}}`,
		"/drive/v3/files?fields=files(name,trashed)":         `{"files":[{"name":"name","trashed":false}]}`,
		"/drive/v3/files?fields=files/name":                  `{"files":[{"name":"name"}]}`,
		"/drive/v3/files":                                    fmt.Sprintf(`{"files":[{"id":%q,"kind":"drive#file","mimeType":"text/plain","name":"name"}],"incompleteSearch":false,"kind":"drive#fileList"}`, id),
		"/drive/v3/about?fields=storageQuota/usage":          `{"storageQuota":{"usage":"4"}}`,
		"/drive/v3/changes?pageToken=0&fields=changes/file":  "",
	} {
		if status, text := c.get(path); status != 200 || want != "" && text != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

// TestCreates: ids, twins, parents, properties and sizes.
func TestCreates(t *testing.T) {
	c := newClient(t)
	id := c.id("drive")
	create := func(what string, status int, word, text string) {
		t.Helper()
		if got, answer := c.upload(text, "x"); got != status || reason(answer) != word {
			t.Errorf("%s: %d %s", what, got, answer)
		}
	}
	create("never generated", 400, "invalid", description("mine", "a", ""))
	create("no id", 400, "invalid", description("", "a", ""))
	create("an id of the other space", 400, "invalid", description(c.id("appDataFolder"), "a", ""))
	create("an unknown parent", 404, "notFound", description(id, "a", `,"parents":["none"]`))
	create("two parents", 400, "invalid", description(id, "a", `,"parents":["root","root"]`))
	create("a shared drive unasked", 404, "notFound", description(id, "a", `,"parents":["shared"]`))
	create("a long property", 400, "invalid", description(id, "a", `,"appProperties":{"k":"`+strings.Repeat("x", 124)+`"}`))
	create("an unknown field", 400, "parseError", description(id, "a", `,"titel":"x"`))
	create("good", 200, "", description(id, "a", `,"appProperties":{"k":"`+strings.Repeat("x", 123)+`"}`))
	create("used", 409, "fileIdInUse", description(id, "b", ""))
	create("a twin", 200, "", description(c.id("drive"), "a", ""))
	c.server.Remove(id)
	create("used and deleted", 409, "fileIdInUse", description(id, "b", ""))
	create("hidden", 200, "", description(c.id("appDataFolder"), "a", `,"parents":["appDataFolder"]`))
	if status, answer := c.upload(description(c.id("drive"), "large", ""), strings.Repeat("x", 6<<20)); status != 413 {
		t.Errorf("large: %d %s", status, answer)
	}
	c.server.SetQuota(2)
	create("full", 403, "storageQuotaExceeded", description(c.id("drive"), "c", ""))
	c.server.SetScopes(drivetest.ScopeFile)
	if status, text := c.get("/drive/v3/files?spaces=appDataFolder"); status != 403 || reason(text) != "insufficientPermissions" {
		t.Errorf("scope: %d %s", status, text)
	}
	if files := c.server.Files(); len(files) != 2 {
		t.Errorf("%+v", files)
	}
}

// TestUploadsInParts: sizes, order, questions and what is left of a cut part.
func TestUploadsInParts(t *testing.T) {
	c := newClient(t)
	const part, total = 256 << 10, 600 << 10
	id := c.id("drive")
	c.header = http.Header{"X-Upload-Content-Type": {"text/plain"}, "X-Upload-Content-Length": {fmt.Sprint(total)}}
	status, header, text := c.do("POST", "/upload/drive/v3/files?uploadType=resumable&fields=id,size", "application/json; charset=UTF-8", description(id, "a", ""))
	address, ok := strings.CutPrefix(header.Get("Location"), "https://www.googleapis.com")
	if status != 200 || !ok {
		t.Fatalf("%d %s %v", status, text, header)
	}
	data := bytes.Repeat([]byte("x"), total)
	step := func(what, span string, body []byte, want int, reached string) {
		t.Helper()
		c.header = http.Header{"Content-Range": {span}}
		status, header, text := c.do("PUT", address, "", string(body))
		if status != want || header.Get("Range") != reached {
			t.Errorf("%s: %d at %q, %s", what, status, header.Get("Range"), text)
		}
	}
	step("nothing yet", "bytes */614400", nil, 308, "")
	step("an odd part", "bytes 0-99/614400", data[:100], 400, "")
	step("a gap", "bytes 262144-524287/614400", data[:part], 400, "")
	step("another total", "bytes 0-262143/614401", data[:part], 400, "")
	step("first", "bytes 0-262143/614400", data[:part], 308, "bytes=0-262143")
	step("again", "bytes 0-262143/614400", data[:part], 400, "")
	step("how far", "bytes */614400", nil, 308, "bytes=0-262143")
	if got := c.server.Uploads(); len(got) != 1 || got[0] != part {
		t.Errorf("uploads %v", got)
	}
	step("the rest", "bytes 262144-614399/614400", data[part:], 200, "")
	step("done", "bytes */614400", nil, 200, "")
	if files := c.server.Files(); len(files) != 1 || files[0].Size != total || len(c.server.Uploads()) != 0 {
		t.Errorf("%+v", files)
	}
}

// TestDownloads: ranges, and other apps' files.
func TestDownloads(t *testing.T) {
	c := newClient(t)
	id := c.server.Add("a", drivetest.RootID, "text/plain", true, nil, []byte("0123456789"))
	for span, want := range map[string]string{"": "200 0123456789", "bytes=2-3": "206 23", "bytes=8-99": "206 89", "bytes=10-11": "416", "bytes=3-2": "400", "bytes=-3": "400", "items=1-2": "400"} {
		if span != "" {
			c.header = http.Header{"Range": {span}}
		}
		status, _, text := c.do("GET", "/drive/v3/files/"+id+"?alt=media", "", "")
		if status >= 400 {
			text = ""
		}
		if got := strings.TrimSpace(fmt.Sprint(status, " ", text)); got != want {
			t.Errorf("%q: %s, want %s", span, got, want)
		}
	}
	for what, other := range map[string]string{
		"another app's": c.server.Add("b", drivetest.RootID, "text/plain", false, nil, nil),
		"shared":        c.server.Add("b", "shared", "text/plain", true, nil, nil),
	} {
		if status, _ := c.get("/drive/v3/files/" + other); status != 404 {
			t.Errorf("%s: %d", what, status)
		}
	}
}

// TestLogins: what is refused, and why.
func TestLogins(t *testing.T) {
	c := newClient(t)
	for what, given := range map[string]string{"none": "", "wrong": "Bearer x", "basic": "Basic eDp5"} {
		c.header = http.Header{"Authorization": {given}}
		if status, _, text := c.do("GET", "/drive/v3/files", "", ""); status != 401 || reason(text) == "" {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	old, err := c.server.Token()
	if err != nil {
		t.Fatal(err)
	}
	c.server.Renew()
	c.header = http.Header{"Authorization": {"Bearer " + old.AccessToken}}
	if status, _, _ := c.do("GET", "/drive/v3/files", "", ""); status != 401 {
		t.Errorf("old: %d", status)
	}
	if status, text := c.get("/drive/v3/files"); status != 200 {
		t.Errorf("new: %d %s", status, text)
	}
	if status, text := c.get("/drive/v3/files?access_token=" + old.AccessToken); status != 400 {
		t.Errorf("in the address: %d %s", status, text)
	}
	c.server.Revoke()
	if _, err := c.server.Token(); err == nil {
		t.Error("a token after the end")
	}
}

// TestPagesAndFeed: tokens that hold, and tokens that are lost.
func TestPagesAndFeed(t *testing.T) {
	c := newClient(t)
	for i := range 5 {
		c.server.Add(fmt.Sprint(i), drivetest.RootID, "text/plain", true, nil, nil)
	}
	next := func(path string) (token string, count int) {
		t.Helper()
		status, text := c.get(path)
		var answer struct {
			NextPageToken, NewStartPageToken string
			Files, Changes                   []any
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return answer.NextPageToken + answer.NewStartPageToken, len(answer.Files) + len(answer.Changes)
	}
	first, count := next("/drive/v3/files?pageSize=3")
	if count != 3 || first == "" {
		t.Fatalf("%d %q", count, first)
	}
	if last, count := next("/drive/v3/files?pageSize=3&pageToken=" + first); count != 2 || last != "" {
		t.Errorf("%d %q", count, last)
	}
	if status, _ := c.get("/drive/v3/files?pageSize=4&pageToken=" + first); status != 400 {
		t.Errorf("other parameters: %d", status)
	}
	c.server.ExpirePages()
	if status, _ := c.get("/drive/v3/files?pageSize=3&pageToken=" + first); status != 400 {
		t.Errorf("expired: %d", status)
	}
	cursor, count := next("/drive/v3/changes?pageToken=0&pageSize=4")
	if count != 4 {
		t.Errorf("%d changes", count)
	}
	if _, count := next("/drive/v3/changes?pageToken=" + cursor); count != 1 {
		t.Errorf("%d changes", count)
	}
	c.server.LoseCursors()
	if status, _ := c.get("/drive/v3/changes?pageToken=" + cursor); status != 410 {
		t.Errorf("lost: %d", status)
	}
}

// TestLag: a listing shows an earlier state; what is asked for by its id is current.
func TestLag(t *testing.T) {
	c := newClient(t)
	count := func() int {
		_, text := c.get("/drive/v3/files")
		return strings.Count(text, `"id"`)
	}
	old := c.server.Add("old", drivetest.RootID, "text/plain", true, nil, nil)
	for range 3 {
		count()
	}
	c.server.SetLag(3)
	fresh := c.server.Add("fresh", drivetest.RootID, "text/plain", true, nil, nil)
	c.server.Remove(old)
	if got := count(); got != 1 {
		t.Errorf("%d shown", got)
	}
	for id, want := range map[string]int{old: 404, fresh: 200} {
		if status, _ := c.get("/drive/v3/files/" + id); status != want {
			t.Errorf("%s: %d", id, status)
		}
	}
	c.server.SetLag(0)
	if _, text := c.get("/drive/v3/files"); !strings.Contains(text, fresh) || strings.Contains(text, old) {
		t.Errorf("settled: %s", text)
	}
}
