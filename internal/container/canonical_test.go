package container

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestCanonical(t *testing.T) {
	for _, v := range []struct{ text, want string }{
		{"\t\r\n 1 \n", `1`},
		{`-0`, `0`},
		{`-0.0e5`, `0`},
		{`1e-400`, `0`},
		{`-1e400`, `null`},
		{`999999999999999`, `999999999999999`},
		{`-9007199254740993`, `-9007199254740992`},
		{`9007199254740991`, `9007199254740991`},
		{`1E2`, `100`},
		{`1.50`, `1.5`},
		{`0.00000012`, `1.2e-7`},
		{`12345678901234567890123`, `1.2345678901234568e+22`},
		{`1e-10`, `1e-10`},
		{`{"a":1,"a":2}`, `{"a":2}`},
		{`{"a":1,"b":{"c":3,"c":4},"a":{"z":1,"y":2}}`, `{"a":{"y":2,"z":1},"b":{"c":4}}`},
		{`{"\u0061":1,"a":2,"b":0}`, `{"a":2,"b":0}`},
		{`{"b":1 , "a" : [ 1 , 2 ] }`, `{"a":[1,2],"b":1}`},
		{`{"ab":1,"a":2,"":3}`, `{"":3,"a":2,"ab":1}`},
		{`{"__proto__":1,"a":2,"Z":3}`, `{"Z":3,"__proto__":1,"a":2}`},
		// Escapes sort by what they stand for, not by their backslash.
		{`{"\n":1,"\u0009":2,"!":3,"\\":4,"Z":5,"a":6}`, `{"\t":2,"\n":1,"!":3,"Z":5,"\\":4,"a":6}`},
		{`{"a\n":1,"a":2,"a!":3}`, `{"a":2,"a\n":1,"a!":3}`},
		{`{"\udfff":1,"\ud800":2,"\ue000":3,"\ud83d\ude00":4,"é":5}`,
			`{"é":5,"\ud800":2,"😀":4,"\udfff":1,"` + "\ue000" + `":3}`},
		{`"\ud83e\ud83e\udd8a\udd8a"`, `"\ud83e🦊\udd8a"`},
		{`"\ud83e\u0041\/\u002F\u00e9"`, `"\ud83eA//é"`},
		{`"\u001F\u0008\u000c\u000d\u0022\u005c"`, `"\u001f\b\f\r\"\\"`},
		{`"12345678\n12345678é\"1234567"`, `"12345678\n12345678é\"1234567"`},
	} {
		equal(t, v.text, canonical(t, v.text), v.want)
		equal(t, v.text+" again", canonical(t, v.want), v.want)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `nul`, `nulL`, `truefalse`, `tru`, `True`, `undefined`, `NaN`, `Infinity`, `-`, `+1`, `01`, `-01`, `1.`, `.5`,
		`1e`, `1e+`, `0x1`, `1 2`, `1,`, `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `{`, `}`, `{"a"`, `{"a":`,
		`{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{1:2}`, `{"a":1]`, `'a'`, `"`, `"a`, `"\`,
		`"\"`, `"\x"`, `"\u"`, `"\u12"`, `"\u123"`, `"\u123g"`, `"\U0041"`, "\"\n\"", "\"\x00\"", "\"aaaaaaaaa\x1f\"", "\"a\x1faaaaaaaaa\"", "\"\xff\\nabcdefgh\"",
		"\"\\u0041\n\"", "\"\\/\xff\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\xa6\"", "\ufeff1", "\v1", "1\x00",
		"\u00a01", "[1]//", `/**/1`, `{"` + "\xff" + `":1}`,
		strings.Repeat("[", 513) + strings.Repeat("]", 513), strings.Repeat(`{"a":`, 1<<20), strings.Repeat("[", 1<<20),
	} {
		out, err := Canonical([]byte("before"), []byte(text))
		if !errors.Is(err, ErrSyntax) || string(out) != "before" {
			t.Errorf("%.40q: got %q, %v", text, out, err)
		}
	}
	limit := strings.Repeat("[", 512) + strings.Repeat("]", 512)
	equal(t, "at the limit", canonical(t, limit), limit)
}

func TestCanonicalAppends(t *testing.T) {
	for _, text := range []string{`{"a":1}`, `{"b":1,"a":2}`} {
		out, err := Canonical([]byte("before"), []byte(text))
		equal(t, "result", string(out), "before"+canonical(t, text))
		equal(t, "error", err, nil)
	}
}

// TestCompareKeys compares with the definition, on all pairs of awkward names.
func TestCompareKeys(t *testing.T) {
	names := []string{"", "a", "aa", "a\n", "a\"", "a\\", "a\\n", "\u007f", "é", "\ud7ff", "\ue000", "\uffff", "\U00010000",
		"\U0001f600", "\U0001f601", "\U0010ffff", "a\ue000", "a\U00010000", "\x00", "\x1f", "[", "]", "a\U0001f600b", "a\U0001f600"}
	for _, a := range names {
		for _, b := range names {
			want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
			got := compareKeys(appendString(nil, a), appendString(nil, b))
			if (got < 0) != (want < 0) || (got > 0) != (want > 0) {
				t.Errorf("%q and %q: got %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestHashText(t *testing.T) {
	want := string(Hash("a"))
	hash, err := ParseMessageHash(want)
	if err != nil || hash.String() != want {
		t.Fatalf("got %v, %v", hash, err)
	}
	text, err := hash.MarshalText()
	var back MessageHash
	if err != nil || back.UnmarshalText(text) != nil || back != hash {
		t.Errorf("through text: %s, %v", text, err)
	}
	for _, wrong := range []string{"", "0x", want[2:], want + "0", strings.ToUpper(want), "0x" + strings.ToUpper(want[2:]), want[:65] + "g"} {
		if _, err := ParseMessageHash(wrong); !errors.Is(err, ErrHash) {
			t.Errorf("%q: %v", wrong, err)
		}
		if !errors.Is(back.UnmarshalText([]byte(wrong)), ErrHash) || back != hash {
			t.Errorf("%q was taken or changed the hash", wrong)
		}
	}
}

func TestKinds(t *testing.T) {
	equal(t, "heads", HeadsKey("0x01"), Hash("0x01-heads.dm3sync"))
	for kind, want := range map[Kind]string{KindRoot: "root", KindConversation: "conversation", KindChunk: "chunk",
		KindHead: "head", 9: "kind 9"} {
		equal(t, "kind", kind.String(), want)
	}
}
