package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// What only this module's own programs use: it is not in the document, and may change.
const (
	pathInventory = "/v1/accounts/{account}/internal/inventory"
	pathObject    = "/v1/accounts/{account}/internal/object"
	pathLacking   = "/v1/accounts/{account}/internal/lacking"
	pathMirror    = "/v1/accounts/{account}/internal/mirror"
	pathRange     = "/v1/accounts/{account}/internal/range"
	pathReport    = "/v1/accounts/{account}/internal/report"
)

const (
	maxSealed = 1 << 30 // bytes of an object that is put back: more than any place takes
	maxHeads  = 1 << 30 // bytes of the heads of an account, in JSON
)

// addInternals adds what is not documented.
func (s *service) addInternals() {
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, Account) error{
		"GET " + pathInventory: handleObjects(inventory),
		"GET " + pathObject:    handleObjects(object),
		"POST " + pathObject:   handleObjects(putBack),
		"POST " + pathLacking:  handleObjects(lacking),
		"POST " + pathMirror:   mirrors,
		"GET " + pathRange:     messageRange,
		"POST " + pathReport:   report,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			account, err := s.account(r.PathValue("account"))
			if err == nil {
				err = handle(w, r, account)
			}
			if err != nil {
				writeError(w, err)
			}
		})
	}
}

// answer writes one JSON document, or the error.
func answer(w http.ResponseWriter, value any, err error) {
	if err == nil {
		err = reply(w, value, nil)
	}
	if err != nil {
		writeError(w, err)
	}
}

// reply writes one JSON document, unless there is an error.
func reply(w http.ResponseWriter, value any, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonMedia)
	_ = writeJSON(w, value) // a client that left does not want it
	return nil
}

// handleObjects is how the server answers what [Objects] has.
func handleObjects(handle func(w http.ResponseWriter, r *http.Request, o Objects) error) func(http.ResponseWriter, *http.Request, Account) error {
	return func(w http.ResponseWriter, r *http.Request, account Account) error {
		objects, ok := account.(Objects)
		if !ok {
			return fmt.Errorf("%w: this account gives no objects", ErrRequest)
		}
		return handle(w, r, objects)
	}
}

func inventory(w http.ResponseWriter, r *http.Request, o Objects) error {
	found, err := o.Inventory(r.Context())
	return reply(w, found, err)
}

func object(w http.ResponseWriter, r *http.Request, o Objects) error {
	cached, err := strconv.ParseBool(r.URL.Query().Get("cached"))
	if err != nil {
		return fmt.Errorf("%w: cached must be true or false", ErrRequest)
	}
	sealed, err := o.Object(r.Context(), r.URL.Query().Get("name"), cached)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", bytesMedia)
	w.Header().Set("Content-Length", strconv.Itoa(len(sealed)))
	_, _ = w.Write(sealed) // a client that left does not want it
	return nil
}

func lacking(w http.ResponseWriter, r *http.Request, o Objects) error {
	var heads map[string][]byte
	if err := readDocument(w, r, maxHeads, &heads); err != nil {
		return err
	}
	list, err := o.Lacking(r.Context(), heads)
	return reply(w, list, err)
}

func putBack(w http.ResponseWriter, r *http.Request, o Objects) error {
	sealed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSealed))
	if err != nil {
		return bodyError(err)
	}
	return reply(w, struct{}{}, o.PutBack(r.Context(), r.URL.Query().Get("name"), sealed))
}

func mirrors(w http.ResponseWriter, r *http.Request, account Account) error {
	var work MirrorWork
	if err := readDocument(w, r, maxBody, &work); err != nil {
		return err
	}
	mirrored, ok := account.(Mirrored)
	if !ok {
		return fmt.Errorf("%w: this account has no mirrors", ErrRequest)
	}
	lines := newStream(w)
	reports, err := mirrored.Mirror(r.Context(), work, lines.progress)
	lines.finish(reports, err)
	return nil
}

// messageRange answers with a range of any length, as the verbs ask for it.
func messageRange(w http.ResponseWriter, r *http.Request, account Account) error {
	query := r.URL.Query()
	var wanted engine.Range
	var errs [3]error
	wanted.From, errs[0] = number(query.Get("from"))
	wanted.To, errs[1] = number(query.Get("to"))
	last, err := number(query.Get("last"))
	wanted.Last, errs[2] = int(last), err
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	page, err := account.Messages(r.Context(), query.Get("contact"), wanted)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonMedia)
	_ = history.WritePage(w, query.Get("contact"), page) // a client that left does not want it
	return nil
}

// number reads a query's number that is not negative; an empty one is 0.
func number(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 {
		return 0, fmt.Errorf("%w: from, to and last are numbers from 0 on", ErrRequest)
	}
	return value, nil
}

// readDocument reads a JSON body of at most so many bytes; none is an empty one.
func readDocument(w http.ResponseWriter, r *http.Request, most int64, value any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(value)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return bodyError(err)
}

// bodyError says why a body could not be read, without what was in it.
func bodyError(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return fmt.Errorf("%w: at most %d bytes are taken", ErrBodyTooLarge, large.Limit)
	}
	return fmt.Errorf("%w: the body can't be read as what the operation takes", ErrRequest)
}
