package chat

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Crowd makes as many messages, with as many contacts, as a test of large accounts asks for. What is said was really said, in
// envelopes of the usual size; the signatures and hashes in them are random, since making a million of them would take longer
// than all the rest. A few conversations have most of the messages, the largest about one in twenty; each has one.
type Crowd struct {
	Account            string // normalised name
	Contacts, Messages int
	Begin, Every       int64 // when the first message was sent and how long it takes to the next, in milliseconds; 0: 2019, and 2.5 minutes
}

// Contact is the name of a contact, from 0, which has the most messages.
func (c Crowd) Contact(at int) string { return fmt.Sprintf("friend-%05d.eth", at) }

// Timestamp is when a message was sent, in Unix milliseconds.
func (c Crowd) Timestamp(message int) int64 {
	return cmp.Or(c.Begin, 1_550_000_000_000) + int64(message)*cmp.Or(c.Every, 150_000)
}

// Write writes the messages from first up to, not including, to, as lines of NDJSON whose texts are those of lines; the same
// arguments give the same bytes. It returns the writer's error, wrapped.
func (c Crowd) Write(w io.Writer, lines []Line, first, to int) error {
	random := rand.New(rand.NewPCG(uint64(first), 1))
	text := bufio.NewWriter(w)
	var line []byte
	for i := first; i < to; i++ {
		at := i
		if i >= c.Contacts {
			at = int(float64(c.Contacts) * math.Pow(random.Float64(), 3))
		}
		timestamp := c.Timestamp(i)
		from, to := c.Account, c.Contact(at)
		if i%2 == 0 {
			from, to = to, from
		}
		line = fmt.Appendf(line[:0], `{"message":{"message":%s,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q},`,
			quoted(lines[i%len(lines)].Text), from, timestamp, to, random64(random))
		line = fmt.Appendf(line, `"metadata":{"deliveryInformation":{"from":%q,"to":%q},"encryptionScheme":"x25519-chacha20-poly1305","messageHash":"0x%064x","signature":%q,"version":"v1"},`,
			from, to, random.Uint64(), random64(random))
		line = fmt.Appendf(line, `"postmark":{"incommingTimestamp":%d,"messageHash":"0x%064x","signature":%q}}`+"\n", timestamp+300, random.Uint64(), random64(random))
		if _, err := text.Write(line); err != nil {
			return fmt.Errorf("chat: writing messages: %w", err)
		}
	}
	if err := text.Flush(); err != nil {
		return fmt.Errorf("chat: writing messages: %w", err)
	}
	return nil
}

// quoted is a text as JSON: Go's quotes are the same but for some control characters, which nobody said.
func quoted(text string) string {
	return strconv.Quote(strings.Map(func(r rune) rune {
		if r < ' ' || !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}

func random64(random *rand.Rand) string {
	var raw [64]byte
	for i := 0; i < len(raw); i += 8 {
		for j, word := 0, random.Uint64(); j < 8; j++ {
			raw[i+j] = byte(word >> (8 * j))
		}
	}
	return base64.StdEncoding.EncodeToString(raw[:])
}
