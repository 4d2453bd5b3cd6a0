package dm3api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/dm3api/nodetest"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// TestStatuses: the server's side answers requests of every form as the stock server does.
func TestStatuses(t *testing.T) {
	const record = `"messageId":"m","createdAt":1.9,"encryptedEnvelopContainer":"x","isHalted":false`
	node := nodetest.New(t)
	account := node.Account(1)
	base := "/storage/new/" + account.Name + "/"
	for _, c := range []struct {
		path, body string // no body: GET
		status     int
		answer     string // what the answer holds
	}{
		{"addConversation", `{"encryptedContactName":"c"}`, 200, "OK"},
		{"addConversation/", `{"encryptedContactName":"c","more":1}`, 200, "OK"},
		{"addConversation", `{"encryptedContactName":""}`, 400, "invalid schema"},
		{"addConversation", `{"encryptedContactName":7}`, 400, "invalid schema"},
		{"addConversation", `[]`, 400, "invalid schema"},
		{"getConversations", "", 200, `[{"contact":"c","previewMessage":null,"updatedAt":"20`},
		{"getConversations?pageSize=-1", "", 400, "invalid schema"},
		{"getConversations?pageSize=0&offset=x", "", 200, `"contact":"c"`},
		{"getConversations?offset=1", "", 200, `[]`},
		{"toggleHideConversation", `{"encryptedContactName":"c","hide":"yes"}`, 400, "unable to toggle"},
		{"toggleHideConversation", `{"encryptedContactName":"nobody","hide":true}`, 200, "OK"},
		{"toggleHideConversation", `{"hide":true}`, 400, "invalid schema"},
		{"addMessage", `{"encryptedContactName":"c",` + record + `}`, 200, "OK"},
		{"addMessage", `{"encryptedContactName":"c",` + record + `}`, 400, "unable to add message"},
		{"addMessage", `{"encryptedContactName":"c",` + strings.Replace(record, "1.9", "1e16", 1) + `}`, 400, "unable to add message"},
		{"addMessage", `{"encryptedContactName":"c",` + strings.Replace(record, "1.9", `"1"`, 1) + `}`, 400, "invalid schema"},
		{"addMessage", `{"encryptedContactName":"c",` + strings.Replace(record, `"m"`, "null", 1) + `}`, 400, "invalid schema"},
		{"addMessage", `{"encryptedContactName":"c","more":1,` + record + `}`, 400, "invalid schema"},
		{"addMessage", `{` + record + `}`, 400, "invalid schema"},
		{"addMessageBatch", `{"encryptedContactName":"c","messageBatch":[{` + record + `}]}`, 200, "OK"},
		{"addMessageBatch", `{"encryptedContactName":"c","messageBatch":{}}`, 400, "invalid schema"},
		{"addMessageBatch", `{"encryptedContactName":"c","messageBatch":[{}]}`, 400, "invalid schema"},
		{"addMessageBatch", `{"encryptedContactName":"c","messageBatch":[],"more":1}`, 400, "invalid schema"},
		{"editMessageBatch", `{"encryptedContactName":"c","editMessageBatchPayload":[{` + record + `,"more":1}]}`, 400, "invalid schema"},
		{"editMessageBatch", `{"encryptedContactName":"c","editMessageBatchPayload":[{` + record + `}]}`, 200, "OK"},
		{"getMessages/c", "", 200, `["{\"id\":\"0x`},
		{"getMessages/c/", "", 200, `\"createdAt\":\"1970-01-01T00:00:00.001Z\"`},
		{"getMessages/c?pageSize=1.5&offset=-0", "", 200, `"{`},
		{"getMessages/nobody", "", 200, `[]`},
		{"getNumberOfMessages/c", "", 200, "1"},
		{"getNumberOfConversations", "", 200, "1"},
		{"getHaltedMessages/", "", 200, "[]"},
		{"clearHaltedMessage", `{"messageId":"m"}`, 400, "unable to clear"},
		{"clearHaltedMessage", `{"messageId":""}`, 400, "invalid schema"},
		{"addMessage", `{"`, 404, "<!DOCTYPE html>"},
	} {
		status, answer := ask(t, node, base+c.path, c.body, tokenOf(t, node, account))
		if status != c.status || !strings.Contains(answer, c.answer) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, answer)
		}
	}
	for _, path := range []string{"getConversations", "getMessages/c", "addMessage"} {
		if status, answer := ask(t, node, base+path, map[bool]string{true: "{}"}[path == "addMessage"], "x.y.z"); status != 401 || answer != "Unauthorized" {
			t.Errorf("%s without a session: %d %s", path, status, answer)
		}
	}
	other := node.Account(2)
	if status, _ := ask(t, node, base+"getConversations", "", tokenOf(t, node, other)); status != 401 {
		t.Errorf("another account's session: %d", status)
	}
}

