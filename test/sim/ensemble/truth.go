package ensemble

import (
	"hash/fnv"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// truth is what all servers together have shown: every transaction that one of
// them put into its log, which of them are committed, and what the tree is at
// each.
type truth struct {
	w    *world
	txns map[int64]*txn
	// Of each established epoch: its leader, and the last transaction of the
	// history that it began with.
	leaders, base map[int64]int64
	newest        int64 // established epoch
	// The committed transactions in order, and where each stands.
	committed []int64
	at        map[int64]int
	digests   map[int64]uint64 // of the tree, by zxid
	sessions  map[int64]uint64 // sum over the session table, by zxid
	paths     map[string][]change
	asked     map[[2]int64]int64 // session and xid -> zxid
	// ephemerals are paths that a session has made, if they are still its own.
	ephemerals map[int64][]string
	begun      map[int64]bool  // sessions that a transaction began
	configs    []config        // committed ones, oldest first
	told       map[int64]int64 // epoch -> newest transaction that a client knows of
	given      map[string]bool // sequential paths
}

// txn is one transaction and the one before it in every log that has it.
type txn struct {
	zxid, prev int64
	sum        uint64
	head       wire.TxnHeader
	body       []byte
	by         int64 // the server that was first seen with it
}

func newTruth(w *world) *truth {
	return &truth{
		w: w, txns: map[int64]*txn{}, leaders: map[int64]int64{}, base: map[int64]int64{}, at: map[int64]int{0: -1},
		digests: map[int64]uint64{}, sessions: map[int64]uint64{}, paths: map[string][]change{}, asked: map[[2]int64]int64{}, ephemerals: map[int64][]string{},
		begun: map[int64]bool{}, told: map[int64]int64{}, given: map[string]bool{},
	}
}

// norm names a history by its last transaction: that of an epoch that has just
// begun ends with the epoch before.
func (t *truth) norm(zxid int64) int64 {
	if zab.CounterOf(zxid) != 0 || zxid == 0 {
		return zxid
	}
	base, ok := t.base[zab.EpochOf(zxid)]
	if !ok {
		t.w.fail("truth", "0x%x begins an epoch that no leader has established", zxid)
	}
	return base
}

// last is the newest transaction that is known to be committed.
func (t *truth) last() int64 {
	if n := len(t.committed); n > 0 {
		return t.committed[n-1]
	}
	return 0
}

// before is the newest transaction of the history that ends with from that is
// not behind zxid.
func (t *truth) before(from, zxid int64) int64 {
	from = t.norm(from)
	for from > zxid {
		from = t.txns[from].prev
	}
	return from
}

// common is where two histories part.
func (t *truth) common(a, b int64) int64 {
	a, b = t.norm(a), t.norm(b)
	for a != b {
		if a > b {
			a = t.txns[a].prev
		} else {
			b = t.txns[b].prev
		}
	}
	return a
}

// contains says whether the history that ends with from has a transaction.
func (t *truth) contains(from, zxid int64) bool {
	zxid = t.norm(zxid)
	return t.before(from, zxid) == zxid
}

// logged takes what a server puts into its log.
func (t *truth) logged(l *life, rec *replica.Record) {
	d := jute.NewDecoder(rec.Entry)
	x := &txn{zxid: rec.Zxid, prev: t.norm(l.tail), sum: sumOf(rec.Entry), by: l.s.id}
	x.head.Decode(&d)
	n, ok := wire.TxnBodySize(x.head.Type, d.Rest())
	if !ok || x.head.Zxid != rec.Zxid {
		t.w.fail("truth", "server %d logs 0x%x with an entry that cannot be read", l.s.id, rec.Zxid)
	}
	x.body = append([]byte(nil), d.Rest()[:n]...)
	l.tail = rec.Zxid
	if last := t.w.prof.limits.Epoch; last != 0 && zab.CounterOf(rec.Zxid) > last {
		t.w.fail("I15", "server %d logs 0x%x behind the end of its epoch, %d", l.s.id, rec.Zxid, last)
	}
	known := t.txns[rec.Zxid]
	switch {
	case known == nil:
		t.txns[rec.Zxid] = x
	case known.sum != x.sum:
		t.w.fail("one history", "0x%x is %+v at server %d and %+v at server %d", rec.Zxid, x.head, l.s.id, known.head, known.by)
	case known.prev != x.prev:
		t.w.fail("one history", "0x%x follows 0x%x at server %d and 0x%x at server %d", rec.Zxid, x.prev, l.s.id, known.prev, known.by)
	}
}

// stepped looks at a server after a step.
func (t *truth) stepped(l *life) {
	before := l.tail
	for _, role := range l.fx.Ensemble.Roles {
		if role.Serving && role.State == wire.Leading {
			t.established(l, role.Epoch, before)
			l.led = role.Epoch
		}
	}
	// One that is to hand over at once serves nobody, but brings others up to date.
	if z := l.r.Tree().LastZxid(); z != l.shows {
		l.shows = z
		if epoch := zab.EpochOf(z); l.r.State() == wire.Leading && zab.CounterOf(z) == 0 && epoch != l.led {
			t.established(l, epoch, before)
		}
	}
	for i := range l.fx.Append {
		switch rec := &l.fx.Append[i]; rec.Op {
		case replica.Append:
			t.logged(l, rec)
		case replica.Truncate, replica.TruncateAndLoad, replica.DropBehind:
			l.tail = rec.Zxid
		}
	}
	if n := l.r.Stats().DigestMismatches; n > 0 {
		t.w.fail("I5", "server %d: the tree has another digest than a transaction says, at 0x%x", l.s.id, l.r.Tree().LastZxid())
	}
	t.compare(l)
	if l.r.Serving() {
		t.commit(l, l.r.Tree().LastZxid())
	}
}

// established takes a leader whose epoch begins: nobody else may ever lead it,
// and its history has everything that was committed before.
func (t *truth) established(l *life, epoch, tail int64) {
	if other, taken := t.leaders[epoch]; taken {
		t.w.fail("one leader", "servers %d and %d lead epoch %d", other, l.s.id, epoch)
	}
	t.w.met("leader established")
	if last := t.newest; epoch < last {
		t.w.fail("one leader", "server %d establishes epoch %d after epoch %d", l.s.id, epoch, last)
	} else if begin := t.before(tail, zab.EpochStart(last)); last > 0 && begin != t.base[last] {
		// What an established epoch left out never comes back.
		t.w.fail("committed", "server %d leads epoch %d with a history that goes to 0x%x before epoch %d, which began at 0x%x", l.s.id, epoch, begin, last, t.base[last])
	}
	t.newest = epoch
	t.leaders[epoch], t.base[epoch] = l.s.id, t.norm(tail)
	t.w.trace("%d: leads epoch %d from 0x%x on; 0x%x was committed", l.s.id, epoch, tail, t.last())
	if !t.contains(tail, t.last()) {
		t.w.fail("committed", "server %d leads epoch %d with a history that ends with 0x%x, but 0x%x was committed", l.s.id, epoch, tail, t.last())
	}
	t.commit(l, tail)
	t.inherited(l.r.Membership())
}

// commit takes what a server shows to clients.
func (t *truth) commit(l *life, zxid int64) {
	zxid = t.norm(zxid)
	if _, known := t.at[zxid]; known {
		return
	}
	var list []*txn
	for z := zxid; z != t.last(); {
		if _, known := t.at[z]; known {
			t.w.fail("committed", "server %d shows 0x%x, whose history leaves the committed one at 0x%x; that goes on to 0x%x", l.s.id, zxid, z, t.last())
		}
		list = append(list, t.txns[z])
		z = t.txns[z].prev
	}
	for i := len(list) - 1; i >= 0; i-- {
		t.at[list[i].zxid] = len(t.committed)
		t.committed = append(t.committed, list[i].zxid)
		t.changes(list[i])
	}
	if !t.configAt(zxid).Contains(func(id int64) bool { return t.contains(t.w.server(id).atLeast(), zxid) }) {
		t.w.fail("durable", "server %d shows 0x%x, which no quorum has on its disks: %v", l.s.id, zxid, t.onDisk())
	}
}

// atLeast is what the disk of a server holds, whatever happens to it now.
func (s *server) atLeast() int64 {
	if s.cutTo >= 0 {
		return s.cutTo
	}
	return s.held
}

func (t *truth) onDisk() []string {
	var all []string
	for _, s := range t.w.servers {
		all = append(all, hex(s.atLeast()))
	}
	return all
}

// compare holds the state of a server against that of all others at the same
// place in history.
func (t *truth) compare(l *life) {
	zxid := l.r.Tree().LastZxid()
	if zab.CounterOf(zxid) == 0 && zxid != 0 {
		if _, ok := t.base[zab.EpochOf(zxid)]; !ok {
			return
		}
	}
	zxid = t.norm(zxid)
	digest := l.r.Tree().Digest()
	if other, known := t.digests[zxid]; known && other != digest {
		t.w.fail("equal trees", "server %d has another tree at 0x%x than was seen before", l.s.id, zxid)
	}
	t.digests[zxid] = digest
	sum := uint64(0)
	l.r.Sessions(func(v replica.SessionView) {
		if v.Local {
			return
		}
		h := fnv.New64a()
		h.Write(jute.AppendInt(jute.AppendLong(nil, v.ID), v.Timeout))
		sum += h.Sum64()
	})
	if other, known := t.sessions[zxid]; known && other != sum {
		t.w.fail("equal sessions", "server %d has other sessions at 0x%x than were seen before", l.s.id, zxid)
	}
	t.sessions[zxid] = sum
}

// recovered takes what a process has found on its disk.
func (t *truth) recovered(l *life, report *storage.Report) {
	s := l.s
	l.tail = l.r.Tree().LastZxid()
	l.shows = l.tail
	if z := l.tail; z != 0 && zab.CounterOf(z) != 0 && t.txns[z] == nil {
		t.w.fail("disk", "server %d has found 0x%x, which nobody ever logged", s.id, z)
	}
	if !t.contains(l.tail, s.atLeast()) {
		t.w.fail("disk", "server %d had 0x%x on its disk and has found 0x%x", s.id, s.atLeast(), l.tail)
	}
	if len(report.Skipped) > 0 || len(report.Notes) > 0 {
		t.w.fail("disk", "server %d: skipped %v, notes %v", s.id, report.Skipped, report.Notes)
	}
	if len(report.Torn) > 0 {
		t.w.met("torn log cut")
	}
	s.held, s.cutTo = t.norm(l.tail), -1
	t.compare(l)
}
