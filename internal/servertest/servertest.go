// Package servertest finds the real servers and programs that .ci/run starts for tests.
package servertest

import (
	"os"
	"testing"
)

// Required says that tests of real servers must not be left out, as in the gate.
func Required() bool { return os.Getenv("DM3SYNC_REQUIRE_SERVERS") != "" }

// Named returns what a variable of .ci/run says: an address, or a program's path. Without
// it the test is skipped, or fails where servers are required.
func Named(t testing.TB, variable string) string {
	t.Helper()
	value := Optional(t, variable)
	if value == "" {
		t.Skipf("%s is not set; `bash .ci/run servers go test ...` sets it", variable)
	}
	return value
}

// Optional is as Named, for a test that can do without: nothing, then, where servers are
// not required.
func Optional(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" && Required() {
		t.Fatalf("%s is not set, but DM3SYNC_REQUIRE_SERVERS is", variable)
	}
	return value
}
