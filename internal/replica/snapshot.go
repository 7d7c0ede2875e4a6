package replica

import (
	"zooid/internal/jute"
	"zooid/internal/zab"
)

// snapshotTrigger decides when the log is long enough for a snapshot: after
// half the configured count or size plus a random part up to the whole, so that
// the members of an ensemble do not all write at once (SyncRequestProcessor).
type snapshotTrigger struct {
	count, size     int64 // configured; size 0 = off
	seed            uint64
	countAt, sizeAt int64 // due at
	logged_, bytes  int64 // since the last one
	running, wanted bool
	roll            bool // the next record begins a new log file
}

func newSnapshotTrigger(cfg *Config) snapshotTrigger {
	t := snapshotTrigger{count: max(cfg.SnapCount, 2), size: cfg.SnapSize, seed: cfg.Seed}
	t.draw()
	return t
}

// draw renews the random parts, with a xorshift generator so that a seed gives
// one run.
func (t *snapshotTrigger) draw() {
	next := func(n int64) int64 {
		t.seed ^= t.seed << 13
		t.seed ^= t.seed >> 7
		t.seed ^= t.seed << 17
		if n <= 0 {
			return 0
		}
		return int64(t.seed>>1) % n
	}
	if t.seed == 0 {
		t.seed = 1
	}
	t.countAt = t.count/2 + next(t.count/2)
	t.sizeAt = t.size/2 + next(t.size/2)
}

// logged counts a record of n bytes.
func (t *snapshotTrigger) logged(n int) {
	t.logged_++
	t.bytes += int64(n)
}

func (t *snapshotTrigger) due() bool {
	return t.wanted || t.logged_ > t.countAt || t.size > 0 && t.bytes > t.sizeAt
}

// takeRoll tells, once after each snapshot began, that the log is to roll.
func (t *snapshotTrigger) takeRoll() bool {
	roll := t.roll
	t.roll = false
	return roll
}

// maybeSnapshot begins a snapshot when one is due and none is running. The cut
// is the tree as it is now: what is in flight belongs to the log behind it.
func (r *Replica) maybeSnapshot() {
	t := &r.snap
	if r.peer != nil && zab.CounterOf(r.tree.LastZxid()) == 0 {
		// A snapshot of the beginning of an epoch would hide from the logs
		// whether they are one piece.
		return
	}
	if !t.due() || t.running || r.peer != nil && !r.leads() && !r.follows() {
		return
	}
	t.running, t.wanted, t.roll = true, false, true
	t.logged_, t.bytes = 0, 0
	t.draw()
	r.fx.Snapshot = r.Cut()
}

// Cut begins an exact snapshot of the replica as it is. The walk costs a
// little at every change until it is done or aborted.
func (r *Replica) Cut() *Snapshot {
	w := r.tree.BeginWalk()
	return &Snapshot{
		Zxid:     r.tree.LastZxid(),
		Digest:   r.tree.Digest(),
		Sessions: r.appendSessions(nil),
		ACLs:     w.AppendACLs(nil),
		Walk:     w,
	}
}

// appendSessions encodes the sessions whose creation is applied and whose end
// is not; local ones have none.
func (r *Replica) appendSessions(b []byte) []byte {
	b = jute.AppendInt(b, 0)
	n := int32(0)
	for id, s := range r.sessions.byID {
		if s.committed {
			b = jute.AppendInt(jute.AppendLong(b, id), s.timeout)
			n++
		}
	}
	jute.PutInt(b, n)
	return b
}
