package gdrive

import (
	"io"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/providers/transport"
	"golang.org/x/oauth2"
)

// bearer gives every request the token, ends those that make no progress, and bounds answers.
type bearer struct {
	base   *http.Transport
	source oauth2.TokenSource
	stall  time.Duration
}

// answerLimit bounds every answer but downloads, which are bounded where they are read: a page of 1,000 files has less
// than 1 MB.
const answerLimit = 16 << 20

// RoundTrip implements http.RoundTripper. A request that is refused with 401 is sent once more when the source has
// another token by then.
func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	first, err := token(request.Context(), b.source)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := b.send(request, first)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	if rejecter, ok := b.source.(Rejecter); ok {
		rejecter.Reject(first)
	}
	second, err := token(request.Context(), b.source)
	if err != nil {
		response.Body.Close()
		return nil, err
	}
	if second.AccessToken == first.AccessToken || request.Body != nil && request.GetBody == nil {
		return response, nil
	}
	response.Body.Close()
	again := request.Clone(request.Context())
	if request.GetBody != nil {
		if again.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	return b.send(again, second)
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		request.Body.Close()
	}
}

// send sends a request once, under a watchdog.
func (b *bearer) send(request *http.Request, token *oauth2.Token) (*http.Response, error) {
	ctx, dog := transport.Watch(request.Context(), b.base, b.stall)
	sent := request.Clone(ctx)
	sent.Header.Set("Authorization", "Bearer "+token.AccessToken)
	if sent.Body != nil && sent.Body != http.NoBody {
		sent.Body = dog.Body(sent.Body, -1)
	}
	response, err := b.base.RoundTrip(sent)
	if err != nil {
		err = dog.Explain(err)
		dog.Stop()
		return nil, err
	}
	limit := int64(answerLimit)
	if sent.URL.Query().Get("alt") == "media" {
		limit = -1
	}
	response.Body = &watched{dog.Body(response.Body, limit), dog}
	return response, nil
}

// watched is an answer's body, the end of which is the end of the watch.
type watched struct {
	io.ReadCloser
	dog *transport.Watchdog
}

// Close implements io.Closer.
func (w *watched) Close() error {
	defer w.dog.Stop()
	return w.ReadCloser.Close()
}
