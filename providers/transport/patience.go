package transport

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

// Bounds of [Patience]: what is longer is the caller's to wait for, who can tell the user.
const (
	longestPause = 10 * time.Second
	mostPauses   = time.Minute
	leftOver     = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
)

// Patience sends a request again that a service refused with 429 and a Retry-After of at most ten seconds: such a request
// was not carried out, and of an operation that takes several requests the earlier ones need not be repeated. It waits as
// long as it was asked to and, at random, up to as long again, so that calls that were refused together don't come back
// together. After a minute of waiting the refusal goes to the caller, as does every other answer, and one to a request
// whose body can't be read again. It may be used concurrently.
type Patience struct {
	Base   http.RoundTripper                                   // sends each request
	Sleep  func(ctx context.Context, wait time.Duration) error // waits, or returns ctx's error; nil: [providers.Sleep]
	Random func() float64                                      // in [0,1); nil: math/rand/v2
}

// RoundTrip implements http.RoundTripper.
func (p *Patience) RoundTrip(request *http.Request) (*http.Response, error) {
	sleep, random := p.Sleep, p.Random
	if sleep == nil {
		sleep = providers.Sleep
	}
	if random == nil {
		random = rand.Float64
	}
	for waited := time.Duration(0); ; {
		answer, err := p.Base.RoundTrip(request)
		if err != nil || answer.StatusCode != http.StatusTooManyRequests {
			return answer, err
		}
		asked := RetryAfter(answer.Header)
		pause := asked + time.Duration(float64(asked)*random())
		if asked <= 0 || asked > longestPause || waited+pause > mostPauses {
			return answer, nil
		}
		again, ok := repeated(request)
		if !ok {
			return answer, nil
		}
		_, _ = io.CopyN(io.Discard, answer.Body, leftOver) // whatever comes of it, the answer is not used
		answer.Body.Close()
		if err := sleep(request.Context(), pause); err != nil {
			return nil, err
		}
		request, waited = again, waited+pause
	}
}

// repeated is the request with its body from the start, false when that can't be had.
func repeated(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err == nil
}
