package bridge_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
)

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		checks map[string]bridge.Check
		want   bridge.Verdict
	}{
		{nil, bridge.Unknown},
		{map[string]bridge.Check{"a": {Valid: true}}, bridge.Genuine},
		{map[string]bridge.Check{"a": {}}, bridge.Forged},
		{map[string]bridge.Check{"a": {}, "b": {Valid: true}}, bridge.Genuine},
		{map[string]bridge.Check{"a": {Proved: true}, "b": {Valid: true}}, bridge.Forged},
		{map[string]bridge.Check{"a": {Proved: true}, "b": {Valid: true, Proved: true}}, bridge.Genuine},
		{map[string]bridge.Check{"a": {Valid: true, Proved: true}, "b": {}}, bridge.Genuine},
	} {
		for range 8 { // maps come in any order
			if got := (bridge.Notes{Signatures: c.checks}).Verdict(); got != c.want {
				t.Errorf("%v: %s, want %s", c.checks, got, c.want)
			}
		}
	}
}

// TestNotesJoin: whatever the order in which devices found things out, they agree.
func TestNotesJoin(t *testing.T) {
	text := fmt.Sprintf(`{"envelop":{"message":%s},"messageState":3}`, readVectors(t).Messages[0].Message)
	envelope, _, err := bridge.FromStorage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	notes := []bridge.Notes{
		{},
		{Signatures: map[string]bridge.Check{"a": {Valid: true}}, Halted: &yes},
		{Signatures: map[string]bridge.Check{"a": {Valid: true, Proved: true}, "b": {}}, Doubts: []string{bridge.DoubtHash}},
		{Doubts: []string{bridge.DoubtSender}, Halted: &no, RawPostmark: "x", Postmarks: map[string]bridge.Check{"p": {Valid: true}}},
	}
	var all []container.Envelope
	for _, n := range notes {
		noted, err := bridge.Annotate(envelope, n)
		if err != nil {
			t.Fatal(err)
		}
		if got := bridge.ReadNotes(noted); !reflect.DeepEqual(got, n) {
			t.Errorf("read %+v, want %+v", got, n)
		}
		all = append(all, noted)
	}
	want := bridge.Notes{
		Signatures: notes[2].Signatures, Postmarks: notes[3].Postmarks, Doubts: []string{bridge.DoubtHash, bridge.DoubtSender}, Halted: &no, RawPostmark: "x",
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		joined := all[order[0]]
		for _, i := range order[1:] {
			joined = container.Join(joined, all[i])
		}
		if got := bridge.ReadNotes(joined); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", order, got, want)
		}
		back, err := bridge.ToStorage(joined)
		if err != nil || string(back) != canonical(t, []byte(text)) {
			t.Errorf("back: %s, %v", back, err)
		}
	}
}

// TestNotesOfOthers: what is not understood in our member is no note.
func TestNotesOfOthers(t *testing.T) {
	for _, extra := range []string{`1`, `{"signatures":7}`, `{"doubts":{"hash":false}}`, `null`} {
		e := container.Envelope{JSON: []byte(`{"dm3sync":` + extra + `}`)}
		if got := bridge.ReadNotes(e); got.Verdict() != bridge.Unknown || len(got.Doubts) > 0 {
			t.Errorf("%s: %+v", extra, got)
		}
	}
}
