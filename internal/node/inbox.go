package node

import (
	"sync"

	"zooid/internal/clientport"
	"zooid/internal/quorumport"
	"zooid/internal/replica"
)

// item is an event on its way to the loop, with what the shell needs once the
// core has seen it.
type item struct {
	event replica.Event
	conn  *clientport.Conn
	mem   *clientport.Buffer // of a batch
	count int                // requests in a batch
	tick  bool               // the loop fills in who was touched
	halt  bool               // a member stops: it has no role any more

	link    *quorumport.Link   // of LinkUp and LinkDown
	packets *quorumport.Buffer // of Packets
	room    chan struct{}      // what it took of, to be given back
}

// inbox is where goroutines leave events for the loop. It is bounded by what
// feeds it: each connection has at most one batch more than its share of the
// global limit in it.
type inbox struct {
	mu     sync.Mutex
	items  []item
	wake   chan struct{}
	closed bool
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(it item) {
	b.mu.Lock()
	first := len(b.items) == 0
	b.items = append(b.items, it)
	b.mu.Unlock()
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// leave is put without waking the loop: settle follows.
func (b *inbox) leave(it item) {
	b.mu.Lock()
	b.items = append(b.items, it)
	b.mu.Unlock()
}

// some returns all events, if there are any; spare is memory to use next.
func (b *inbox) some(spare []item) []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = spare[:0]
	return items
}

// empty reports whether nothing waits.
func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) == 0
}

// close makes take return false once the inbox is empty.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// wait waits for events; false when there will be none any more.
func (b *inbox) wait() bool {
	for {
		b.mu.Lock()
		some, closed := len(b.items) > 0, b.closed
		b.mu.Unlock()
		if some || closed {
			return some
		}
		<-b.wake
	}
}
