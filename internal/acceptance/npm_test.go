package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dm3sync/dm3sync/internal/servertest"
)

// packages is a process of node that calls the published dm3 packages.
type packages struct {
	t      *testing.T
	random *rand.Rand
	mutex  sync.Mutex
	in     io.Writer
	out    *bufio.Reader
}

// newPackages starts node in the folder that the environment names.
func newPackages(t *testing.T) *packages {
	t.Helper()
	folder := servertest.Named(t, "DM3SYNC_TEST_DM3") // has the dm3 packages
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	command := exec.CommandContext(t.Context(), "node", filepath.Join(folder, "dm3.mjs"))
	command.Stderr = &logged{t: t}
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("node ended with %v", err)
		}
	})
	return &packages{t: t, random: rand.New(rand.NewPCG(seed, 1)), in: in, out: bufio.NewReader(out)}
}

// logged hands what node complains about to the test's log.
type logged struct{ t *testing.T }

// Write implements io.Writer.
func (l *logged) Write(text []byte) (int, error) {
	l.t.Logf("node: %s", text)
	return len(text), nil
}

// try calls a function of a package; result gets what it gives.
func (p *packages) try(result any, module, name string, arguments ...any) error {
	p.t.Helper()
	if arguments == nil {
		arguments = []any{}
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any{"module": module, "name": name, "arguments": arguments}); err != nil {
		p.t.Fatal(err)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if _, err := p.in.Write(line.Bytes()); err != nil {
		p.t.Fatal(err)
	}
	text, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		p.t.Fatal(err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s.%s: %s", module, name, answer.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// call is try, where no failure is expected.
func (p *packages) call(result any, module, name string, arguments ...any) {
	p.t.Helper()
	if err := p.try(result, module, name, arguments...); err != nil {
		p.t.Fatal(err)
	}
}

// text is what a function gives that gives a text.
func (p *packages) text(module, name string, arguments ...any) (text string) {
	p.t.Helper()
	p.call(&text, module, name, arguments...)
	return text
}

func (p *packages) bytes(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(p.random.Uint32())
	}
	return data
}

func (p *packages) key() (key [32]byte) { return [32]byte(p.bytes(32)) }

// alphabet has what stringify, UTF-16 and padding treat in ways of their own.
var alphabet = []rune("abc xyz\"\\/<>&\n\t\u0000\u001f\u007f\u00e9\u2028\u2029\ufeff\uffff𝄞😀日本")

// words makes a text of about n characters.
func (p *packages) words(n int) string {
	var text strings.Builder
	for range n {
		text.WriteRune(alphabet[p.random.IntN(len(alphabet))])
	}
	return text.String()
}

// lengths are those of texts around the edges of the padding, and some others.
func (p *packages) lengths() []int {
	return []int{0, 1, 15, 2046, 2047, 2048, 4095, 4096, p.random.IntN(100), p.random.IntN(20_000)}
}

// document makes a JSON text of about so many levels.
func (p *packages) document(levels int) string {
	kind := p.random.IntN(8)
	if levels == 0 {
		kind = p.random.IntN(6)
	}
	switch kind {
	case 0:
		return []string{"true", "false", "null"}[p.random.IntN(3)]
	case 1:
		return fmt.Sprint(p.random.Int64N(1<<53) - 1<<52)
	case 2:
		return fmt.Sprintf("%ge%d", p.random.NormFloat64(), p.random.IntN(600)-300)
	case 3, 4, 5:
		return p.quoted(p.random.IntN(12))
	}
	var parts []string
	for range p.random.IntN(6) {
		part := p.document(levels - 1)
		if kind == 6 {
			part = p.quoted(p.random.IntN(4)) + " : " + part
		}
		parts = append(parts, part)
	}
	if kind == 6 {
		return "{" + strings.Join(parts, " ,") + "}"
	}
	return "[" + strings.Join(parts, ", ") + " ]"
}

func (p *packages) quoted(n int) string {
	text, err := json.Marshal(p.words(n))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}
