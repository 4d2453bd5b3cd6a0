package engine_test

import (
	"maps"
	"testing"
)

// wantAlarms compares the alarms that a device counted, by kind.
func wantAlarms(t *testing.T, d *device, raised, healed map[string]int64) {
	t.Helper()
	got := d.Status().Alarms
	if !maps.Equal(got.Raised, raised) || !maps.Equal(got.Healed, healed) {
		t.Errorf("alarms raised %v, healed %v; want %v, %v\nproblems %+v\nover %+v", got.Raised, got.Healed, raised, healed, d.Status().Problems, d.Status().Healed)
	}
}
