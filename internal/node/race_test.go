//go:build race

package node

// The race detector's own allocations would be counted as the server's.
var _ = func() bool { raceEnabled = true; return true }()
