// Package enginetest runs the engine on a store in tests of providers: devices that write at once, whatever stands between
// them and their place, and what must be there when all is quiet again.
//
// Only tests import it. Import order: above sync/engine and internal/history.
package enginetest
