package node

import (
	"fmt"
	"time"

	"zooid/internal/replica"
	"zooid/internal/storage"
)

// walkTurn is how many bytes of nodes one turn of a snapshot encodes while it
// holds the read lock: a tenth of a millisecond of work or less.
const walkTurn = 16 << 10

// While clients want something a snapshot rests restFor times as long as each
// turn took, so that it takes a third of one processor and of the disk at most:
// on a busy machine requests would else wait for whole time slices of it.
// maxRest bounds that.
const (
	restFor = 2
	maxRest = 100 * time.Millisecond
)

// progressEvery is how often long work says how far it is.
const progressEvery = 2 * time.Second

// startSnapshot writes a snapshot in the background. A failure loses nothing,
// as the log goes on: it is reported, and the next trigger tries again.
func (n *Node) startSnapshot(s *replica.Snapshot) {
	n.work.Go(func() {
		// One at a time: that of a leader may have the name of one under way.
		n.snapshots.Lock()
		defer n.snapshots.Unlock()
		write := func() error { return n.writeSnapshot(s) }
		var err error
		if s.Received {
			err = aside(write) // nobody is served here before it is done
		} else {
			err = write()
		}
		done := replica.Event{Kind: replica.SnapshotDone, Received: s.Received}
		if err != nil {
			n.core.abort(s)
			done.Why = err.Error()
			if !s.Received { // else the core ends the process
				n.log.Error("snapshot failed; the transaction log keeps everything, the next trigger tries again",
					"zxid", zxidHex(s.Zxid), "error", err)
			}
		}
		n.inbox.put(item{event: done})
	})
}

func (n *Node) writeSnapshot(s *replica.Snapshot) error {
	begin := time.Now()
	w, err := storage.NewSnapshotWriter(n.dirs.FS, n.dirs.Snap, s.Zxid, storage.SnapshotOptions{Compression: n.compression})
	if err != nil {
		return err
	}
	info, err := n.fillSnapshot(w, s)
	if err != nil {
		w.Abort()
		return err
	}
	took := time.Since(begin)
	n.metrics.SnapshotTime.Observe(took.Milliseconds())
	n.lastSnapshot.Store(&SnapshotTaken{Zxid: s.Zxid, At: time.Now()})
	n.log.Info("snapshot written", "file", info.Path, "znodes", info.Nodes, "bytes", info.FileSize, "took", took.Round(time.Millisecond))
	return nil
}

func (n *Node) fillSnapshot(w *storage.SnapshotWriter, s *replica.Snapshot) (*storage.SnapshotInfo, error) {
	for _, part := range [][]byte{s.Sessions, s.ACLs} {
		if _, err := w.Write(part); err != nil {
			return nil, err
		}
	}
	var written int64
	said := time.Now()
	buf := make([]byte, 0, walkTurn+walkTurn/4)
	for done, packets := false, int64(0); !done; {
		turn := time.Now()
		buf, done = n.core.walk(s, buf[:0], walkTurn)
		if _, err := w.Write(buf); err != nil {
			return nil, err
		}
		written += int64(len(buf))
		if time.Since(said) > progressEvery {
			said = time.Now()
			n.log.Info("snapshot in progress", "zxid", zxidHex(s.Zxid), "bytes", written)
		}
		rest := time.Duration(0)
		if now := n.metrics.PacketsReceived.Value(); now != packets {
			packets, rest = now, min(restFor*time.Since(turn), maxRest)
		}
		select {
		case <-n.halted:
			return nil, fmt.Errorf("the server stopped")
		case <-time.After(rest):
		}
	}
	tail := storage.SnapshotTail{
		HasDigest: n.cfg.DigestEnabled, DigestZxid: s.Zxid, Digest: int64(s.Digest),
		HasLastZxid: n.cfg.SerializeLastProcessedZxid, LastZxid: s.Zxid,
	}
	info, err := w.Finish(tail)
	if err == nil {
		info.Nodes = s.Walk.Nodes()
	}
	return info, err
}

// SnapshotTaken tells which snapshot is the newest of this run.
type SnapshotTaken struct {
	Zxid int64
	At   time.Time
}

// purger deletes old snapshots and logs now and then (autopurge).
func (n *Node) purger() {
	every := time.Duration(n.cfg.AutopurgeIntervalMs) * time.Millisecond
	if every <= 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		removed, err := storage.Purge(n.dirs, n.cfg.AutopurgeSnapRetainCount)
		if err != nil {
			n.log.Error("purge failed; disk space is not given back", "error", err)
		} else if len(removed) > 0 {
			n.log.Info("purged old files", "count", len(removed), "kept_snapshots", n.cfg.AutopurgeSnapRetainCount)
		}
		select {
		case <-t.C:
		case <-n.stopping:
			return
		}
	}
}
