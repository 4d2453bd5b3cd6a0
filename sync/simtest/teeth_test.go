package simtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var teeth = flag.Bool("simtest.teeth", false, "build the program with each mutation in turn, and see that worlds catch it")

// mutation is one rule of the design, broken in the source. Nothing of it is in
// the program: the changed file takes the place of the real one only while a
// test binary is built (go build -overlay).
type mutation struct {
	name      string
	invariant int    // of internal/docs/design.md, part 4
	file      string // from the module's root
	old, new  string // old must stand in the file exactly once
	more      []edit // further changes, of the same or of other files
	seeds     int    // worlds within which it must be caught; 0 is teethSeeds
	lies      bool   // caught in worlds whose place lies
	in        string // only worlds with these words in their setting are tried
}

type edit struct{ file, old, new string }

const (
	teethSeeds = 3000
	teethTime  = 2 * time.Minute // for one mutation, far above what it takes
)

// TestTeeth shows that the simulation catches every broken rule.
func TestTeeth(t *testing.T) {
	if !*teeth {
		t.Skip("asked for by -simtest.teeth: each mutation is a build of its own")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			binary := m.build(t, root)
			seeds := m.seeds
			if seeds == 0 {
				seeds = teethSeeds
			}
			m.bite(t, binary, seeds)
		})
	}
}

// TestMutationsFit: every mutation still finds what it changes, so that who changes
// the code hears of it at once.
func TestMutationsFit(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) { m.edited(t, root, t.TempDir()) })
	}
}

// edited writes the changed files into a folder, and returns which file each takes
// the place of.
func (m *mutation) edited(t *testing.T, root, folder string) map[string]string {
	replace := make(map[string]string)
	for i, e := range append([]edit{{m.file, m.old, m.new}}, m.more...) {
		path := filepath.Join(root, filepath.FromSlash(e.file))
		from := path
		if changed, again := replace[path]; again {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			t.Fatalf("%s holds what is to be changed %d times; the mutation must follow the code:\n%s", e.file, n, e.old)
		}
		replace[path] = filepath.Join(folder, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[path], bytes.Replace(text, []byte(e.old), []byte(e.new), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return replace
}

// build makes a test binary of this package with the mutation in it.
func (m *mutation) build(t *testing.T, root string) string {
	folder := t.TempDir()
	replace := m.edited(t, root, folder)
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list, binary := filepath.Join(folder, "overlay.json"), filepath.Join(folder, "simtest.test")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, "./sync/simtest")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building with the mutation: %v\n%s", err, out)
	}
	return binary
}

// bite runs worlds until one fails.
func (m *mutation) bite(t *testing.T, binary string, seeds int) {
	ctx, cancel := context.WithTimeout(t.Context(), teethTime)
	defer cancel()
	began := time.Now()
	in := m.in
	if m.lies {
		in = "place that lies," + m.in
	}
	run := exec.CommandContext(ctx, binary, "-test.run", "^TestRandomWorlds$", "-simtest.seeds", fmt.Sprint(seeds), "-simtest.shrink", "0s",
		"-simtest.in", in, fmt.Sprintf("-simtest.honest=%v", !m.lies), fmt.Sprintf("-simtest.alarms=%v", *alarms))
	out, err := run.CombinedOutput()
	switch failure := (*exec.ExitError)(nil); {
	case err == nil:
		t.Errorf("%d worlds did not notice", seeds)
	case ctx.Err() != nil:
		t.Errorf("nothing noticed within %v", teethTime)
	case !errors.As(err, &failure):
		t.Fatal(err)
	default:
		t.Logf("invariant %d: caught after %v: %s", m.invariant, time.Since(began).Round(10*time.Millisecond), summary(string(out)))
	}
}

// summary finds the seed and the first complaint in what a run printed.
func summary(out string) string {
	seed := regexp.MustCompile(`seed (\d+)`).FindString(out)
	first, step := "", regexp.MustCompile(`^ *\d+ [a-z ]+ device \d+$`)
	_, complaints, _ := strings.Cut(out, "\n")
	for line := range strings.Lines(complaints) {
		if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, "          ") && !step.MatchString(line) {
			first = line
			break
		}
	}
	if at := strings.Index(out, "panic: "); first == "" && at >= 0 {
		first, _, _ = strings.Cut(out[at:], "\n")
	}
	return strings.TrimSpace(seed + ": " + strings.TrimSpace(first))
}
