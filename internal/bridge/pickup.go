package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
)

// maxRounds bounds how often one pass asks the delivery service again: it shows about
// 100 conversations at a time, and gives further copies only when one is gone.
const maxRounds = 20

// ErrTransit is an envelope that waits and is none that an app would have sent.
var ErrTransit = errors.New("what waits is no message")

// pickUp brings what waits into the tree, and acknowledges what is durable there.
func (b *Bridge) pickUp(ctx context.Context, w Work, report *Report) error {
	before := ""
	for range maxRounds {
		waiting, err := b.options.Delivery.Incoming(ctx)
		if err != nil {
			return serviceError("asking for messages that wait", err)
		}
		now := b.listing(waiting)
		if now == before {
			return nil // a service that takes no acknowledgement
		}
		before = now
		acknowledged, err := b.pickUpRound(ctx, w, waiting, report)
		if err != nil {
			return err
		}
		if acknowledged == 0 || w.DryRun {
			return nil
		}
	}
	return nil // the next pass goes on
}

// listing is a short digest of what a service shows.
func (b *Bridge) listing(waiting []dm3api.EncryptionEnvelop) string {
	parts := make([]any, 0, 2*len(waiting))
	for _, envelope := range waiting {
		parts = append(parts, envelope.Metadata.MessageHash, " ")
	}
	return b.state.fingerprint(parts...)
}

// pickUpRound takes what the service shows at once.
func (b *Bridge) pickUpRound(ctx context.Context, w Work, waiting []dm3api.EncryptionEnvelop, report *Report) (acknowledged int, err error) {
	report.Waiting += len(waiting)
	report.Left = 0 // those of the last look
	for start := 0; start < len(waiting) && ctx.Err() == nil; {
		end, bytes := start, 0
		for end < len(waiting) && end-start < takeItems && bytes < takeBytes {
			bytes += len(waiting[end].Message)
			end++
		}
		done, err := b.pickUpSome(ctx, w, waiting[start:end], report)
		acknowledged += done
		if err != nil {
			return acknowledged, err
		}
		start = end
	}
	return acknowledged, ctx.Err()
}

// pickUpSome takes a bounded number of envelopes: first all of them are durable, then
// they are acknowledged.
func (b *Bridge) pickUpSome(ctx context.Context, w Work, waiting []dm3api.EncryptionEnvelop, report *Report) (acknowledged int, err error) {
	var items []takenRecord
	var letters []letter // of items
	for _, envelope := range waiting {
		item, letter, err := b.receive(ctx, envelope)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err == nil && !letter.exact {
			var known bool
			if _, known, err = b.state.taken(letter.id); known {
				err = errHash
			}
		}
		if err != nil {
			b.leave(envelope, err, report)
			continue
		}
		items, letters = append(items, item), append(letters, letter)
	}
	refused, err := b.append(ctx, w, items)
	if err != nil {
		return 0, err
	}
	var durable []dm3api.Acknowledgement
	stays := make(map[string]mark)
	for i, item := range items {
		if refused[i] != nil {
			b.leave(letters[i].envelope, refused[i], report)
			continue
		}
		report.Fetched++
		report.judge(item.notes)
		if letters[i].exact {
			durable = append(durable, letters[i].acknowledgement)
			continue
		}
		stays[letters[i].id] = mark{}
		b.leave(letters[i].envelope, errHash, report)
	}
	if w.DryRun {
		return 0, nil
	}
	if len(stays) > 0 {
		if err := b.state.keep(stays, nil); err != nil {
			return 0, err
		}
	}
	if len(durable) == 0 {
		return 0, nil
	}
	if err := b.options.Delivery.Acknowledge(ctx, durable); err != nil {
		return 0, serviceError("acknowledging messages", err)
	}
	report.Acknowledged += len(durable)
	return len(durable), nil
}

// leave counts an envelope that stays where it is, and tells of it once.
func (b *Bridge) leave(envelope dm3api.EncryptionEnvelop, reason error, report *Report) {
	report.Left++
	digest := b.state.digest([]byte(envelope.Message))
	b.tell(string(digest[:]), "a message at the delivery service can't be read and stays there", "error", reason)
}

// errHash keeps a message from being acknowledged: an acknowledgement names a hash, and
// removes whichever message waits under it.
var errHash = errors.New("it is in the history, and is not acknowledged, for it waits under the hash of another message")

// letter is what an envelope in transit is acknowledged by.
type letter struct {
	envelope        dm3api.EncryptionEnvelop
	id              string // of this very envelope, for what is remembered
	acknowledgement dm3api.Acknowledgement
	exact           bool // the hash that it waits under is its own
}

