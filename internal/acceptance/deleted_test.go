package acceptance

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/servertest"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/enginetest"
)

const (
	unspeakable = "the word that must go"
	chatter     = 300             // messages around it
	trashWait   = 6 * time.Minute // MinIO empties its trash for the first time five minutes after its start
)

// TestDeletedBytesAreGone deletes two messages, one in an object of its own and one that travels in a head, while another
// device is away that holds both and waits to upload them again. After the grace time no file on the server's disk has
// bytes of the objects that held them, nothing that is left holds them, and they don't come back with that device.
func TestDeletedBytesAreGone(t *testing.T) {
	p, _ := newBucket(t, nil)
	disk := diskOf(t, p)
	now := time.UnixMilli(1_800_000_000_000)
	options := engine.Options{DeleteGrace: time.Hour, Now: func() time.Time { return now }}
	desk, away := newDeviceWith(t, p, "desk", options), newDeviceWith(t, p, "away", options)

	var lines []string
	for i := range chatter {
		lines = append(lines, said(1_700_000_000_000+1000*i, strings.Repeat(fmt.Sprintf("%d words ", i), 40)))
	}
	early, late := said(1_700_000_000_500, unspeakable), said(1_700_001_000_000, unspeakable)
	desk.take(append(lines, early)...)
	desk.settle()
	desk.take(late)
	desk.settle()
	away.settle()
	if got := len(away.page()); got != chatter+2 {
		t.Fatalf("%d messages before the deletion", got)
	}
	away.take(early, late) // durable there, and not delivered

	held := holding(t, desk, unspeakable)
	if len(held) < 2 {
		t.Fatalf("only %d objects hold the two messages: one should be a head, one not", len(held))
	}
	disk.want(true, held)
	deletion, err := desk.history.Delete(t.Context(), history.Selection{Contact: "bob.eth", Hashes: hashesOf(desk.page(), unspeakable)})
	if err != nil || deletion.Messages != 2 {
		t.Fatalf("%+v, %v", deletion, err)
	}
	desk.settle()
	if got := len(desk.page()); got != chatter {
		t.Errorf("%d messages after the deletion", got)
	}
	now = now.Add(59 * time.Minute)
	desk.settle()
	if len(holding(t, desk, unspeakable)) == 0 {
		t.Error("the bytes went before the grace time was over")
	}
	now = now.Add(2 * time.Minute)
	desk.settle()
	disk.want(false, held)
	if left := holding(t, desk, unspeakable); len(left) > 0 {
		t.Errorf("after the grace time %d objects hold the messages", len(left))
	}
	for range 2 {
		away.settle()
		desk.settle()
	}
	now = now.Add(2 * time.Hour)
	for _, d := range []*device{away, desk} {
		d.settle()
		if got := len(d.page()); got != chatter {
			t.Errorf("%s: %d messages after the return", d.name, got)
		}
		found, err := d.engine.Verify(t.Context(), engine.VerifyOptions{Deep: true})
		if err != nil || found.Messages != chatter || found.Tombstones != 2 {
			t.Errorf("%s: %+v, %v", d.name, found, err)
		}
		wantNoProblems(t, d.name, found.Problems)
		wantNoProblems(t, d.name, d.engine.Status().Problems)
	}
	disk.want(false, held)
	disk.wantNoTrash(held)
	if left := holding(t, desk, unspeakable); len(left) > 0 {
		t.Errorf("the device that was away brought the messages back in %d objects", len(left))
	}
}

// said is a line from bob.
func said(timestamp int, text string) string {
	return fmt.Sprintf(`{"message":{"message":%q,"metadata":{"from":"bob.eth","timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}}`,
		text, timestamp, account, base64.StdEncoding.EncodeToString(make([]byte, 64)))
}

// take appends lines; all must be accepted.
func (d *device) take(lines ...string) {
	d.t.Helper()
	summary, err := d.history.Append(d.t.Context(), strings.NewReader(strings.Join(lines, "\n")), history.AppendOptions{})
	if err != nil || summary.Accepted != len(lines) {
		d.t.Fatalf("%+v, %v", summary, err)
	}
}

// page reads the whole conversation with bob.
func (d *device) page() []container.Envelope {
	d.t.Helper()
	page, err := d.history.Page(d.t.Context(), "bob.eth", engine.Range{})
	if err != nil || page.Provisional {
		d.t.Fatalf("%s: %v, provisional %v", d.name, err, page.Reasons)
	}
	return page.Messages
}

func hashesOf(messages []container.Envelope, text string) (hashes []container.MessageHash) {
	for _, message := range messages {
		if bytes.Contains(message.JSON, []byte(text)) {
			hashes = append(hashes, message.Hash)
		}
	}
	return hashes
}

// holding returns the objects at the place that hold a text.
func holding(t *testing.T, d *device, text string) map[string][]byte {
	t.Helper()
	return enginetest.Holding(t, d.counter, newSealer(t), text)
}

// disk is the folder where the server keeps a bucket; empty where the server is in this process, or on another machine.
type disk struct {
	t            *testing.T
	folder, name string
}

func diskOf(t *testing.T, p place) disk {
	t.Helper()
	folder := servertest.Optional(t, "DM3SYNC_TEST_MINIO_DISK")
	if p.name != "minio" {
		folder = ""
	}
	return disk{t, folder, p.bucket}
}

// want looks for the objects' folders in the bucket's, and for their bytes in all files of the bucket.
func (d disk) want(there bool, objects map[string][]byte) {
	d.t.Helper()
	if d.folder == "" {
		d.t.Log("the server's disk is out of reach: looked at through the interface only")
		return
	}
	for object := range objects {
		if _, err := os.Stat(filepath.Join(d.folder, d.name, filepath.FromSlash(object))); (err == nil) != there {
			d.t.Errorf("%s on the disk: %v", object, err)
		}
	}
	found := d.search(d.name, objects)
	if there && len(found) != len(objects) || !there && len(found) > 0 {
		d.t.Errorf("bytes of %d objects, wanted there: %v, are in %v", len(objects), there, found)
	}
	d.t.Logf("%d objects, their bytes are in %d files of the bucket", len(objects), len(found))
}

// wantNoTrash waits until the server has emptied the folder to which it moves what is deleted. It does so when it likes,
// so only the full form has the time.
func (d disk) wantNoTrash(objects map[string][]byte) {
	d.t.Helper()
	if d.folder == "" || !full() {
		return
	}
	for deadline := time.Now().Add(trashWait); ; time.Sleep(time.Second) {
		found := d.search(filepath.Join(".minio.sys", "tmp"), objects)
		if len(found) == 0 {
			d.t.Logf("the server's trash holds nothing of %d objects", len(objects))
			return
		}
		if time.Now().After(deadline) {
			d.t.Errorf("bytes of the objects are still in %v", found)
			return
		}
	}
}

// search returns the files below a folder of the disk that hold bytes of an object.
func (d disk) search(folder string, objects map[string][]byte) (files []string) {
	d.t.Helper()
	err := filepath.WalkDir(filepath.Join(d.folder, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		content, err := os.ReadFile(path)
		for _, sealed := range objects {
			if middle := sealed[len(sealed)/2:]; bytes.Contains(content, middle[:min(64, len(middle))]) {
				files = append(files, path)
			}
		}
		return ignoreGone(err)
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return files
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
