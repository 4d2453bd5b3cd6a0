package transport

import (
	"io"
	"net/http"
	"time"
)

// Watched returns a way to make requests over base, for an *[http.Client], each of which is given up after stall without
// progress: of its body, of its answer, or while the server thinks. Errors of the request and of reading the answer match
// [ErrStalled] then, and perhaps context.Canceled, though nobody who asked ended it. It is safe for concurrent use.
func Watched(base *http.Transport, stall time.Duration) http.RoundTripper {
	return &watched{base, stall}
}

type watched struct {
	base  *http.Transport
	stall time.Duration
}

// RoundTrip implements http.RoundTripper.
func (w *watched) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, dog := Watch(request.Context(), w.base, w.stall)
	sent := request.Clone(ctx)
	if sent.Body != nil && sent.Body != http.NoBody {
		sent.Body = dog.Body(sent.Body, -1)
	}
	answer, err := w.base.RoundTrip(sent)
	if err != nil {
		err = dog.Explain(err)
		dog.Stop()
		return nil, err
	}
	answer.Body = &watchedBody{dog.Body(answer.Body, -1), dog}
	return answer, nil
}

// watchedBody is an answer's body, the end of which is the end of the watch.
type watchedBody struct {
	io.ReadCloser
	dog *Watchdog
}

// Close implements io.Closer.
func (w *watchedBody) Close() error {
	defer w.dog.Stop()
	return w.ReadCloser.Close()
}