// receive decrypts and judges an envelope in transit. Errors match [ErrDecrypt] or
// [ErrTransit].
func (b *Bridge) receive(ctx context.Context, envelope dm3api.EncryptionEnvelop) (item takenRecord, l letter, err error) {
	delivery, err := envelope.Metadata.Delivery()
	if err != nil {
		return item, l, fmt.Errorf("%w: %w", ErrTransit, err)
	}
	contact, err := usableContact(delivery.From)
	if err != nil {
		return item, l, fmt.Errorf("%w: without a usable sender", ErrTransit)
	}
	message, err := b.codec.DecryptWire(envelope.Message)
	if err != nil {
		return item, l, err
	}
	metadata, err := json.Marshal(envelope.Metadata)
	if err != nil {
		return item, l, fmt.Errorf("%w: %w", ErrTransit, err)
	}
	members := []container.Member{{Key: `"message"`, JSON: message}, {Key: `"metadata"`, JSON: metadata}}
	postmark, notes := b.postmark(envelope)
	if postmark != nil {
		members = append(members, container.Member{Key: `"postmark"`, JSON: postmark})
	}
	opened, parties, err := b.assemble(members)
	if err != nil {
		return item, l, err
	}
	l = letterOf(envelope, delivery.From, opened.Hash)
	found := b.inspect(ctx, opened, parties)
	notes.Signatures = found.Signatures
	notes.Doubts = append(append(notes.Doubts, found.Doubts...), b.doubtsOfWay(parties, delivery)...)
	noted, err := Annotate(opened, notes)
	if err != nil {
		return item, l, err
	}
	return takenRecord{contact: contact, envelope: noted, notes: notes}, l, nil
}

// letterOf says how an envelope with a message of the given hash is acknowledged.
// Version 1.7.1 of the packages gives the hash of the encrypted text in another field.
func letterOf(envelope dm3api.EncryptionEnvelop, from string, hash container.MessageHash) letter {
	quoted, wire := quote(envelope.Message), envelope.Metadata.MessageHash
	own := wire == hash.String()
	if encrypted := string(container.Hash(quoted)); wire == "" && envelope.Metadata.EncryptedMessageHash == encrypted {
		wire, own = encrypted, true
	}
	return letter{
		envelope: envelope, id: "transit " + string(container.Hash(quoted)), exact: own,
		acknowledgement: dm3api.Acknowledgement{ContactAddress: from, MessageHash: wire},
	}
}

// quote is the stringified form of a text.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err == nil {
		quoted, err = container.Canonical(nil, quoted)
	}
	if err != nil {
		return "" // json.Marshal writes every text, and valid JSON
	}
	return string(quoted)
}

// assemble makes the envelope of the tree from parts that need not be canonical.
func (b *Bridge) assemble(members []container.Member) (container.Envelope, container.Parties, error) {
	for i, member := range members {
		text, err := container.Canonical(nil, member.JSON)
		if err != nil {
			return container.Envelope{}, container.Parties{}, fmt.Errorf("%w: %w", ErrTransit, err)
		}
		members[i].JSON = text
	}
	envelope, parties, err := Wrap(members, Around())
	if err != nil {
		return container.Envelope{}, container.Parties{}, fmt.Errorf("%w: %w", ErrTransit, err)
	}
	return envelope, parties, nil
}

// postmark opens a postmark; one that can't be opened is noted as it came.
func (b *Bridge) postmark(envelope dm3api.EncryptionEnvelop) (opened []byte, notes Notes) {
	if envelope.Postmark == "" {
		return nil, notes
	}
	opened, err := b.codec.DecryptWire(envelope.Postmark)
	var postmark struct {
		Hash string `json:"messageHash"`
	}
	if err == nil {
		err = json.Unmarshal(opened, &postmark)
	}
	if err != nil {
		return nil, Notes{RawPostmark: envelope.Postmark, Doubts: []string{DoubtPostmark}}
	}
	if postmark.Hash != postmarkHash(envelope.Message) {
		notes.Doubts = append(notes.Doubts, DoubtPostmark)
	}
	if key := b.options.DeliveryKey; key != [32]byte{} {
		notes.Postmarks = map[string]Check{identity.EncodeKey(key[:]): {Valid: postmarkedBy(key, opened), Proved: true}}
		if !postmarkedBy(key, opened) && len(notes.Doubts) == 0 {
			notes.Doubts = append(notes.Doubts, DoubtPostmark)
		}
	}
	return opened, notes
}

// postmarkHash is what a delivery service writes into the postmark of an encrypted
// message: the EIP-191 hash of the JSON string.
func postmarkHash(message string) string {
	return container.MessageHash(identity.PersonalDigest(quote(message))).String()
}

// postmarkedBy tells whether a delivery service with this key signed a postmark: the
// text of the hash of what it signs.
func postmarkedBy(key [32]byte, postmark []byte) bool {
	text, signature, err := identity.SignedText(postmark)
	return err == nil && identity.Verify(key, string(container.Hash(string(text))), signature)
}

// doubtsOfWay compares what a message says of its sides with whom it came from and to.
func (b *Bridge) doubtsOfWay(parties container.Parties, delivery dm3api.DeliveryInformation) (doubts []string) {
	from, fromErr := identity.Normalize(parties.From)
	sender, senderErr := identity.Normalize(delivery.From)
	if fromErr != nil || senderErr != nil || from != sender {
		doubts = append(doubts, DoubtSender)
	}
	to, toErr := identity.Normalize(parties.To)
	receiver, receiverErr := identity.Normalize(delivery.To)
	if toErr != nil || !b.own[to] && (receiverErr != nil || to != receiver) {
		doubts = append(doubts, DoubtReceiver)
	}
	return doubts
}
