package dm3api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// errSchema says that a body is not what the stock server's JSON schema asks for.
var errSchema = errors.New("dm3api: " + badSchema)

// object is a body's members, as they stand there.
type object map[string]json.RawMessage

// readObject reads a request's body.
func readObject(r *http.Request) (object, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("dm3api: reading a body: %w", err)
	}
	found, err := members(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSchema, err)
	}
	return found, nil
}

// text returns a member that must be a string. It does nothing after an error, and sets one otherwise.
func (o object) text(name string, failure *error) (text string) {
	var value any
	if *failure == nil && json.Unmarshal(o[name], &value) != nil {
		*failure = errSchema
	}
	text, ok := value.(string)
	if *failure == nil && !ok {
		*failure = errSchema
	}
	return text
}

// bool reads a member that must be true or false.
func (o object) bool(name string, value *bool) bool {
	switch string(o[name]) {
	case "true":
		*value = true
	case "false":
		*value = false
	default:
		return false
	}
	return true
}

// truthy tells whether JavaScript takes a member for something.
func (o object) truthy(name string) bool {
	switch string(o[name]) {
	case "", "null", "false", `""`, "0", "-0":
		return false
	}
	return true
}

// record reads a message record: all of its members and no others.
func (o object) record(failure *error) Record {
	record := Record{MessageID: o.text("messageId", failure), Container: o.text("encryptedEnvelopContainer", failure)}
	if *failure != nil {
		return Record{}
	}
	var created any
	if json.Unmarshal(o["createdAt"], &created) != nil || len(o) != 4 || !o.bool("isHalted", &record.IsHalted) {
		*failure = errSchema
		return Record{}
	}
	number, ok := created.(float64)
	switch {
	case !ok:
		*failure = errSchema
	case math.Abs(number) > latestDate:
		*failure = ErrNotAdded // valid by the schema, but no date
	default:
		record.CreatedAt = int64(number)
	}
	return record
}

// readBatch reads a contact and its records, which stand under the given name.
func readBatch(r *http.Request, name string) (contact string, records []Record, err error) {
	body, err := readObject(r)
	contact = body.text("encryptedContactName", &err)
	var list []json.RawMessage
	if err == nil && (len(body) != 2 || json.Unmarshal(body[name], &list) != nil || list == nil) {
		err = errSchema
	}
	if err != nil {
		return "", nil, err
	}
	records = make([]Record, len(list))
	for i, text := range list {
		one, failure := members(text)
		if failure != nil {
			return "", nil, errSchema
		}
		if records[i] = object(one).record(&err); err != nil {
			return "", nil, err
		}
	}
	return contact, records, nil
}

// secondWord returns what stands after the first space.
func secondWord(text string) string {
	for i := range len(text) {
		if text[i] != ' ' {
			continue
		}
		rest := text[i+1:]
		for j := range len(rest) {
			if rest[j] == ' ' {
				return rest[:j]
			}
		}
		return rest
	}
	return ""
}
