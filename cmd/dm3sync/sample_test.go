package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/dm3sync/dm3sync/internal/chat"
)

// envelopeMain prints one envelope with a signature of the right length, as
// the flags say; scripts make good and bad input with it.
func envelopeMain() {
	from := flag.String("from", "bob.eth", "sender")
	to := flag.String("to", "alice.eth", "receiver")
	at := flag.String("at", "1700000000000", "timestamp, any JSON value; empty: none")
	text := flag.String("text", "hello", "what is said")
	coded := flag.String("text-hex", "", "what is said, as hex digits, for what a script can't hold")
	kind := flag.String("type", "NEW", "type")
	about := flag.String("about", "", "hash of the message that this one is about")
	uri := flag.String("uri", "", "address of an attachment")
	attachment := flag.Int("attachment", 0, "size of an attachment in bytes")
	signature := flag.Int("signature", 64, "length of the signature in bytes")
	flag.Parse()
	if *coded != "" {
		decoded, _ := hex.DecodeString(*coded) // scripts give good ones
		*text = string(decoded)
	}
	metadata := map[string]any{"from": *from, "to": *to, "type": *kind}
	if *about != "" {
		metadata["referenceMessageHash"] = *about
	}
	if *at != "" {
		metadata["timestamp"] = json.RawMessage(*at)
	}
	message := map[string]any{"message": *text, "metadata": metadata, "signature": base64.StdEncoding.EncodeToString(make([]byte, *signature))}
	if *uri != "" {
		message["attachments"] = []any{map[string]string{"data": *uri}}
	}
	if *attachment > 0 {
		message["attachments"] = []any{map[string]string{"data": "data:text/plain," + strings.Repeat("x", *attachment)}}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"message": message}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sampleMain writes the first envelopes of the embedded chat.
func sampleMain() {
	account := flag.String("account", "alice.eth", "whose history")
	file := flag.String("o", "", "file to write")
	number := flag.Int("n", 100, "how many")
	flag.Parse()
	lines, err := chat.Sample()
	if err != nil || *number > len(lines) {
		fmt.Fprintln(os.Stderr, "no sample of that size:", err)
		os.Exit(1)
	}
	generator := chat.NewGenerator(*account, chat.ByRegular, nil)
	text := &bytes.Buffer{}
	for _, line := range lines[:*number] {
		fmt.Fprintf(text, "%s\n", generator.Message(line).JSON)
	}
	if err := os.WriteFile(*file, text.Bytes(), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
