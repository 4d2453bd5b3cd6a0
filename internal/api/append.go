package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dm3sync/dm3sync/internal/history"
)

const (
	pathAppend     = "/v1/accounts/{account}/messages"
	pathAppendHere = pathConversation + "/messages"
)

// addAppends adds both ways to append: with and without a conversation.
func (s *service) addAppends() {
	about := "The body is NDJSON: one envelope a line, blank lines are skipped, and it may be as long as you like: it is taken while it\n" +
		"comes. A bad line is counted and told with its number, and nothing else suffers. What is accepted is durable here\n" +
		"when it is answered; the place gets it soon after.\n\n" +
		"A message is known by its hash, so appending it again changes nothing: retry without fear. With an Idempotency-Key,\n" +
		"a retry with the same body is answered as the first time, without being taken again, for a day, or until " + fmt.Sprint(maxAnswered) + "\n" +
		"later ones, or a restart. An error is not remembered: the retry goes on. The problem document of an append that\n" +
		"ended early has a summary, too: what it calls accepted is durable nevertheless."
	problems := []string{"name", "key-in-use", "key-reused", "journal-full", "disk-full", "disk-read-only", "blocked", "deadline"}
	limits := map[string]any{
		"body_bytes": "none", "body_seconds": "none", "line_bytes": history.MaxLine, "rejections": history.MaxRejections,
		"idempotency_keys": maxAnswered, "idempotency_hours": int(answeredFor.Hours()),
	}
	body := &huma.RequestBody{
		Description: "Envelopes, one a line", Required: true,
		Content: map[string]*huma.MediaType{linesMedia: {Schema: &huma.Schema{Type: huma.TypeString, Description: "Each line is one envelope"}}},
	}
	add(s, operation{
		id: "append", method: http.MethodPost, path: pathAppend, tag: "messages", body: body, problems: problems, limits: limits,
		summary: "Append messages to the conversations that they belong to", about: "The conversation is the other side of each envelope's from and to.\n\n" + about,
	}, func(ctx context.Context, in *appendInput) (*appendOutput, error) { return s.appendLines(ctx, in, "") })
	add(s, operation{
		id: "append-to-conversation", method: http.MethodPost, path: pathAppendHere, tag: "messages", body: body, problems: problems, limits: limits,
		summary: "Append messages to one conversation", about: "Every envelope goes to this conversation.\n\n" + about,
	}, func(ctx context.Context, in *appendHereInput) (*appendOutput, error) {
		return s.appendLines(ctx, &appendInput{in.AccountPath, in.AppendHeaders}, in.Contact)
	})
}

// AppendHeaders are the headers of an append. It is exported for huma, which reads the
// fields of exported types.
type AppendHeaders struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" pattern:"^[!-~]+$" doc:"A word of your choice, new for each append: 1 to 200 visible ASCII characters"`
	Kind string `header:"Content-Type" maxLength:"200" doc:"application/x-ndjson"`
}

type appendInput struct {
	AccountPath
	AppendHeaders
}

type appendHereInput struct {
	ConversationPath
	AppendHeaders
}

type appendOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true: this is the answer of the first time"`
	Body     history.Summary
}

// appendLines takes the body of a request.
func (s *service) appendLines(ctx context.Context, in *appendInput, contact string) (*appendOutput, error) {
	if kind, _, err := mime.ParseMediaType(in.Kind); err != nil || kind != linesMedia {
		return nil, fmt.Errorf("%w: send %s", ErrMediaType, linesMedia)
	}
	account, err := s.account(in.Account)
	if err != nil {
		return nil, err
	}
	body := &countedBody{reader: in.http.Body, sum: sha256.New()}
	if in.Key == "" {
		summary, err := takeBody(ctx, account, contact, body)
		return &appendOutput{Body: summary}, err
	}
	status, err := account.Status(ctx)
	if err != nil {
		return nil, err
	}
	name := appendName{account: status.Name, contact: contact, key: in.Key}
	known, err := s.answered.begin(name)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return s.appendOnce(ctx, account, name, body)
	}
	if err := body.drain(); err != nil {
		return nil, fmt.Errorf("%w: reading the body: %w", ErrRequest, err)
	}
	if body.fingerprint() != known.body {
		return nil, ErrKeyReused
	}
	return &appendOutput{Replayed: "true", Body: known.summary}, nil
}

// appendOnce takes a body whose key is new, and lets the key go whatever happens.
func (s *service) appendOnce(ctx context.Context, account Account, name appendName, body *countedBody) (*appendOutput, error) {
	var through *answeredAppend
	defer func() { s.answered.end(name, through) }()
	summary, err := takeBody(ctx, account, name.contact, body)
	if err != nil {
		return nil, err
	}
	through = &answeredAppend{body: body.fingerprint(), summary: summary, at: s.options.Now()}
	return &appendOutput{Body: summary}, nil
}

// takeBody appends what comes. The client sends all before it listens; without the rest
// being read it would see a broken pipe in place of the reason.
func takeBody(ctx context.Context, account Account, contact string, body *countedBody) (history.Summary, error) {
	summary, err := account.Append(ctx, body, history.AppendOptions{Contact: contact})
	if err != nil {
		_ = body.drain() // the reason stands in err
		wire := wireError(err)
		wire.Summary = &summary
		return summary, wire
	}
	return summary, nil
}

// countedBody knows the hash of what was read of it.
type countedBody struct {
	reader io.Reader
	sum    hash.Hash
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.reader.Read(p)
	b.sum.Write(p[:n]) // never fails
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: the body broke off: %w", ErrRequest, err)
	}
	return n, err
}

func (b *countedBody) drain() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

func (b *countedBody) fingerprint() [sha256.Size]byte { return [sha256.Size]byte(b.sum.Sum(nil)) }
