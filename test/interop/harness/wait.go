package harness

import (
	"testing"
	"time"
)

// Patience is how long the ring waits for something that must come. It is
// generous, since the machine is shared and a wait ends with the event.
const Patience = 60 * time.Second

// poll is the pause between two questions to a process that cannot tell us by
// itself when it is done (another program's port, another program's file).
const poll = 10 * time.Millisecond

// Until asks cond again and again until it holds, and fails the test when
// Patience runs out or when stop closes first.
func Until(t testing.TB, what string, stop <-chan struct{}, cond func() bool) {
	t.Helper()
	if !Eventually(stop, cond) {
		t.Fatalf("waited in vain: %s", what)
	}
}

// Eventually reports whether cond came to hold before Patience ran out and
// before stop closed (a nil stop never does).
func Eventually(stop <-chan struct{}, cond func() bool) bool {
	return Within(Patience, stop, cond)
}

// Within is Eventually with a patience of its own.
func Within(patience time.Duration, stop <-chan struct{}, cond func() bool) bool {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		if cond() {
			return true
		}
		select {
		case <-ticker.C:
		case <-stop:
			return cond()
		case <-deadline.C:
			return false
		}
	}
}
