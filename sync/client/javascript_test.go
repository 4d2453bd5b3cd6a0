package client_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tour uses the example as a messenger would, and writes what it saw.
const tour = `
import { Agent, Problem } from "./dm3sync.mjs";
const agent = new Agent(process.argv[2], process.env.TOKEN);
const seen = { accounts: (await agent.accounts()).map((a) => a.name), messages: [], events: [] };
const stop = new AbortController();
const envelope = (contact, text, timestamp) => ({
  message: { message: text, metadata: { from: contact, timestamp, to: "alice.eth", type: "NEW" }, signature: Buffer.alloc(64).toString("base64") },
});
const many = Array.from({ length: 120 }, (_, i) => envelope("bob.eth", "</script> é " + i, 1000 + i));
for await (const event of agent.events("alice.eth", { signal: stop.signal })) {
  seen.events.push(event.kind);
  if (event.kind === "ready") {
    seen.first = await agent.append("alice.eth", many, "key");
    seen.again = await agent.append("alice.eth", many, "key");
  }
  if (event.kind === "messages") { stop.abort(); break; }
}
await agent.append("alice.eth", [envelope("a/b ü?.eth", "odd", 5)]).catch((error) => { seen.odd = error.message; });
seen.conversations = [];
for await (const c of agent.conversations("alice.eth", { limit: 1 })) seen.conversations.push(c.contact);
for await (const m of agent.backwards("alice.eth", "bob.eth", { limit: 50 })) seen.messages.push(m.message.message);
try { await agent.page("nobody.eth", "bob.eth"); } catch (error) { seen.problem = error instanceof Problem && error.kind; }
try { for await (const event of new Agent(process.argv[2], "guess").events("alice.eth")); } catch (error) { seen.guess = error.status; }
console.log(JSON.stringify(seen));
`

// TestJavaScriptExample runs the example in Node against the real interface.
func TestJavaScriptExample(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node here:", err)
	}
	_, _, server := start(t)
	folder := t.TempDir()
	example, err := os.ReadFile(filepath.Join("..", "..", "internal", "docs", "examples", "dm3sync.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"dm3sync.mjs": string(example), "tour.mjs": tour} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // only so that a failure ends
	defer cancel()
	command := exec.CommandContext(ctx, node, filepath.Join(folder, "tour.mjs"), server.URL)
	command.Env = []string{"TOKEN=secret", "PATH=" + os.Getenv("PATH")}
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var seen struct {
		Accounts, Events, Conversations, Messages []string
		First, Again                              struct{ Accepted int }
		Problem                                   string
		Guess                                     int
	}
	if err := json.Unmarshal(output, &seen); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if len(seen.Accounts) != 1 || len(seen.Events) < 2 || seen.Events[0] != "ready" || seen.First.Accepted != 120 || seen.Again != seen.First ||
		len(seen.Conversations) == 0 || seen.Problem != "no-account" || seen.Guess != 401 {
		t.Errorf("%s", output)
	}
	if len(seen.Messages) != 120 || seen.Messages[0] != "</script> é 119" || seen.Messages[119] != "</script> é 0" {
		t.Errorf("%d messages", len(seen.Messages))
	}
}
