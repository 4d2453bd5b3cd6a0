package api

import (
	"regexp"
	"testing"
)

func TestPipeName(t *testing.T) {
	name := PipeName(`C:\Users\Alice\dm3sync\agent.sock`)
	if !regexp.MustCompile(`^\\\\\.\\pipe\\dm3sync-[0-9a-f]{24}$`).MatchString(name) {
		t.Errorf("name %s", name)
	}
	if PipeName(`c:\users\alice\DM3SYNC\agent.sock`) != name || PipeName(`C:\Users\Bob\dm3sync\agent.sock`) == name {
		t.Error("the name does not follow the path")
	}
}
