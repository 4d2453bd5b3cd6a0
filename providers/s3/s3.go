// Package s3 keeps each object under one key of a bucket, at AWS or at any server that speaks enough of its protocol:
// PutObject, GetObject with ranges, ListObjectsV2, DeleteObject, and DeleteObjects where it works. No condition, version,
// multipart upload or optional checksum is used, as compatible stores differ in all of them. It imports only providers.
//
// The package does not repeat calls, except once after the server's answer has shown that this machine's clock is
// wrong; providers.Retry does the rest. A bucket that keeps versions keeps deleted ciphertext too: that is its owner's
// choice to make.
package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
)

// Kind is the store's word in configurations.
const Kind = "s3"

// Options says where the bucket is and how to reach it; nil means AWS, with everything from the environment.
type Options struct {
	// Endpoint is the server's address ("https://host:port"); empty for AWS itself.
	Endpoint string
	// Region is what requests are signed for. Empty: what AWS's environment and files say, else us-east-1.
	Region string
	// PathStyle puts the bucket into the path, not the host name; most servers other than AWS want it.
	PathStyle bool
	// Prefix comes before all names, as a folder of the bucket would.
	Prefix string
	// AccessKey and SecretKey sign requests. Both empty: AWS's chain of environment, files and roles. SessionToken
	// belongs to temporary keys.
	AccessKey, SecretKey, SessionToken string
	// Profile is the section of AWS's files to take, if not the default one.
	Profile string
	// CAFile holds further certificate authorities, PEM.
	CAFile string
	// Proxy is the address of a proxy ("http://host:port"); empty: HTTPS_PROXY and so on.
	Proxy string

	Stall     time.Duration // a request that makes no progress for so long is given up as transient: 1 min
	MaxObject int64         // largest object in bytes: providers.DefaultMaxObject
	Parallel  int           // sensible concurrent requests: 8; Cloudflare R2 likes 2
}

// Store is one bucket, or a folder of it.
type Store struct {
	client     *s3.Client
	transport  *http.Transport
	bucket     string
	prefix     string // "" or ending in "/"
	stall      time.Duration
	properties providers.Properties
	oneByOne   atomic.Bool // the server has refused DeleteObjects
}

// New makes a store for the bucket, without any request: whether it can be reached is found out by use. Errors speak of
// the options only.
func New(ctx context.Context, bucket string, options *Options) (*Store, error) {
	o := Options{}
	if options != nil {
		o = *options
	}
	if bucket == "" {
		return nil, fmt.Errorf("s3: no bucket given")
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return nil, fmt.Errorf("s3: access key and secret key go together")
	}
	prefix := strings.Trim(o.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	if err := providers.ValidatePrefix(prefix); err != nil {
		return nil, fmt.Errorf("s3: prefix: %w", err)
	}
	connections, err := transport.New(&transport.Options{CAFile: o.CAFile, Proxy: o.Proxy})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	s := &Store{transport: connections, bucket: bucket, prefix: prefix, stall: o.Stall, properties: providers.Properties{
		Kind: Kind, Durable: true, CurrentListings: true, Deletes: true, MaxObject: o.MaxObject, Parallel: o.Parallel,
	}}
	if s.stall <= 0 {
		s.stall = time.Minute
	}
	if s.properties.MaxObject <= 0 {
		s.properties.MaxObject = providers.DefaultMaxObject
	}
	if s.properties.Parallel <= 0 {
		s.properties.Parallel = 8
	}
	s.transport.MaxIdleConnsPerHost = s.properties.Parallel
	settings, err := clientOptions(ctx, &o)
	if err != nil {
		return nil, err
	}
	settings.HTTPClient = &http.Client{Transport: readOnly{connections}, CheckRedirect: noRedirect}
	s.client = s3.New(settings)
	return s, nil
}

// noRedirect: a request is signed for one host; an S3 redirect means a wrong region or endpoint, which the user must see.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func clientOptions(ctx context.Context, o *Options) (s3.Options, error) {
	settings := s3.Options{
		Region:       o.Region,
		UsePathStyle: o.PathStyle,
		// The default since 2025, checksums in trailers, breaks several compatible stores.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		ContinueHeaderThresholdBytes:              -1, // proxies dislike Expect, and objects are small
		Logger:                                    logging.Nop{},
		Retryer:                                   clockRetryer(),
	}
	if o.Endpoint != "" {
		endpoint, err := url.Parse(o.Endpoint)
		if err != nil || endpoint.Host == "" || (endpoint.Scheme != "https" && endpoint.Scheme != "http") || endpoint.User != nil {
			return s3.Options{}, fmt.Errorf("s3: endpoint is not an address like https://host:port") // it may hold a secret
		}
		settings.BaseEndpoint = aws.String(o.Endpoint)
	}
	if o.AccessKey != "" {
		settings.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, o.SessionToken)
	} else {
		var load []func(*config.LoadOptions) error
		if o.Profile != "" {
			load = append(load, config.WithSharedConfigProfile(o.Profile))
		}
		environment, err := config.LoadDefaultConfig(ctx, load...)
		if err != nil {
			return s3.Options{}, fmt.Errorf("s3: reading AWS's environment and files: %w", err)
		}
		settings.Credentials = chain{environment.Credentials}
		if settings.Region == "" {
			settings.Region = environment.Region
		}
	}
	if settings.Region == "" {
		settings.Region = "us-east-1"
	}
	return settings, nil
}

// chain marks the failures of AWS's credential chain as what they are.
type chain struct{ provider aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (c chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.provider.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: no credentials: %w", providers.ErrUnauthorised, err)
	}
	return found, err
}

// clockRetryer repeats a request once, when the server's answer has shown that the clock here is wrong: the SDK has then
// measured by how much and signs accordingly.
func clockRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.Retryables = []retry.IsErrorRetryable{retry.NoRetryCanceledError{}, retry.IsErrorRetryableFunc(wrongClock)}
		o.Timeouts = nil
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// Properties implements providers.Store. Every S3 server measured lists at once what it has acknowledged, as AWS has
// promised since 2020.
func (s *Store) Properties() providers.Properties { return s.properties }

// Close implements providers.Store.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
