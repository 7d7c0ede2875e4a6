package node

import (
	"fmt"
	"io"
	"time"

	"zooid/internal/quorumport"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// linkHandler takes what the connections of one role bring
// (quorumport.Handler), each on its reader's goroutine.
type linkHandler struct {
	m    *member
	snap int64 // zxid of the newest SNAP; a learner has one connection
	// room bounds the batches of all connections of the role that wait for the
	// loop: a reader that finds none reads no further.
	room chan struct{}
}

// maxLinkBatches is how many batches of packets may wait for the loop.
const maxLinkBatches = 256

func (m *member) handler() quorumport.Handler {
	return &linkHandler{m: m, room: make(chan struct{}, maxLinkBatches)}
}

// Packets implements quorumport.Handler.
func (h *linkHandler) Packets(l *quorumport.Link, batch []wire.QuorumPacket, mem *quorumport.Buffer) {
	if last := &batch[len(batch)-1]; last.Type == wire.PacketSnap {
		h.snap = last.Zxid
	}
	select {
	case h.room <- struct{}{}:
	case <-l.Done():
		quorumport.Recycle(mem)
		return
	}
	h.m.n.inbox.leave(item{packets: mem, room: h.room, event: replica.Event{
		Kind: replica.Packets, Peer: &replica.PeerEvent{Link: zab.LinkID(l.ID()), Packets: batch},
	}})
	h.m.n.loop.settle()
}

// progressPause is how often the core is told that a snapshot flows.
const progressPause = 100 * time.Millisecond

// Snapshot implements quorumport.Handler: it loads the leader's snapshot beside
// the loop and hands it over whole.
func (h *linkHandler) Snapshot(l *quorumport.Link, r io.Reader) error {
	n, begin := h.m.n, time.Now()
	state := replica.NewRestore(n.core.r.Config())
	tell := h.m.progress(zab.LinkID(l.ID()), "loading the snapshot of the leader")
	var info *storage.SnapshotInfo
	err := aside(func() (err error) {
		info, err = storage.ReadStream(r.(*quorumport.LinkReader), n.storageLimits(), state, tell)
		return err
	})
	if err != nil {
		return fmt.Errorf("the snapshot of the leader: %w", err)
	}
	if err := state.SnapshotDone(h.snap); err != nil {
		return fmt.Errorf("the snapshot of the leader: %w", err)
	}
	n.log.Info("snapshot of the leader loaded", "zxid", zxidHex(h.snap), "znodes", info.Nodes, "bytes", info.Bytes,
		"took", time.Since(begin).Round(time.Millisecond))
	n.inbox.put(item{event: replica.Event{Kind: replica.Received, Peer: &replica.PeerEvent{Link: zab.LinkID(l.ID()), State: state}}})
	return nil
}

// progress returns a function that tells the core, and now and then the log,
// that a bulk of bytes flows.
func (m *member) progress(link zab.LinkID, what string) func(bytes int64, nodes int) {
	told, said := time.Now(), time.Now()
	return func(bytes int64, nodes int) {
		now := time.Now()
		if now.Sub(told) >= progressPause {
			told = now
			m.n.inbox.put(item{event: replica.Event{Kind: replica.Progress, Peer: &replica.PeerEvent{Link: link}}})
		}
		if now.Sub(said) >= progressEvery {
			said = now
			m.n.log.Info(what, "bytes", bytes, "znodes", nodes)
		}
	}
}

// Down implements quorumport.Handler.
func (h *linkHandler) Down(l *quorumport.Link, err error) {
	why := "closed by the other side"
	if err != nil {
		why = err.Error()
	}
	h.m.n.inbox.put(item{link: l, event: replica.Event{
		Kind: replica.LinkDown, Peer: &replica.PeerEvent{Link: zab.LinkID(l.ID()), Why: why},
	}})
}

// stream queues a bulk for a learner.
func (m *member) stream(s *replica.Stream) {
	link := m.links[s.Link]
	if link == nil {
		if s.Snapshot != nil {
			m.n.core.abort(s.Snapshot)
		}
		return
	}
	link.Send(s.Head)
	if snap := s.Snapshot; snap != nil {
		link.Stream(func(w io.Writer) error {
			return aside(func() error { return m.sendSnapshot(link, w, snap) })
		})
		return
	}
	after, upto := s.After, s.Upto
	link.Stream(func(w io.Writer) error {
		return aside(func() error { return m.sendLog(link, w, after, upto) })
	})
}

// sendSnapshot writes a snapshot as a learner takes it.
func (m *member) sendSnapshot(link *quorumport.Link, w io.Writer, s *replica.Snapshot) error {
	n, begin := m.n, time.Now()
	defer n.core.abort(s)
	for _, part := range [][]byte{s.Sessions, s.ACLs} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	tell := m.progress(zab.LinkID(link.ID()), "sending a snapshot to a learner")
	buf, sent := make([]byte, 0, walkTurn+walkTurn/4), int64(0)
	for done := false; !done; {
		buf, done = n.core.walk(s, buf[:0], walkTurn)
		if _, err := w.Write(buf); err != nil {
			return err
		}
		sent += int64(len(buf))
		tell(sent, 0)
	}
	if _, err := w.Write(storage.AppendStreamEnd(nil)); err != nil {
		return err
	}
	n.log.Info("snapshot sent to a learner", "learner", link.RemoteAddr(), "zxid", zxidHex(s.Zxid), "bytes", sent,
		"took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// sendLog writes entries of the log as pairs of PROPOSAL and COMMIT.
func (m *member) sendLog(link *quorumport.Link, w io.Writer, after, upto int64) error {
	begin, tell := time.Now(), m.progress(zab.LinkID(link.ID()), "sending the log to a learner")
	var buf []byte
	sent, count := int64(0), 0
	err := m.n.dirs.CopyLog(after, upto, m.n.storageLimits(), func(zxid int64, entry []byte) error {
		buf = (&wire.QuorumPacket{Type: wire.PacketProposal, Zxid: zxid, Data: entry}).Append(buf[:0])
		buf = (&wire.QuorumPacket{Type: wire.PacketCommit, Zxid: zxid}).Append(buf)
		sent, count = sent+int64(len(buf)), count+1
		tell(sent, count)
		_, err := w.Write(buf)
		return err
	})
	if err == nil {
		m.n.log.Info("log sent to a learner", "learner", link.RemoteAddr(), "after", zxidHex(after), "upto", zxidHex(upto),
			"transactions", count, "bytes", sent, "took", time.Since(begin).Round(time.Millisecond))
	}
	return err
}

// search looks into the log for what a learner lacks.
func (m *member) search(s replica.Search) {
	n := m.n
	found := zab.Found{}
	size, err := storage.LatestSnapshotSize(n.dirs)
	if err == nil {
		limit := int64(float64(size) * n.cfg.Quorum.SnapshotSizeFactor)
		var f storage.Found
		if f, err = storage.FindSync(n.dirs, s.Peer, s.Lowest, limit, n.storageLimits()); err == nil {
			found = zab.Found{OK: f.Kind != storage.SyncImpossible, From: s.Peer, Choice: zab.SyncChoice{Method: zab.Diff}, Why: f.Reason}
		}
	}
	if err != nil {
		found = zab.Found{Why: err.Error()}
	}
	n.inbox.put(item{event: replica.Event{Kind: replica.Searched, Peer: &replica.PeerEvent{Link: s.Link, Found: found}}})
}
