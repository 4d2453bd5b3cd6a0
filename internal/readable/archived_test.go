package readable_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dm3sync/dm3sync/internal/readable"
)

// TestArchived: what was fetched before is taken along, looked at like everything else; what was not is counted.
func TestArchived(t *testing.T) {
	h := newHistory(t)
	h.say("bob.eth", said{from: "bob.eth", kind: "NEW", text: "files", at: 5, attachments: []map[string]string{
		{"data": "https://files.example.org/a/dot.png"}, {"name": "page.html", "data": "ipfs://page"}, {"data": "https://files.example.org/lost"},
	}})
	kept := map[string][]byte{"https://files.example.org/a/dot.png": picture(t), "ipfs://page": []byte("<script>")}
	for format, want := range map[readable.Format][]string{
		readable.HTML:     {`<img src="data:image/png;base64,`, `download="page.html.bin"`, `href="https://files.example.org/lost"`},
		readable.Markdown: {`![dot.png](files/`, `[page.html](files/`, `<https://files.example.org/lost>`},
		readable.JSON:     {`"files":[{"uri":"https://files.example.org/a/dot.png","file":"bob.eth-326ba8bb/files/`, `"uri":"ipfs://page","file":"`, `page.html.bin"}],"envelope"`},
	} {
		o := h.options(format, t.TempDir())
		o.Archived = func(_ context.Context, uri string) ([]byte, bool, error) {
			data, found := kept[uri]
			return data, found, nil
		}
		result, got := export(t, o)
		if result.Attachments != 2 || result.Missing != 1 {
			t.Errorf("%s: %+v", format, result)
		}
		all, beside := "", 0
		for name, text := range got {
			if strings.Contains(name, "/files/") {
				beside++
				continue
			}
			all += text
		}
		for _, text := range want {
			if !strings.Contains(all, text) {
				t.Errorf("%s: %q is missing in\n%s", format, text, all)
			}
		}
		if inside := format == readable.HTML; inside != (beside == 0) {
			t.Errorf("%s: %d files beside", format, beside)
		}
	}
	o := h.options(readable.HTML, t.TempDir())
	o.Archived = func(context.Context, string) ([]byte, bool, error) { return nil, false, errBroken }
	if result, err := readable.Export(t.Context(), o); !errors.Is(err, errBroken) || !result.Provisional {
		t.Errorf("%+v %v", result, err)
	}
}
