package container

import (
	"fmt"
	"strings"
	"testing"
)

// stringifyInputs gives, for each stringify vector, the JSON text of its
// input. The vectors' own inputs are JavaScript expressions.
var stringifyInputs = map[string]string{
	"keyOrder":         `{"b":1,"a":2,"B":3,"A":4,"_":5,"":6}`,
	"chunkIdentifier":  `{"timestamp":1675954945000,"id":0}`,
	"integerLikeKeys":  `{"10":1,"2":2,"1":3,"a":4}`,
	"utf16KeyOrder":    `{"\uFB00":1,"\ud83d\uDE00":2,"z":3}`,
	"over200Keys":      manyKeys(),
	"emptyObjectArray": ` { "a" : { } , "b" : [ ] } `,
	// NaN and the infinities have no literal; what overflows is read as infinity.
	"numbers": `[0,-0,1,-1,1.0,0.1,1e21,1e20,123456789012345680000,1e-6,1e-7,5e-324,1.7976931348623157e308,` +
		`9007199254740993,null,1e309,-1e309]`,
	"stringEscapes":  `"\u0000\u0001\b\t\n\u000B\f\r\u001f\"\\\/<>&\u007f\u0080\u2028\u2029\uFEFF\uD83E\udd8a"`,
	"loneSurrogates": `["\uD800","\uDC00x","\uD83E\uDD8A"]`,
	"keyEscapes":     `{"a\"b\n":1,"\u003c":2}`,
	"nestedSort":     `{"b":[{"d":1,"c":2}],"a":{"z":{"y":1,"x":2}}}`,
	"scalars":        `["",true,false,null]`,
	"topString":      `"x"`,
	"topNumber":      `5`,
	"topNull":        `null`,
	"deep200":        `{"v":0,"c":` + strings.Repeat(`{"c":`, 199) + `{}` + strings.Repeat("}", 199) + `}`,
}

// stringifyJavaScript says why no JSON text leads to the input of the others.
var stringifyJavaScript = map[string]string{
	"undefinedDropped": "undefined, functions and symbols are no JSON values",
	"undefinedInArray": "undefined and functions are no JSON values",
	"bigint":           "JSON.parse makes no BigInt: the digits give the nearest float64",
	"date":             "JSON.parse makes no Date",
	"toJSON":           "JSON.parse makes no function, so no toJSON is ever called",
	"mapSet":           "JSON.parse makes neither Map nor Set",
	"typedArray":       "JSON.parse makes no typed array",
	"topUndefined":     "undefined is no JSON value; upstream throws",
	"circular":         "a parsed text is a tree",
}

func manyKeys() string {
	members := make([]string, 201)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":%d`, i*7919%201, i)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestVectorsStringify(t *testing.T) {
	ran, unreachable := 0, 0
	for _, v := range loadVectors(t).Stringify {
		input, ok := stringifyInputs[v.Name]
		if _, excused := stringifyJavaScript[v.Name]; ok == excused {
			t.Errorf("%s: must be in exactly one of the two tables", v.Name)
			continue
		}
		if !ok {
			unreachable++
			if v.Output != "" && v.Name != "bigint" {
				equal(t, v.Name+" again", canonical(t, v.Output), v.Output)
			}
			continue
		}
		ran++
		got := canonical(t, input)
		equal(t, v.Name+" size", len(got), v.UTF8Size)
		if v.OutputSha256 != "" {
			equal(t, v.Name, string(Hash(got)), v.OutputSha256)
		} else {
			equal(t, v.Name, got, v.Output)
		}
		equal(t, v.Name+" again", canonical(t, got), got)
	}
	equal(t, "vectors run", ran, len(stringifyInputs))
	equal(t, "vectors not reachable from JSON", unreachable, len(stringifyJavaScript))
}
