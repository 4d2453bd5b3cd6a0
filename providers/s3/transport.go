package s3

import (
	"context"
	"io"
	"net/http"

	"github.com/dm3sync/dm3sync/providers/transport"
)

// mostAnswer bounds every answer but objects, which are bounded where they are read: the SDK reads listings and errors
// to their end. A page of 1,000 names has less than 1 MB.
const mostAnswer = 16 << 20

// readOnly bounds answers, and hides every method of a request's body but Read and Close. The SDK closes bodies as soon as an answer has
// begun, and WriteTo of its closed bodies fails (smithy-go 1.28: io.EOF instead of nil), on which net/http cuts the
// connection in the midst of the answer, whenever the server is quicker than the goroutine that had just sent the body.
type readOnly struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r readOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		body := struct{ io.ReadCloser }{request.Body}
		request = request.WithContext(request.Context()) // a copy: round trippers must not change what they are given
		request.Body = body
	}
	answer, err := r.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	object := request.Method == http.MethodGet && answer.StatusCode < http.StatusMultipleChoices && !request.URL.Query().Has("list-type")
	if object {
		return answer, nil
	}
	if dog, watched := request.Context().Value(watchdogOf{}).(*transport.Watchdog); watched {
		answer.Body = dog.Body(answer.Body, mostAnswer)
	} else { // of the SDK's own accord
		answer.Body = transport.Bounded(answer.Body, mostAnswer)
	}
	return answer, nil
}

// watchdogOf is the key of a request's context for its watchdog: the SDK reads all answers but objects itself.
type watchdogOf struct{}

// watch returns a context for one request; Stop must be called when it is done with.
func (s *Store) watch(parent context.Context) (context.Context, *transport.Watchdog) {
	ctx, dog := transport.Watch(parent, s.transport, s.stall)
	return context.WithValue(ctx, watchdogOf{}, dog), dog
}
