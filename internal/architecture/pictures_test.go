package architecture

import (
	"os"
	"path"
	"strings"
	"testing"
)

// mostPicture is how large a picture of the documents may be, in bytes.
const mostPicture = 100_000

// TestPictures: each picture is small, and some page shows it.
func TestPictures(t *testing.T) {
	readme, err := os.ReadFile(path.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := string(readme)
	walkText(t, documents, ".md", func(_, text string) { shown += text })
	files, err := os.ReadDir(path.Join(repository, documents, "pictures"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > mostPicture {
			t.Errorf("%s takes %d bytes", file.Name(), info.Size())
		}
		if !strings.Contains(shown, "pictures/"+file.Name()+")") {
			t.Errorf("no page shows %s", file.Name())
		}
	}
}
