package login

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"strings"
	"time"
)

const (
	// pasteLimit is how long a login elsewhere may take, unless told otherwise.
	pasteLimit = 30 * time.Minute
	// pasteTries is how many wrong lines are taken for mistakes.
	pasteTries = 5
	// longestLine bounds a pasted line, in bytes.
	longestLine = 8 << 10
)

// PasteOptions say how a login with a browser on another machine runs.
type PasteOptions struct {
	// In is where the user pastes. A read that hangs there stays behind when the login ends before.
	In io.Reader
	// Tell gets sentences for the user; it must be set.
	Tell func(sentence string)
	// Limit is how long is waited; 0 is half an hour.
	Limit time.Duration
	// InFile keeps the token in the sealed file even where there is a keyring.
	InFile bool
}

// Paste logs in without a browser on this machine: the user opens an address elsewhere, where the browser ends at a page
// that can't be shown, and pastes that page's address here. It holds a code that is worth nothing without the verifier,
// which stays in this process. Errors are as with Browser; five lines that are no answer end it.
func (l *Login) Paste(ctx context.Context, o PasteOptions) (Result, error) {
	if o.Limit <= 0 {
		o.Limit = pasteLimit
	}
	redirect, err := l.elsewhere()
	if err != nil {
		return Result{}, err
	}
	a, err := l.newAttempt(redirect)
	if err != nil {
		return Result{}, err
	}
	o.Tell(fmt.Sprintf("1. open this address in a browser on any machine, and log in to %s there:", l.place.Title))
	o.Tell(l.address(a))
	o.Tell("2. at the end that browser says that it can't reach " + redirect + ", which is right")
	o.Tell("3. copy the whole address out of its address line, paste it here, and press Enter:")
	waiting, cancel := context.WithTimeoutCause(ctx, o.Limit,
		fmt.Errorf("nothing was pasted within %v; run `%s --headless` again", o.Limit, l.place.Command))
	defer cancel()
	code, err := l.pasted(waiting, a, o)
	if err != nil {
		return Result{}, err
	}
	return l.finish(ctx, a, code, o.InFile)
}

// elsewhere is a redirect to a port of the other machine where most likely nobody listens; a listener there would see a
// code that it can't use.
func (l *Login) elsewhere() (string, error) {
	const first, count = 49152, 16384 // the ports that are nobody's
	offset, err := rand.Int(l.random, big.NewInt(count))
	if err != nil {
		return "", fmt.Errorf("login: drawing a port: %w", err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d/", first+offset.Int64()), nil
}

// pasted reads lines until one is the answer.
func (l *Login) pasted(ctx context.Context, a *attempt, o PasteOptions) (secret, error) {
	lines := readLines(ctx, o.In)
	for range pasteTries {
		select {
		case line, more := <-lines:
			if !more {
				return "", fmt.Errorf("login: %w: nothing was pasted; run `%s --headless` again", ErrNotCompleted, l.place.Command)
			}
			code, err := l.judge(a, answerIn(line))
			if !errors.Is(err, errForeign) {
				return code, err
			}
			o.Tell("that is not the address that this login ends at; it begins with " + a.redirect + " and holds code= and state=; paste it whole:")
		case <-ctx.Done():
			return "", fmt.Errorf("login: %w: %w", ErrNotCompleted, context.Cause(ctx))
		}
	}
	return "", fmt.Errorf("login: %w: %d times something else was pasted; run `%s --headless` again", ErrNotCompleted, pasteTries, l.place.Command)
}

// readLines sends lines that are not empty, and closes the channel at the end. Of a line that is too long, nothing is
// sent but that there was one.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		reader := bufio.NewReaderSize(in, longestLine)
		for {
			data, tooLong, err := reader.ReadLine()
			line := strings.TrimSpace(string(data))
			for tooLong && err == nil {
				line = "too long"
				_, tooLong, err = reader.ReadLine()
			}
			if line != "" {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// answerIn takes the parameters out of a pasted address, or of its part behind the question mark.
func answerIn(line string) url.Values {
	line = strings.Trim(line, "\"'<> ")
	if _, query, ok := strings.Cut(line, "?"); ok {
		line = query
	}
	line, _, _ = strings.Cut(line, "#")
	values, err := url.ParseQuery(line)
	if err != nil {
		return nil
	}
	return values
}
