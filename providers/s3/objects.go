package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/dm3sync/dm3sync/providers"
)

// page is the most names that AWS lists or deletes in one request.
const page = 1000

// Put implements providers.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	if err := providers.ValidateName(name); err != nil {
		return err
	}
	if int64(len(data)) > s.properties.MaxObject {
		return fmt.Errorf("s3: put %s: %w", name, providers.ErrTooLarge)
	}
	request, dog := s.watch(ctx)
	defer dog.Stop()
	_, err := s.client.PutObject(request, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + name), Body: dog.Moving(bytes.NewReader(data)),
		ContentLength: aws.Int64(int64(len(data))), ContentType: aws.String("application/octet-stream"),
	})
	return translate(ctx, "put", name, dog.Explain(err))
}

// Get implements providers.Store.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	return s.get(ctx, name, nil, s.properties.MaxObject)
}

// GetRange implements providers.Store. Servers that ignore ranges are understood.
func (s *Store) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := providers.ValidateRange(offset, length); err != nil {
		return nil, err
	}
	// Servers need not know numbers that no object reaches. One byte above the limit shows that the object goes on.
	offset = min(offset, 1<<60)
	wanted := min(length, s.properties.MaxObject+1)
	data, err := s.get(ctx, name, &span{offset, offset + wanted - 1}, min(length, s.properties.MaxObject))
	if beyondEnd(err) {
		return []byte{}, nil // the object is there, and ends before
	}
	return data, err
}

// span is a range of bytes, both ends included.
type span struct{ first, last int64 }

func (s *Store) get(ctx context.Context, name string, part *span, limit int64) ([]byte, error) {
	if err := providers.ValidateName(name); err != nil {
		return nil, err
	}
	request, dog := s.watch(ctx)
	defer dog.Stop()
	input := &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + name)}
	if part != nil {
		input.Range = aws.String(fmt.Sprintf("bytes=%d-%d", part.first, part.last))
	}
	answer, err := s.client.GetObject(request, input)
	if noSuchKey(err) && ctx.Err() == nil {
		return nil, fmt.Errorf("s3: get %s: %w", name, providers.ErrNotFound)
	}
	if err != nil {
		return nil, translate(ctx, "get", name, dog.Explain(err))
	}
	defer answer.Body.Close()
	ignored := part != nil && answer.ContentRange == nil
	if ignored {
		limit = s.properties.MaxObject
	}
	size := int64(-1)
	if answer.ContentLength != nil {
		size = *answer.ContentLength
	}
	data, err := dog.Read(answer.Body, size, limit)
	if err != nil {
		return nil, translate(ctx, "get", name, dog.Explain(err))
	}
	if ignored {
		end := int64(len(data))
		data = data[min(part.first, end) : min(part.last, end-1)+1]
	}
	return data, nil
}

// List implements providers.Store, a request for each 1,000 names.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if err := providers.ValidatePrefix(prefix); err != nil {
		return providers.Fail(err)
	}
	return func(yield func(providers.Object, error) bool) {
		var token *string
		for {
			answer, err := s.listPage(ctx, prefix, token)
			if err != nil {
				yield(providers.Object{}, translate(ctx, "list", prefix, err))
				return
			}
			for _, object := range answer.Contents {
				name, ours := strings.CutPrefix(aws.ToString(object.Key), s.prefix)
				if !ours || !strings.HasPrefix(name, prefix) || providers.ValidateName(name) != nil {
					continue // another program's
				}
				if !yield(providers.Object{Name: name, Size: aws.ToInt64(object.Size)}, nil) {
					return
				}
			}
			if !aws.ToBool(answer.IsTruncated) {
				return
			}
			token = answer.NextContinuationToken
		}
	}
}

// listPage gets one page. An answer that says there is more, but not how to get it, must not pass for the end.
func (s *Store) listPage(ctx context.Context, prefix string, token *string) (*s3.ListObjectsV2Output, error) {
	request, dog := s.watch(ctx)
	defer dog.Stop()
	answer, err := s.client.ListObjectsV2(request, &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix), MaxKeys: aws.Int32(page), ContinuationToken: token,
	})
	if err != nil {
		return nil, dog.Explain(err)
	}
	next := aws.ToString(answer.NextContinuationToken)
	if aws.ToBool(answer.IsTruncated) && (next == "" || token != nil && next == *token) {
		return nil, fmt.Errorf("the server's listing does not go on: %w", io.ErrUnexpectedEOF)
	}
	return answer, nil
}

// Delete implements providers.Store: in requests of 1,000 names where the server can, else one by one.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	unique := make(map[string]bool, len(names))
	rest := make([]string, 0, len(names))
	for _, name := range names {
		if err := providers.ValidateName(name); err != nil {
			return err
		}
		if !unique[name] {
			unique[name] = true
			rest = append(rest, name)
		}
	}
	for len(rest) > 0 {
		batch := rest[:min(page, len(rest))]
		rest = rest[len(batch):]
		if err := s.deleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteBatch(ctx context.Context, names []string) error {
	if len(names) > 1 && !s.oneByOne.Load() {
		err := s.deleteMany(ctx, names)
		if !refusesBatches(err) {
			return translate(ctx, "delete", names[0]+" and others", err)
		}
		s.oneByOne.Store(true)
	}
	for _, name := range names {
		request, dog := s.watch(ctx)
		_, err := s.client.DeleteObject(request, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + name)})
		dog.Stop()
		if err != nil && !noSuchKey(err) {
			return translate(ctx, "delete", name, dog.Explain(err))
		}
	}
	return nil
}

// deleteMany makes one request and looks for each name in its answer, which comes with status 200 whatever happened.
func (s *Store) deleteMany(ctx context.Context, names []string) error {
	request, dog := s.watch(ctx)
	defer dog.Stop()
	identifiers := make([]types.ObjectIdentifier, len(names))
	missing := make(map[string]bool, len(names))
	for i, name := range names {
		identifiers[i] = types.ObjectIdentifier{Key: aws.String(s.prefix + name)}
		missing[s.prefix+name] = true
	}
	answer, err := s.client.DeleteObjects(request, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: &types.Delete{Objects: identifiers, Quiet: aws.Bool(false)},
	})
	if err != nil {
		return dog.Explain(err)
	}
	for _, failure := range answer.Errors {
		if aws.ToString(failure.Code) != codeNoSuchKey {
			return &objectError{code: aws.ToString(failure.Code), key: aws.ToString(failure.Key)}
		}
		delete(missing, aws.ToString(failure.Key))
	}
	for _, done := range answer.Deleted {
		delete(missing, aws.ToString(done.Key))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d of %d names are missing in the answer: %w", len(missing), len(names), io.ErrUnexpectedEOF)
	}
	return nil
}
