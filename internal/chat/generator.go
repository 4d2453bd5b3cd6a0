package chat

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
)

// encryptionScheme is what upstream writes into the metadata of an envelope. The format keeps it and asks nothing of it
// (internal/docs/format.md part 4).
const encryptionScheme = "x25519-chacha20-poly1305"

// latest is the last time that dm3 can write exactly: a JavaScript number.
const latest = 1<<53 - 1

// service is who signs the postmarks; no contact's name looks like it, so none has its key.
const service = " delivery service"

// Message is one generated envelope.
type Message struct {
	// Contact is the dm3 name of the other side, normalised.
	Contact string
	// Timestamp is that of the line, in Unix milliseconds.
	Timestamp int64
	// Hash is the messageHash: "0x" and 64 lowercase hex digits.
	Hash string
	// JSON is the whole envelope in canonical form; the caller owns it.
	JSON []byte
}

// Options are the choices of a generator that have a default.
type Options struct {
	// Seed is mixed into every derived key, so that two generators can differ; "" is a seed like any other.
	Seed string
	// Key signs what the account's owner says; nil means a key derived from the seed and the account's name.
	Key ed25519.PrivateKey
}

// Generator turns chat lines into envelopes of one account. The same lines in the same order give the same bytes: keys are
// derived and Ed25519 needs no randomness. Not safe for concurrent use.
type Generator struct {
	account  string
	seed     string
	grouping Grouping
	contacts *directory
	signers  map[string]ed25519.PrivateKey
}

// NewGenerator returns a generator for an account. The account is a normalised dm3 name; nil options mean the defaults.
func NewGenerator(account string, grouping Grouping, options *Options) *Generator {
	if options == nil {
		options = &Options{}
	}
	g := &Generator{
		account:  account,
		seed:     options.Seed,
		grouping: grouping,
		contacts: newDirectory(),
		signers:  map[string]ed25519.PrivateKey{},
	}
	if options.Key != nil {
		g.signers[account] = options.Key
	}
	return g
}

// PublicKey returns the key that verifies what the owner of a name signs: the account's name or a contact's.
func (g *Generator) PublicKey(name string) ed25519.PublicKey {
	return g.signer(name).Public().(ed25519.PublicKey)
}

// ServiceKey returns the key that verifies postmarks.
func (g *Generator) ServiceKey() ed25519.PublicKey { return g.PublicKey(service) }

// Message makes the envelope of one line, with the members of internal/docs/format.md part 4; metadata and postmark are
// filled in as upstream does. Two things differ from a sent one, because nothing is transported here: the metadata
// signature covers the delivery information in the plain form that is stored, and the postmark's hash is SHA-256 over a
// stand-in for the encrypted message.
func (g *Generator) Message(line Line) Message {
	place := g.grouping(line)
	contact := g.contacts.name(place)
	from, to := contact, g.account
	if place.Sent {
		from, to = to, from
	}
	message := g.message(line, from, to)
	hash := hashText(message)
	text := make([]byte, 0, len(message)+600)
	text = append(text, `{"message":`...)
	text = append(text, message...)
	text = append(text, `,"metadata":`...)
	text = append(text, g.metadata(from, to, hash)...)
	text = append(text, `,"postmark":`...)
	text = append(text, g.postmark(line.Timestamp, message)...)
	text = append(text, '}')
	return Message{Contact: contact, Timestamp: line.Timestamp, Hash: hash, JSON: text}
}

// message returns the canonical signed message object.
func (g *Generator) message(line Line, from, to string) []byte {
	text := append([]byte(nil), `{"message":`...)
	text = appendString(text, line.Text)
	text = append(text, `,"metadata":{"from":`...)
	text = appendString(text, from)
	text = append(text, `,"timestamp":`...)
	text = strconv.AppendInt(text, line.Timestamp, 10)
	text = append(text, `,"to":`...)
	text = appendString(text, to)
	text = append(text, `,"type":"NEW"}}`...)
	return withSignature(text, "}", g.sign(from, text))
}

// metadata returns the canonical signed envelope metadata.
func (g *Generator) metadata(from, to, hash string) []byte {
	text := append([]byte(nil), `{"deliveryInformation":{"from":`...)
	text = appendString(text, from)
	text = append(text, `,"to":`...)
	text = appendString(text, to)
	text = append(text, `},"encryptionScheme":"`+encryptionScheme+`","messageHash":"`+hash+`"`...)
	const version = `,"version":"v1"}`
	text = append(text, version...)
	return withSignature(text, version, g.sign(from, text))
}

// postmark returns the canonical signed postmark of a message that arrived within a second.
func (g *Generator) postmark(timestamp int64, message []byte) []byte {
	wire := sha256.Sum256(append([]byte("wire "), message...))
	text := append([]byte(nil), `{"incommingTimestamp":`...) // upstream's spelling
	text = strconv.AppendInt(text, min(timestamp+int64(wire[0])*3, latest), 10)
	text = append(text, `,"messageHash":"0x`+hex.EncodeToString(wire[:])+`"}`...)
	return withSignature(text, "}", g.sign(service, []byte(hashText(text))))
}

// sign returns the base64 Ed25519 signature of one name's owner.
func (g *Generator) sign(name string, text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(g.signer(name), text))
}

// signer returns the key of a name, derived at first use.
func (g *Generator) signer(name string) ed25519.PrivateKey {
	key, ok := g.signers[name]
	if !ok {
		seed := sha256.Sum256([]byte("dm3sync chat key\x00" + g.seed + "\x00" + name))
		key = ed25519.NewKeyFromSeed(seed[:])
		g.signers[name] = key
	}
	return key
}
