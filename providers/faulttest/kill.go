package faulttest

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
)

// KillWriter runs a test of this test program in a process of its own, with some more
// variables, and kills it as kill -9 does when it has printed enough lines. It returns all
// lines, the last of which may be cut. meanwhile is called after each line up to then.
func KillWriter(t *testing.T, test string, enough int, meanwhile func(), variables ...string) (lines []string) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	command.Env = append(os.Environ(), variables...)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(output)
	for len(lines) < enough && scanner.Scan() {
		lines = append(lines, scanner.Text())
		meanwhile()
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for scanner.Scan() { // printed before the kill, read after
		lines = append(lines, scanner.Text())
	}
	_ = command.Wait() // it was killed
	if len(lines) < enough {
		t.Fatalf("the process ended by itself after %d lines", len(lines))
	}
	return lines
}
