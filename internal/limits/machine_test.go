package limits

import "testing"

// TestPowerOfText reads what macOS prints.
func TestPowerOfText(t *testing.T) {
	for text, want := range map[string]Power{
		"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t85%; discharging; 3:12 remaining present: true\n": {Yes, 85},
		"Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t100%; charged; 0:00 remaining present: true\n":         {No, 100},
		"Now drawing from 'AC Power'\n": {No, -1},
		"":                              {Unknown, -1},
	} {
		if got := powerOfText(text); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
