package dm3api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// mostElements bounds the lists of an answer. A page has a thousand entries at most, and a delivery service shows about
// 100,000 messages at once.
const mostElements = 1 << 18

// list is read from a JSON array element by element. An element of two letters becomes a structure of some hundred bytes,
// so the length of an answer alone would not bound the memory that it takes.
type list[T any] []T

// UnmarshalJSON implements [json.Unmarshaler]. More than [mostElements] are [ErrTooLong].
func (l *list[T]) UnmarshalJSON(text []byte) error {
	*l = nil
	if string(text) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('[') {
		return fmt.Errorf("not a list: %w", ErrNotNode)
	}
	for decoder.More() {
		if len(*l) == mostElements {
			return fmt.Errorf("%w: more than %d entries", ErrTooLong, mostElements)
		}
		var element T
		if err := decoder.Decode(&element); err != nil {
			return err
		}
		*l = append(*l, element)
	}
	return nil // whoever calls has seen that the text is one whole value
}
