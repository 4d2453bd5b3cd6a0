package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/dm3sync/dm3sync/sync/engine"
)

// Objects is what an [Account] has for those who copy it object by object, sealed as it is: into a file and back. The
// accounts of this module implement it.
type Objects interface {
	// Inventory lists the objects in use, as far as this device knows; see [engine.Engine.Inventory].
	Inventory(ctx context.Context) (engine.Inventory, error)
	// Object returns one of them; see [engine.Engine.Object].
	Object(ctx context.Context, name string, cached bool) ([]byte, error)
	// Lacking lists what is to be put back; see [engine.Engine.Lacking].
	Lacking(ctx context.Context, heads map[string][]byte) ([]string, error)
	// PutBack writes one object to the provider; see [engine.Engine.PutBack].
	PutBack(ctx context.Context, name string, sealed []byte) error
}

var _ Objects = remote{}

func (r remote) Inventory(ctx context.Context) (found engine.Inventory, err error) {
	return found, r.client.get(ctx, pathOf(pathInventory, r.name), nil, &found)
}

func (r remote) Object(ctx context.Context, name string, cached bool) (sealed []byte, err error) {
	query := url.Values{"name": {name}, "cached": {strconv.FormatBool(cached)}}
	read := func(body io.Reader) error {
		if sealed, err = io.ReadAll(body); err != nil {
			return fmt.Errorf("api: reading an object: %w", err)
		}
		return nil
	}
	return sealed, r.client.do(ctx, http.MethodGet, pathOf(pathObject, r.name), query, nil, read)
}

func (r remote) Lacking(ctx context.Context, heads map[string][]byte) (list []string, err error) {
	return list, r.client.send(ctx, http.MethodPost, pathOf(pathLacking, r.name), heads, decodeInto(&list))
}

func (r remote) PutBack(ctx context.Context, name string, sealed []byte) error {
	return r.client.exchange(ctx, call{
		method: http.MethodPost, path: pathOf(pathObject, r.name), query: url.Values{"name": {name}},
		body: bytes.NewReader(sealed), kind: bytesMedia, read: nothingToRead,
	})
}