// tokenOf logs in by hand.
func tokenOf(t *testing.T, handler http.Handler, account nodetest.Account) string {
	t.Helper()
	_, challenge := ask(t, handler, "/auth/"+account.Name, "", "")
	challenge = strings.Trim(challenge, `"`)
	status, token := ask(t, handler, "/auth/"+account.Name, `{"signature":"`+account.Profile.Sign(challenge)+`","challenge":"`+challenge+`"}`, "")
	if status != 200 {
		t.Fatal(status, token)
	}
	return strings.Trim(token, `"`)
}

func ask(t *testing.T, handler http.Handler, path, body, token string) (status int, answer string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if body != "" {
		request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	}
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Code, string(text)
}

// TestOwnServer: what differs from the stock server on purpose.
func TestOwnServer(t *testing.T) {
	handler := dm3api.NewHandler(nil, dm3api.HandlerOptions{Login: refusing{}, Normalise: identity.Normalize, MaxBody: 100})
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/storage/new/%F0%9F%98%80.eth/getConversations", "", 400}, // ends a stock server
		{"/auth/%F0%9F%98%80.eth", "", 400},
		{"/auth/nobody.eth", "", 404},
		{"/auth/nobody.eth", `{"signature":"x","challenge":"y"}`, 400},
		{"/auth/nobody.eth", `{"signature":"x"}`, 400},
		{"/auth/nobody.eth", `no json`, 400},
		{"/auth/nobody.eth", `{"signature":"` + strings.Repeat("x", 200) + `","challenge":"y"}`, 413},
		{"/profile/nobody.eth", "", 404},
		{"/other", "", 404},
	} {
		if status, answer := ask(t, handler, c.path, c.body, "x"); status != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, answer)
		}
	}
}

// refusing lets nobody in.
type refusing struct{}

func (refusing) Challenge(context.Context, string) (string, error) {
	return "", dm3api.ErrUnknownAccount
}

func (refusing) Session(context.Context, string, string, string) (string, error) {
	return "", dm3api.ErrLogin
}

func (refusing) Check(context.Context, string, string) error { return dm3api.ErrLogin }

// FuzzRequests: whatever is sent, the answer is one of those that there are, and nothing ends.
func FuzzRequests(f *testing.F) {
	for route := range routesOfNode {
		f.Add(byte(route), `{"encryptedContactName":"c","messageId":"m","createdAt":1,"encryptedEnvelopContainer":"x","isHalted":false}`)
		f.Add(byte(route), `{"encryptedContactName":"c","messageBatch":[{"messageId":"m","createdAt":1e300,"encryptedEnvelopContainer":"x","isHalted":true}]}`)
		f.Add(byte(route), `{"encryptedContactName":"c","editMessageBatchPayload":[],"hide":true}`)
	}
	f.Fuzz(func(t *testing.T, route byte, body string) {
		if body == "" {
			t.Skip("asked as a GET")
		}
		node := nodetest.New(t)
		account := node.Account(1)
		path := "/storage/new/" + account.Name + "/" + routesOfNode[int(route)%len(routesOfNode)]
		status, answer := ask(t, node, path, body, tokenOf(t, node, account))
		if status != 200 && status != 400 && !strings.Contains(answer, "<!DOCTYPE html>") {
			t.Errorf("%s %q: %d %s", path, body, status, answer)
		}
	})
}

var routesOfNode = []string{"addConversation", "toggleHideConversation", "addMessage", "addMessageBatch", "editMessageBatch", "clearHaltedMessage"}
