package zk

import (
	"zooid/internal/wire"
)

// maxReplayFrame bounds one setWatches request, far below what servers take,
// as Apache's client does.
const maxReplayFrame = 128 << 10

// appendSetWatches appends the requests that set the client's watches again on
// a new connection. The servers fire at once those of one-shot watches whose
// znode has changed since the last transaction that the client saw.
func (c *Client) appendSetWatches(out []byte, l *link) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := replay{out: out}
	r.batch.RelativeZxid = c.lastZxid
	for path := range c.watch.oneShot[watchData] {
		r.add(&r.batch.Data, path)
	}
	for path := range c.watch.oneShot[watchExist] {
		r.add(&r.batch.Exist, path)
	}
	for path := range c.watch.oneShot[watchChild] {
		r.add(&r.batch.Child, path)
	}
	for path, list := range c.watch.staying[WatchPersistent] {
		if l.gap(list) {
			r.add(&r.batch.Persistent, path)
		}
	}
	for path, list := range c.watch.staying[WatchRecursive] {
		if l.gap(list) {
			r.add(&r.batch.PersistentRecursive, path)
		}
	}
	r.flush()
	l.replays.Store(int32(r.frames))
	return r.out
}

// gap notes the watches of a list that have been set once and are to learn of
// the gap; those whose addWatch is still to be sent have missed nothing.
func (l *link) gap(list []*Watch) bool {
	found := false
	for _, w := range list {
		if w.set {
			l.gapped, found = append(l.gapped, w), true
		}
	}
	return found
}

// replay collects watches into requests.
type replay struct {
	out    []byte
	batch  wire.SetWatches
	size   int
	frames int
}

func (r *replay) add(list *[][]byte, path string) {
	if r.size > 0 && r.size+len(path)+4 > maxReplayFrame {
		r.flush()
	}
	*list = append(*list, []byte(path))
	r.size += len(path) + 4
}

// flush appends the request: setWatches, which all servers know, unless there
// are staying watches, which need setWatches2.
func (r *replay) flush() {
	if r.size == 0 {
		return
	}
	b := &r.batch
	op, two := wire.OpSetWatches, len(b.Persistent)+len(b.PersistentRecursive) > 0
	if two {
		op = wire.OpSetWatches2
	}
	r.out = appendFrame(r.out, wire.XidSetWatches, op, func(out []byte) []byte { return b.Append(out, two) })
	*b = wire.SetWatches{RelativeZxid: b.RelativeZxid}
	r.size = 0
	r.frames++
}

// watchesReplayed deals with the answer to one of those requests. Behind the
// last one the staying watches are told that they may have missed something:
// whatever they miss happened before, and what happens later reaches them.
func (c *Client) watchesReplayed(l *link, h wire.ReplyHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastZxid = max(c.lastZxid, h.Zxid)
	if l.replays.Add(-1) != 0 {
		return
	}
	for _, w := range l.gapped {
		w.queue.put(Event{Type: EventResync, State: c.state, Path: w.path, Zxid: h.Zxid}, w.path)
	}
	l.gapped = nil
}
