package ensemble

import (
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// pipe is one direction of a stream: what is sent arrives in order, or not at
// all. While the network is cut it waits.
type pipe struct {
	w        *world
	from, to int64 // servers; 0 is a client
	queue    []message
	moving   bool
	dead     bool
}

// message is what a pipe carries; a packet between servers says which it is.
type message struct {
	label   string
	deliver func()
}

func (w *world) newPipe(from, to int64) *pipe {
	p := &pipe{w: w, from: from, to: to}
	if len(w.pipes) > 64 { // forget the dead ones now and then
		live := w.pipes[:0]
		for _, q := range w.pipes {
			if !q.dead {
				live = append(live, q)
			}
		}
		w.pipes = live
	}
	w.pipes = append(w.pipes, p)
	return p
}

// latency is how long something takes on the network.
func (w *world) latency() int64 {
	if !w.calm && w.chance(200) {
		return w.upTo(w.prof.tick)
	}
	return w.upTo(w.prof.latency)
}

func (p *pipe) cut() bool { return p.w.cuts[[2]int64{p.from, p.to}] }

func (p *pipe) send(deliver func()) { p.sendAs("", deliver) }

func (p *pipe) sendAs(label string, deliver func()) {
	if !p.dead {
		p.queue = append(p.queue, message{label, deliver})
		p.pump()
	}
}

// pump lets what waits arrive after a while.
func (p *pipe) pump() {
	if p.moving || p.dead || len(p.queue) == 0 || p.cut() {
		return
	}
	p.moving = true
	p.w.after(p.w.latency(), func() {
		p.moving = false
		if p.dead || len(p.queue) == 0 || p.cut() {
			return
		}
		n := 1 + p.w.rng.IntN(len(p.queue))
		arrived := p.queue[:n:n]
		p.queue = p.queue[n:]
		for i, m := range arrived {
			if p.dead {
				return
			}
			if p.w.script.holdsBack(p, m.label) {
				p.queue = append(arrived[i:], p.queue...)
				return
			}
			if p.w.script.lost(p, m.label) {
				continue
			}
			p.w.script.arrived(p, m.label)
			m.deliver()
		}
		p.pump()
	})
}

// reachable says whether a connection between two servers can be made.
func (w *world) reachable(a, b int64) bool {
	return !w.cuts[[2]int64{a, b}] && !w.cuts[[2]int64{b, a}]
}

// mend ends all cuts.
func (w *world) mend() {
	clear(w.cuts)
	for _, p := range w.pipes {
		p.pump()
	}
}

// channel is the connection of the election between two servers
// (QuorumCnxManager).
type channel struct {
	ids     [2]int64
	lives   [2]*life
	pipes   [2]*pipe // by sender
	up      bool
	dialing bool
}

func (w *world) channel(a, b int64) *channel {
	key := [2]int64{min(a, b), max(a, b)}
	if w.channels[key] == nil {
		w.channels[key] = &channel{ids: key}
	}
	return w.channels[key]
}

// vote sends a message of the election: what was sent last is sent again on
// the next connection.
func (l *life) vote(to int64, n wire.Notification) {
	l.lastVote[to] = n
	ch := l.w.channel(l.s.id, to)
	if ch.up {
		l.w.transmit(ch, l.s.id, n)
	} else {
		l.w.dial(ch)
	}
}

func (w *world) transmit(ch *channel, from int64, n wire.Notification) {
	i := 0
	if ch.ids[1] == from {
		i = 1
	}
	to := ch.lives[1-i]
	ch.pipes[i].send(func() { to.heard(from, n) })
}

// dial makes a connection of the election, if that is possible by then.
func (w *world) dial(ch *channel) {
	if ch.dialing || ch.up {
		return
	}
	ch.dialing = true
	w.after(w.latency()+1, func() {
		ch.dialing = false
		a, b := w.server(ch.ids[0]).life, w.server(ch.ids[1]).life
		if ch.up || a == nil || b == nil || !w.reachable(ch.ids[0], ch.ids[1]) {
			return
		}
		ch.up, ch.lives = true, [2]*life{a, b}
		ch.pipes = [2]*pipe{w.newPipe(ch.ids[0], ch.ids[1]), w.newPipe(ch.ids[1], ch.ids[0])}
		ch.reach(true)
		for i, l := range ch.lives {
			if n, ok := l.lastVote[ch.ids[1-i]]; ok {
				w.transmit(ch, ch.ids[i], n)
			}
		}
	})
}

// sever breaks a connection of the election; what is on the way is lost.
func (ch *channel) sever() {
	if ch.up {
		ch.up = false
		ch.pipes[0].dead, ch.pipes[1].dead = true, true
		ch.reach(false)
	}
}

// reach tells both sides that the connection stands, or is gone.
func (ch *channel) reach(up bool) {
	for i, l := range ch.lives {
		l.put(replica.Event{Kind: replica.Reach, Peer: &replica.PeerEvent{From: ch.ids[1-i], Lost: !up}})
	}
}

// channelsOf are the connections of a server, in the order of the others.
func (w *world) channelsOf(id int64) []*channel {
	var all []*channel
	for _, s := range w.servers {
		if s.id != id {
			all = append(all, w.channel(id, s.id))
		}
	}
	return all
}
