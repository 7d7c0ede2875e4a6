package node

import (
	"errors"
	"time"

	"zooid/internal/replica"
	"zooid/internal/wire"
)

// handOverWithin bounds how long a server that stops waits until another one
// leads: with others in sync it takes an election, some ms.
const handOverWithin = time.Second

// ErrStays is the answer to HandOver of a server that does not lead, or leads
// on since nobody else can. Its log says why.
var ErrStays = errors.New("the leadership is not handed over")

// HandOver has another voter lead, if this server leads: one that holds every
// write. Clients are not disconnected by it. It returns once this server follows
// the other one, or ErrStays.
func (n *Node) HandOver() error {
	if n.member == nil || !n.member.handOver(false) {
		return ErrStays
	}
	return nil
}

// handOver is HandOver, and says whether another server leads; leaving says that
// this one stops then, and what it asks of the others.
func (m *member) handOver(leaving bool) bool {
	if wire.PeerState(m.state.Load()) != wire.Leading {
		return false
	}
	m.heirLock.Lock()
	if m.heir == nil {
		m.heir = make(chan struct{})
	}
	done := m.heir
	m.heirLock.Unlock()
	m.n.inbox.put(item{event: replica.Event{Kind: replica.HandOver, Peer: &replica.PeerEvent{Leaving: leaving}}})
	timer := time.NewTimer(handOverWithin)
	defer timer.Stop()
	select {
	case <-done:
	case <-m.n.failed:
	case <-timer.C:
	}
	return wire.PeerState(m.state.Load()) != wire.Leading
}

// handedOver ends the wait for another leader.
func (m *member) handedOver() {
	m.heirLock.Lock()
	defer m.heirLock.Unlock()
	if m.heir != nil {
		close(m.heir)
		m.heir = nil
	}
}
