package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/providers"
)

// TestFlagsNameTheirValues: what stands between the first backticks of a flag's text is the word for its value, in capitals as
// the verbs' own arguments have it; the library's words name Go's types.
func TestFlagsNameTheirValues(t *testing.T) {
	var look func(verb *cobra.Command)
	look = func(verb *cobra.Command) {
		verb.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			word, _ := pflag.UnquoteUsage(flag)
			if strings.Contains(word, " ") || word != strings.ToUpper(word) || (word == "") != (flag.Value.Type() == "bool") {
				t.Errorf("%s: --%s %s", verb.CommandPath(), flag.Name, word)
			}
		})
		for _, below := range verb.Commands() {
			look(below)
		}
	}
	look((&program{now: time.Now}).command())
}

// TestNoWayBackIntoTheSameVerb: a way out is none that was just gone.
func TestNoWayBackIntoTheSameVerb(t *testing.T) {
	const doctor = "`dm3sync doctor` looks for the cause"
	if hint := wayOut(providers.ErrTransient, "dm3sync sync"); !strings.Contains(hint, doctor) {
		t.Errorf("after sync: %q", hint)
	}
	hint := wayOut(providers.ErrTransient, "dm3sync doctor")
	if strings.Contains(hint, "doctor") || !strings.Contains(hint, "try again later; nothing is lost") {
		t.Errorf("after doctor: %q", hint)
	}
}

// TestReadOnlyDiskIsNoLogin: a folder's place that refuses because its disk takes no writes has no credentials to check.
func TestReadOnlyDiskIsNoLogin(t *testing.T) {
	err := fmt.Errorf("local: put: %w: %w", providers.ErrUnauthorised, syscall.EROFS)
	if hint := wayOut(err, "dm3sync sync"); !strings.Contains(hint, "mount it anew") || exitCode(err) != exitProvider {
		t.Errorf("code %d, hint %q", exitCode(err), hint)
	}
}
