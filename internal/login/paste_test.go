package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// addressIn returns the authorization address that was told.
func addressIn(sentence string) string {
	if strings.Contains(sentence, "/auth?") {
		return sentence
	}
	return ""
}

// TestPaste: the browser is elsewhere; what its address line shows is pasted here, in the ways that people do.
func TestPaste(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"the address":     func(s string) string { return s },
		"without scheme":  func(s string) string { return strings.TrimPrefix(s, "http://") },
		"the query":       func(s string) string { return s[strings.Index(s, "?"):] },
		"without mark":    func(s string) string { return s[strings.Index(s, "?")+1:] },
		"in quotes":       func(s string) string { return `  "` + s + `"  ` },
		"with a fragment": func(s string) string { return "<" + s + "#_=_>" },
		"after mistakes": func(s string) string {
			return "what?\n\nhttp://127.0.0.1:1/?code=x&state=wrong\n" + strings.Repeat("x", 3*longestLine) + "\n" + s
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			l := r.open()
			in, paste := io.Pipe()
			tell := func(sentence string) {
				r.out.tell(sentence)
				if address := addressIn(sentence); address != "" {
					last := r.lastAddress(address)
					if parsed, err := url.Parse(last); err == nil {
						r.out.hide(parsed.Query().Get("code"))
					}
					go fmt.Fprintln(paste, change(last))
				}
			}
			if _, err := l.Paste(t.Context(), PasteOptions{In: in, Tell: tell}); err != nil {
				t.Fatal(r.err(err))
			}
			if token, err := l.Token(); err != nil || !r.works(token.AccessToken) {
				t.Errorf("%v", r.err(err))
			}
		})
	}
}

func TestPasteDenied(t *testing.T) {
	r := newRig(t, habits{"consent": "deny"})
	l := r.open()
	in, paste := io.Pipe()
	tell := func(sentence string) {
		if address := addressIn(sentence); address != "" {
			go fmt.Fprintln(paste, r.lastAddress(address))
		}
	}
	if _, err := l.Paste(t.Context(), PasteOptions{In: in, Tell: tell}); !errors.Is(r.err(err), errDenied) || !errors.Is(err, ErrNotCompleted) {
		t.Errorf("%v", err)
	}
}

// TestPasteRefuses: nothing, something else, and what belongs to another attempt.
func TestPasteRefuses(t *testing.T) {
	l := openOffline(t, nil)
	wrong := "http://127.0.0.1:50000/?code=abc&state=of-another-login\n"
	for name, c := range map[string]struct{ in, want string }{
		"nothing":        {"", "nothing was pasted"},
		"empty lines":    {"\n\n  \n", "nothing was pasted"},
		"too often":      {strings.Repeat(wrong, 9), "5 times something else was pasted"},
		"no line's end":  {strings.TrimSpace(wrong), "nothing was pasted"},
		"without an end": {strings.Repeat("x", 1<<20), "nothing was pasted"},
	} {
		told := 0
		_, err := l.Paste(t.Context(), PasteOptions{In: strings.NewReader(c.in), Tell: func(s string) {
			if strings.Contains(s, "not the address that this login ends at") {
				told++
			}
		}})
		if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "`dm3sync login drive --headless` again") {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(c.in, "x") != (told > 0) && strings.Contains(c.in, "code") != (told > 0) {
			t.Errorf("%s: told %d times", name, told)
		}
	}
}

// TestPasteTimeLimit: nobody pastes; reading hangs, the login does not.
func TestPasteTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openOffline(t, nil)
		in, paste := io.Pipe()
		defer paste.Close()
		began := time.Now()
		_, err := l.Paste(t.Context(), PasteOptions{In: in, Tell: func(string) {}})
		if waited := time.Since(began); waited != 30*time.Minute || !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "within 30m0s") {
			t.Errorf("%v after %v", err, waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := l.Paste(ctx, PasteOptions{In: in, Tell: func(string) {}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestPasteAfterTheEnd: an answer that comes when nobody waits any more is refused, and does not wait itself.
func TestPasteAfterTheEnd(t *testing.T) {
	l := openOffline(t, nil)
	f, err := l.Begin(t.Context(), BrowserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := f.Wait(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	err = f.Paste(t.Context(), f.Redirect()+"?code=late&state="+string(f.waiter.attempt.state))
	if !errors.Is(err, ErrNotCompleted) || !strings.Contains(err.Error(), "is over") {
		t.Errorf("%v", err)
	}
}

// FuzzPaste: whatever is pasted, there is no code without the state.
func FuzzPaste(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:1/?code=a&state=b", "?state=&code=", "state=%zz", "#?state", "\"<", "a?b?c#d"} {
		f.Add(seed)
	}
	l, err := Open(Options{Place: Place{ClientID: "c", AuthURL: "http://a", TokenURL: "http://b"}, Folder: "x", Unlock: unlockTest})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := l.newAttempt("http://127.0.0.1:1/")
		if err != nil {
			t.Fatal(err)
		}
		for line := range readLines(t.Context(), strings.NewReader(text)) {
			if len(line) > longestLine || line == "" {
				t.Fatalf("a line of %d bytes", len(line))
			}
			if code, err := l.judge(a, answerIn(line)); !errors.Is(err, errForeign) || code != "" {
				t.Fatalf("%q passed: %v", line, err)
			}
		}
	})
}
