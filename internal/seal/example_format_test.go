package seal_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/seal"
)

// formatPage holds the worked example, in fenced blocks with names.
const formatPage = "../docs/format.md"

// The example's account, contact and moment.
const (
	exampleName    = "alice.eth"
	exampleContact = "bob.eth"
	exampleTime    = 1700000000000
)

// example is the worked example as it is computed here.
type example struct {
	t       *testing.T
	key     [32]byte
	profile identity.Profile
	blocks  map[string]string // name -> text, or hex digits
}

// TestFormatPageExample computes the example of the format page anew and
// compares it with every named block of the page.
func TestFormatPageExample(t *testing.T) {
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	e := newExample(t)
	shown := make(map[string]string)
	for _, match := range regexp.MustCompile("(?ms)^```(?:text|hex) ([a-z0-9-]+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		shown[match[1]] = strings.ReplaceAll(match[2], "\n", "")
		if strings.HasPrefix(match[0], "```hex") {
			shown[match[1]] = strings.ReplaceAll(shown[match[1]], " ", "")
		}
	}
	for name, want := range e.blocks {
		if got, there := shown[name]; !there || got != want {
			t.Errorf("block %s of %s is %q, want:\n%s", name, formatPage, got, want)
		}
	}
	for name := range shown {
		if _, known := e.blocks[name]; !known {
			t.Errorf("block %s of %s is not computed here", name, formatPage)
		}
	}
}

func newExample(t *testing.T) *example {
	e := &example{t: t, blocks: make(map[string]string)}
	for i := range e.key {
		e.key[i] = byte(i)
	}
	e.profile = identity.FromStorageKey(e.key)
	public := e.profile.SigningPublic()
	e.hex("storage-key", e.key[:])
	e.hex("signing-public-key", public[:])
	signature, err := e.profile.RootSignature(exampleName)
	e.must(err)
	e.blocks["name-signature"] = signature
	root := container.RootKey(signature)
	conversation := container.ConversationKey(root, exampleContact)
	identifier := container.ChunkIdentifier{Timestamp: exampleTime}
	heads := container.HeadsKey(root)
	for name, key := range map[string]container.Key{
		"root-key": root, "conversation-key": conversation, "heads-key": heads,
		"chunk-key": container.ChunkKey(conversation, identifier),
	} {
		e.blocks[name] = string(key)
	}
	rootText := (&container.Root{Account: exampleName, Conversations: []string{exampleContact}, Names: []string{exampleContact}}).AppendJSON(nil)
	e.blocks["root-plaintext"] = string(rootText)
	e.compactRoot(root, rootText)
	e.dm3Root(rootText)
	e.head(heads, identifier)
	e.frame()
	return e
}

// compactRoot seals the root's state with the package and once more by hand, as
// the page describes it.
func (e *example) compactRoot(root container.Key, text []byte) {
	nonce := counting(0x40, 24)
	sealer, err := seal.New(e.key, &seal.Options{Random: bytes.NewReader(nonce)})
	e.must(err)
	sealed, err := sealer.Seal(nil, container.KindRoot, root, text)
	e.must(err)

	key, err := hkdf.Key(sha256.New, e.key[:], nil, "dm3sync compact v1 key", 32)
	e.must(err)
	mark, err := hkdf.Key(sha256.New, e.key[:], nil, "dm3sync compact v1 key identifier", 8)
	e.must(err)
	var data []byte
	for _, part := range [][]byte{{1}, {1}, []byte(root)} {
		data = append(binary.BigEndian.AppendUint32(data, uint32(len(part))), part...)
	}
	padded := make([]byte, 2048)
	padded[copy(padded[1:], text)+1] = 0x80
	aead, err := chacha20poly1305.NewX(key)
	e.must(err)
	byHand := aead.Seal(append(append([]byte{1}, mark...), nonce...), nonce, padded, data)
	if !bytes.Equal(sealed, byHand) {
		e.t.Errorf("sealed by hand: %x, by the package: %x", byHand[:64], sealed[:64])
	}

	e.hex("compact-key", key)
	e.hex("compact-associated-data", data)
	e.hex("compact-before-padding", padded[:1+len(text)+1])
	e.hex("compact-header", sealed[:33])
	e.hex("compact-ciphertext-begin", sealed[33:65])
	e.hex("compact-tag", sealed[len(sealed)-16:])
	e.sum("compact-object", sealed)
}

func (e *example) dm3Root(text []byte) {
	sealer, err := seal.New(e.key, &seal.Options{DM3: true, Random: bytes.NewReader(counting(0x40, 12))})
	e.must(err)
	sealed, err := sealer.Seal(nil, container.KindRoot, "", text)
	e.must(err)
	e.blocks["dm3-begin"] = string(sealed[:64])
	e.blocks["dm3-end"] = string(sealed[len(sealed)-64:])
	e.sum("dm3-object", sealed)
}

