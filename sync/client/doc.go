// Package client speaks to a dm3sync agent on this machine: it appends messages, reads conversations page by page, searches,
// and follows what happens.
//
//	agent, err := client.New(client.Options{Socket: "/home/alice/.local/share/dm3sync/agent.sock"})
//	…
//	result, err := agent.Append(ctx, "alice.eth", client.Append{}, strings.NewReader(lines))
//	for message, err := range agent.Messages(ctx, "alice.eth", "bob.eth", client.Page{}) { … }
//
// Everything that it returns is plain: messages are the JSON text of dm3 storage envelopes, byte for byte as they are
// stored; times are milliseconds since 1970. Errors of the agent are [*ProblemError]; [IsProblem] asks for one of the words in
// internal/docs/interface.md.
//
// Place in the import order: it imports nothing of this module, for it is made for other modules.
package client
