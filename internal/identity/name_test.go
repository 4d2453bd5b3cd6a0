package identity_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/xdg-go/stringprep"
)

func TestVectorsNormalizeEnsName(t *testing.T) {
	reasons := map[string]error{
		"invalid hyphen":                 identity.ErrNameHyphen,
		"STRINGPREP_CONTAINS_UNASSIGNED": identity.ErrNameUnassigned,
		"STRINGPREP_CONTAINS_PROHIBITED": identity.ErrNameProhibited,
		"invalid utf-8 string":           identity.ErrNameEncoding,
	}
	cases := readVectors(t).NormalizeEnsName
	if len(cases) != 77 {
		t.Fatalf("%d names", len(cases))
	}
	for _, c := range cases {
		if c.InputEscaped == `"\ud800.eth"` {
			c.Input = "\xed\xa0\x80.eth" // Go's decoder would mend it
		}
		got, err := identity.Normalize(c.Input)
		if c.Error != "" {
			if want := reasons[c.Error]; want == nil || !errors.Is(err, want) || !errors.Is(err, identity.ErrName) || got != "" {
				t.Errorf("%s: %q, %v, want %s", c.InputEscaped, got, err, c.Error)
			}
			continue
		}
		if err != nil || got != c.Output {
			t.Errorf("%s: %q, %v, want %q", c.InputEscaped, got, err, c.Output)
		}
	}
}

// TestNormalizeEdges holds what the vectors leave open; the results are ethers 5.7's.
func TestNormalizeEdges(t *testing.T) {
	long := strings.Repeat("a", 60)
	for name, want := range map[string]string{
		"\u1806x.eth":              "x.eth", // missing from the library's table
		"\U0001CCD6\U0001CCF9.eth": "A9.eth",
		"\ua7f1.eth":               "S.eth",
		"\U0001CCD6\u0300.eth":     "\u00c0.eth",
		"\U00010400--x.eth":        "",                   // two code units, so the hyphens stand third and fourth
		"a\U00010400--x.eth":       "a\U00010428--x.eth", // a pair across the third place
		"\u00fc--x.eth":            "\u00fc--x.eth",      // one code unit: places two and three
		"\u00fcx--.eth":            "",
		"-" + long:                 "",
		long + "-":                 "",
		"ab--" + long:              "",
		"-heads.dm3sync":           "", // what stands in a contact's place in the key of the heads
		"\u1100\u1161\u11a8.eth":   "\uac01.eth",
		"x\u0323\u0307.eth":        "\u1e8b\u0323.eth",
	} {
		got, err := identity.Normalize(name)
		if want == "" && !errors.Is(err, identity.ErrNameHyphen) || want != "" && (err != nil || got != want) {
			t.Errorf("%+q: %+q, %v, want %+q", name, got, err, want)
		}
	}
}

// TestNormalizeLongMarks: 30 and more combining marks, where the library would insert a joiner.
func TestNormalizeLongMarks(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"a" + strings.Repeat("\u0300", 40), "\u00e0" + strings.Repeat("\u0300", 39)},
		{"a" + strings.Repeat("\u0300", 40) + "\u0323", "\u1ea1" + strings.Repeat("\u0300", 40)},
		{strings.Repeat("\u0301", 35) + "e\u0301\ufb01", strings.Repeat("\u0301", 35) + "\u00e9fi"},
		{"\u1100\u1161" + strings.Repeat("\u0300", 33), "\uac00" + strings.Repeat("\u0300", 33)},
	} {
		got, err := identity.Normalize(c.name)
		if err != nil || got != c.want {
			t.Errorf("%+q: %+q, %v, want %+q", c.name, got, err, c.want)
		}
	}
}

// settled tells whether a second round may change a normalised name: only when it holds a character
// that case folding maps, which younger characters' NFKC forms bring in.
func settled(name string) bool {
	for _, r := range name {
		if _, folds := stringprep.TableB2[r]; folds {
			return false
		}
	}
	return true
}

func checkIdempotent(t *testing.T, name string) {
	t.Helper()
	once, err := identity.Normalize(name)
	if err != nil {
		if !errors.Is(err, identity.ErrName) || once != "" {
			t.Errorf("%+q: %q, %v", name, once, err)
		}
		return
	}
	twice, err := identity.Normalize(once)
	if err != nil {
		t.Errorf("%+q: the second round fails: %v", name, err)
		return
	}
	if settled(once) && twice != once {
		t.Errorf("%+q: %+q, then %+q", name, once, twice)
	}
	if thrice, err := identity.Normalize(twice); err != nil || thrice != twice {
		t.Errorf("%+q: %+q, then %+q (%v)", name, twice, thrice, err)
	}
}

// TestNormalizeEveryCharacter goes through the code points, alone and before a combining mark; where
// nothing is assigned, through a sample of them.
func TestNormalizeEveryCharacter(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) && (r < 0x30000 || r>>12 == 0xE0 || r%61 == 0) {
			checkIdempotent(t, string(r)+".eth")
			checkIdempotent(t, "x"+string(r)+"\u0301")
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, c := range readVectors(f).NormalizeEnsName {
		f.Add(c.Input)
	}
	f.Add("\xff")
	f.Add("a" + strings.Repeat("\u0300", 40) + "\u0323")
	f.Fuzz(checkIdempotent)
}

func BenchmarkNormalize(b *testing.B) {
	for label, name := range map[string]string{
		"plain": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266.addr.dm3.eth", "upper": "0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266.addr.dm3.eth",
		"unicode": "b\u00fccher.eth",
	} {
		b.Run(label, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := identity.Normalize(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