// head makes a head that carries the states of one conversation and one chunk.
func (e *example) head(heads container.Key, identifier container.ChunkIdentifier) {
	sealer, err := seal.New(e.key, &seal.Options{NoCompression: true, Random: bytes.NewReader(counting(0x60, 24))})
	e.must(err)
	envelope := e.envelope()
	deleted := container.MessageHash(sha256.Sum256([]byte("an earlier message")))
	chunk := &container.Chunk{Contact: exampleContact, Identifier: identifier, Messages: []container.Envelope{envelope},
		Tombstones: []container.Tombstone{{Hash: deleted, Timestamp: exampleTime - 1000}}}
	list := &container.Conversation{Contact: exampleContact, Chunks: []container.ChunkIdentifier{identifier}}
	chunkText, listText := chunk.AppendJSON(nil), list.AppendJSON(nil)
	e.blocks["message"] = string(envelope.JSON[len(`{"message":`) : len(envelope.JSON)-1])
	e.blocks["message-hash"] = envelope.Hash.String()
	e.blocks["chunk-plaintext"] = string(chunkText)
	e.blocks["conversation-plaintext"] = string(listText)

	head := &container.Head{Device: "aaaaaaaaaaaaaaaa", Incarnation: "bbbbbbbbbbbbb", Sequence: 2, Limit: 500_000,
		Covers: []container.Cover{{Incarnation: "bbbbbbbbbbbbb", From: 1, To: 2}}, Absorbed: []string{"bbbbbbbbbbbbb-1"},
		Known: []container.Cover{{Incarnation: "ccccccccccccc", From: 7, To: 7}},
		Root:  []container.StateRef{{Name: "rrrrrrrrrrrrrrrrrrrrrrrr", Size: int64(len(e.blocks["root-plaintext"]))}}}
	listRef := container.StateRef{Name: "llllllllllllllllllllllll", Size: int64(len(listText))}
	chunkRef := container.StateRef{Name: "kkkkkkkkkkkkkkkkkkkkkkkk", Size: int64(len(chunkText)),
		First: exampleTime - 1000, Last: exampleTime, Items: 2, Replaces: []string{"oooooooooooooooooooooooo"}}
	carry := func(ref *container.StateRef, kind container.Kind, text []byte) {
		ref.Offset = int64(len(head.Bodies))
		head.Bodies = sealer.AppendBody(head.Bodies, kind, text)
		ref.Length = int64(len(head.Bodies)) - ref.Offset
	}
	carry(&listRef, container.KindConversation, listText)
	carry(&chunkRef, container.KindChunk, chunkText)
	head.Talks = []container.HeadConversation{{Contact: exampleContact, States: []container.StateRef{listRef},
		Chunks: []container.HeadChunk{{Identifier: identifier, States: []container.StateRef{chunkRef}}}}}

	plain := head.Append(nil)
	length := binary.BigEndian.Uint32(plain)
	e.blocks["head-name"] = string(heads) + "/" + container.HeadName(head.Incarnation, head.Sequence)
	e.hex("head-directory-length", plain[:4])
	e.blocks["head-directory"] = string(plain[4 : 4+length])
	e.hex("head-bodies", plain[4+length:])
	e.sum("head-plaintext", plain)
	sealed, err := sealer.Seal(nil, container.KindHead, heads, plain)
	e.must(err)
	e.hex("head-header", sealed[:33])
	e.sum("head-object", sealed)
}

// envelope is a message that alice really signed.
func (e *example) envelope() container.Envelope {
	unsigned := fmt.Sprintf(`"message":"Hello, \u00fcber! <&>","metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"}`,
		exampleName, int64(exampleTime), exampleContact)
	signed, err := container.Canonical(nil, []byte("{"+unsigned+"}"))
	e.must(err)
	text := fmt.Sprintf(`{"message":{%s,"signature":%q}}`, unsigned, e.profile.Sign(string(signed)))
	envelope, _, err := container.ParseEnvelope([]byte(text))
	e.must(err)
	return envelope
}

// frame is a zstd frame made by hand: encoders differ, every decoder reads it.
func (e *example) frame() {
	const text = `{"messages":[]}`
	header := []byte{1, 0x28, 0xb5, 0x2f, 0xfd, 0x20, byte(len(text)), byte(len(text)<<3 | 1), 0, 0}
	body := append(header, text...)
	sealer, err := seal.New(e.key, nil)
	e.must(err)
	plain, err := sealer.OpenBody(nil, body)
	if e.must(err); string(plain) != text {
		e.t.Errorf("the frame opens to %q", plain)
	}
	e.hex("zstd-body", body)
}

func (e *example) hex(name string, data []byte) { e.blocks[name] = hex.EncodeToString(data) }

// sum shows a long object by its length and hash.
func (e *example) sum(name string, data []byte) {
	e.blocks[name] = fmt.Sprintf("%d bytes, SHA-256 %x", len(data), sha256.Sum256(data))
}

func (e *example) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// counting returns n bytes that count up from first.
func counting(first byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = first + byte(i)
	}
	return out
}
