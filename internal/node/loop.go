package node

import (
	"sync"
	"time"

	"zooid/internal/clientport"
	"zooid/internal/quorumport"
	"zooid/internal/replica"
	"zooid/internal/zab"
)

// loop steps the core. Each turn takes everything that waits, steps once, and
// carries the effects out. Whoever brings events and finds nobody at it makes
// the turns himself (settle), so that a request needs no wake-up; for all others
// a goroutine waits (run).
type loop struct {
	n *Node

	mu       sync.Mutex // held for turns; guards what follows
	items    []item
	conns    []*clientport.Conn // by id
	throttle *throttler         // nil: off
	events   []replica.Event
	touch    []replica.ConnID
	fx       replica.Effects
	lastMs   int64 // clock of the last tick
	lastTick int64 // clock of the last tick, judged or not
	alarm    *time.Timer
	wake     int64 // when alarm rings; 0: never yet

	loginLines quorumport.Lines
}

func (l *loop) run() {
	defer close(l.n.loopDone)
	for l.n.inbox.wait() {
		l.mu.Lock()
		l.turns()
		l.mu.Unlock()
	}
}

// settle makes the turns for what waits, unless somebody is at it already: he
// finds what was left before he goes.
func (l *loop) settle() {
	for !l.n.inbox.empty() && l.mu.TryLock() {
		l.turns()
		l.mu.Unlock()
	}
}

// turns takes what waits and deals with it; l.mu is held.
func (l *loop) turns() {
	items := l.n.inbox.some(l.items)
	if len(items) > 0 {
		l.turn(items)
	}
	for l.throttle.waiting() {
		l.turn(nil)
	}
	clear(items)
	l.items = items
}

func (l *loop) turn(items []item) {
	n := l.n
	now := n.clock()
	if l.throttle != nil {
		items = l.throttle.pass(items, now.Mono)
	}
	l.gather(items, now)
	l.step(now)
	if len(l.fx.Append) > 0 {
		n.disk.put(l.fx.Append)
	}
	if n.member != nil {
		n.member.carry(&l.fx.Ensemble)
		l.rearm(now)
	}
	for _, id := range l.fx.Dirty {
		if c := l.conns[id]; c != nil {
			c.Flush()
		}
	}
	l.sayLogins()
	l.closeConns()
	n.observe(&l.fx, items, now)
	l.release(items)
	if n.port != nil {
		n.port.Relieve()
	}
	if l.fx.Again {
		n.inbox.put(item{event: replica.Event{Kind: replica.Tick}, tick: true})
	}
	if l.fx.Snapshot != nil {
		n.startSnapshot(l.fx.Snapshot)
	}
}

// gather makes the events of a turn.
func (l *loop) gather(items []item, now replica.Time) {
	l.events = l.events[:0]
	for i := range items {
		it := &items[i]
		if it.halt {
			l.n.member.halt()
		}
		if it.event.Kind == replica.ConnOpen {
			l.admit(it.conn)
		}
		if it.tick {
			if l.stalled(now.Mono) {
				continue
			}
			it.event.Touched = l.touched(now.Mono)
		}
		if it.event.Kind == replica.LinkUp {
			l.n.member.admit(it.link, it.event.Peer.Term)
		}
		if it.event.Kind == replica.ConnClosed && it.conn.LastActive.Load() >= l.lastMs {
			// No tick will find the connection any more.
			it.event.Touched = []replica.ConnID{it.event.Conn}
		}
		l.events = append(l.events, it.event)
	}
}

// stalled reports whether the process stood still (a paused machine, no
// processor) since the last tick. What clients sent meanwhile is still in their
// sockets, so no session may be judged by this tick: the next one comes once it
// has been read.
func (l *loop) stalled(now int64) bool {
	gap := now - l.lastTick
	stalled := l.lastTick != 0 && gap > int64(l.n.cfg.TickTimeMs)
	l.lastTick = now
	if stalled {
		l.n.log.Warn("the server stood still: sessions are given one more tick", "stood_still_ms", gap)
	}
	return stalled
}

// step steps the core and delivers to the connections what it says to them,
// both under the write lock (core).
func (l *loop) step(now replica.Time) {
	c := &l.n.core
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Step(now, l.events, &l.fx)
	for _, id := range l.fx.Dirty {
		if conn := l.conns[id]; conn != nil {
			l.throttle.answered(conn, conn.Deliver(c.r))
		}
	}
}

func (l *loop) admit(c *clientport.Conn) {
	for int(c.ID()) >= len(l.conns) {
		l.conns = append(l.conns, nil)
	}
	l.conns[c.ID()] = c
}

// touched lists the connections that read outside the loop since the last
// tick, so that their sessions live on.
func (l *loop) touched(now int64) []replica.ConnID {
	l.touch = l.touch[:0]
	for id, c := range l.conns {
		if c != nil && c.LastActive.Load() >= l.lastMs {
			l.touch = append(l.touch, replica.ConnID(id))
		}
	}
	l.lastMs = now
	return l.touch
}

func (l *loop) closeConns() {
	for _, x := range l.fx.Close {
		if c := l.conns[x.Conn]; c != nil {
			l.n.log.Debug("closing a client connection", "client", c.RemoteAddr(), "reason", x.Why)
			c.CloseAfterFlush()
		}
	}
	for _, id := range l.fx.Expired {
		l.n.log.Info("session expired", "session", sessionHex(id))
	}
}

// release gives the memory of batches and the ids of closed connections back.
func (l *loop) release(items []item) {
	for i := range items {
		it := &items[i]
		switch it.event.Kind {
		case replica.ClientBatch:
			clientport.Recycle(it.mem)
		case replica.ConnClosed:
			l.conns[it.conn.ID()] = nil
			l.n.port.Release(it.conn.ID())
		case replica.Packets:
			quorumport.Recycle(it.packets)
			<-it.room
		case replica.Vote:
			l.n.member.votes.Add(-1)
		case replica.LinkDown:
			if it.link != nil {
				delete(l.n.member.links, zab.LinkID(it.link.ID()))
			}
		}
	}
}

// rearm has a tick come at the deadline of the core, if that is before the
// ticker's next one.
func (l *loop) rearm(now replica.Time) {
	at := l.n.core.r.Deadline()
	if at == l.wake {
		return
	}
	if l.alarm != nil {
		l.alarm.Stop()
	}
	if l.wake = at; at == zab.NoDeadline {
		return
	}
	l.alarm = time.AfterFunc(time.Duration(max(at-now.Mono, 0))*time.Millisecond, func() {
		l.n.inbox.put(item{event: replica.Event{Kind: replica.Tick}, tick: true})
	})
}

// ticker brings time into the loop. A member that stops needs it until the end:
// by it a leader without followers notices that what is in flight can be
// answered no more. A server alone must not have sessions expire while it hears
// nobody.
func (n *Node) ticker(every time.Duration) {
	end := n.stopping
	if n.member != nil {
		end = n.halted
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			n.inbox.put(item{event: replica.Event{Kind: replica.Tick}, tick: true})
		case <-end:
			return
		}
	}
}

// clock reads both clocks.
func (n *Node) clock() replica.Time {
	now := time.Now()
	return replica.Time{Wall: now.UnixMilli(), Mono: now.Sub(n.started).Milliseconds() + monoBase}
}

// monoBase keeps the monotonic clock away from zero, which means never.
const monoBase = 1000
