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

// take waits for events and returns all of them; spare is memory to use next.
func (b *inbox) take(spare []item) ([]item, bool) {
	for {
		b.mu.Lock()
		if len(b.items) > 0 {
			items := b.items
			b.items = spare[:0]
			b.mu.Unlock()
			return items, true
		}
		closed := b.closed
		b.mu.Unlock()
		if closed {
			return spare[:0], false
		}
		<-b.wake
	}
}
