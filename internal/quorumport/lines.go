package quorumport

import (
	"sync"
	"time"
)

// Lines keeps one cause from filling the log: so many lines in so long a time.
// The zero value is ready; all methods may be called from any goroutine.
type Lines struct {
	mu     sync.Mutex
	since  time.Time
	said   int
	silent int
}

// Pass reports whether a line may be written, and how many were not before it.
func (l *Lines) Pass(burst int, every time.Duration) (kept int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.since) >= every {
		l.since, l.said = now, 0
	}
	if l.said >= burst {
		l.silent++
		return 0, false
	}
	l.said++
	kept, l.silent = l.silent, 0
	return kept, true
}

// forget lets the next line pass.
func (l *Lines) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.silent = time.Time{}, 0
}
