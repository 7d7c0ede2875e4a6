package node

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/replica"
	"zooid/internal/storage"
)

// diskWriter is the goroutine that owns the transaction log. It takes all
// records that wait, writes them, syncs once and reports the last zxid; while
// it syncs, the loop prepares the next batch.
type diskWriter struct {
	n   *Node
	log *storage.Log

	mu     sync.Mutex
	queue  []replica.Record // bounded by the requests that may be under way
	since  time.Time        // of the oldest record in the queue
	closed bool
	wake   chan struct{} // the queue is no longer empty, or closed
	done   chan struct{}

	flushed time.Time // end of the last commit; the writer's own
}

func newDiskWriter(n *Node, log *storage.Log) *diskWriter {
	return &diskWriter{n: n, log: log, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// put queues records in order of their zxids.
func (d *diskWriter) put(records []replica.Record) {
	d.mu.Lock()
	first := len(d.queue) == 0
	if first {
		d.since = time.Now()
	}
	d.queue = append(d.queue, records...)
	d.mu.Unlock()
	if first {
		d.signal()
	}
}

func (d *diskWriter) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// close lets the writer finish its queue and waits for it.
func (d *diskWriter) close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.signal()
	<-d.done
	return d.log.Close()
}

// take appends what waits to batch; since is when the oldest of it came, and
// more is false when nothing will come any more.
func (d *diskWriter) take(batch []replica.Record) (_ []replica.Record, since time.Time, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(batch) == 0 {
		batch, d.queue = d.queue, batch
	} else {
		batch = append(batch, d.queue...)
		clear(d.queue)
		d.queue = d.queue[:0]
	}
	return batch, d.since, !d.closed
}

func (d *diskWriter) run() {
	defer close(d.done)
	var batch []replica.Record
	last := 0 // records in the batch before
	alone := runtime.GOMAXPROCS(0) == 1
	for {
		var since time.Time
		var more bool
		if crowd <= last && last <= throng {
			giveWay(alone)
		}
		if batch, since, more = d.take(batch[:0]); len(batch) == 0 {
			if !more {
				return
			}
			<-d.wake
			continue
		}
		if d.n.cfg.FlushDelayMs > 0 {
			batch = d.gather(batch)
		}
		if !d.write(batch, since) {
			return
		}
		last = len(batch)
		clear(batch)
	}
}

// From crowd records in a batch on there are clients enough for a sync to wait
// for some of them; a batch of more than a throng is worth one as it is.
const crowd, throng = 8, 128

// giveWay lets those run first who wait for a processor, if there are any: what
// they bring shares the next sync. With a processor to spare it costs nothing,
// and without one a sync for half of the clients keeps the other half waiting
// for the next. The scheduler is not told, as it would wake another thread,
// unless the server has one processor (alone): then it is all that has to know.
func giveWay(alone bool) {
	if alone {
		runtime.Gosched()
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
}

// gather waits for more records: until zookeeper.flushDelay has passed since
// the last flush, until none came for maxWriteQueuePollTime, or until there are
// maxBatchSize of them (SyncRequestProcessor).
func (d *diskWriter) gather(batch []replica.Record) []replica.Record {
	c := d.n.cfg
	limit := c.MaxBatchSize
	end := d.flushed.Add(time.Duration(c.FlushDelayMs) * time.Millisecond)
	patience := time.NewTimer(0)
	defer patience.Stop()
	for limit <= 0 || len(batch) < limit {
		wait := min(time.Until(end), time.Duration(c.MaxWriteQueuePollTimeMs)*time.Millisecond)
		if wait <= 0 {
			break
		}
		patience.Reset(wait)
		select {
		case <-d.wake:
		case <-patience.C:
			return batch
		}
		var more bool
		if batch, _, more = d.take(batch); !more {
			break
		}
	}
	return batch
}

// write makes a batch durable, in pieces of at most maxBatchSize.
func (d *diskWriter) write(batch []replica.Record, since time.Time) bool {
	m := &d.n.metrics.Sync
	begin := time.Now()
	if txns := countAppends(batch); txns > 0 {
		m.SyncProcessorQueueSize.Observe(txns)
		m.SyncProcessorRequestQueued.AddN(txns)
		m.SyncProcessorQueueTime.ObserveN(begin.Sub(since).Milliseconds(), txns)
		defer func() { m.SyncProcessTime.Observe(time.Since(begin).Milliseconds()) }()
	}
	limit := d.n.cfg.MaxBatchSize
	for len(batch) > 0 {
		if batch[0].Op != replica.Append {
			if err := d.do(&batch[0]); err != nil {
				d.n.fail(exitLogFailure, err)
				return false
			}
			batch = batch[1:]
			continue
		}
		k := appends(batch)
		if limit > 0 && k > limit {
			k = limit
		}
		if err := d.commit(batch[:k]); err != nil {
			d.n.fail(exitLogFailure, fmt.Errorf("the transaction log cannot be written, so nothing more can be acknowledged: %w", err))
			return false
		}
		m.SyncProcessorQueueAndFlushTime.ObserveN(time.Since(since).Milliseconds(), int64(k))
		d.flushed = time.Now()
		last := batch[k-1].Zxid
		batch = batch[k:]
		d.report(item{event: replica.Event{Kind: replica.Durable, Zxid: last}}, k > fewRecords || len(batch) > 0)
	}
	return true
}

// fewRecords is how many records have so few replies that the next ones may wait
// for them.
const fewRecords = 64

// report tells the core. If the writer has nothing else to do, it makes the
// core's turn itself, which spares a wake-up.
func (d *diskWriter) report(it item, busy bool) {
	d.mu.Lock()
	busy = busy || len(d.queue) > 0
	d.mu.Unlock()
	if busy {
		d.n.inbox.put(it)
		return
	}
	d.n.inbox.leave(it)
	d.n.loop.settle()
}

// countAppends is how many entries of the log a batch has.
func countAppends(batch []replica.Record) (n int64) {
	for i := range batch {
		if batch[i].Op == replica.Append {
			n++
		}
	}
	return n
}

// appends is how many entries of the log a batch begins with.
func appends(batch []replica.Record) int {
	for i := range batch {
		if batch[i].Op != replica.Append {
			return i
		}
	}
	return len(batch)
}

// do carries out a record that is no append; all before it is durable.
func (d *diskWriter) do(rec *replica.Record) error {
	n := d.n
	done := &replica.PeerEvent{Token: rec.Token}
	switch rec.Op {
	case replica.SaveAccepted:
		if err := n.dirs.WriteEpoch(storage.AcceptedEpoch, rec.Epoch); err != nil {
			return fmt.Errorf("the accepted epoch %d cannot be stored: %w", rec.Epoch, err)
		}
	case replica.SaveCurrent:
		if err := n.dirs.WriteEpoch(storage.CurrentEpoch, rec.Epoch); err != nil {
			return fmt.Errorf("the current epoch %d cannot be stored: %w", rec.Epoch, err)
		}
	case replica.SaveSeen, replica.SaveConfig:
		n.storeConfig(rec)
		return nil
	case replica.Truncate, replica.TruncateAndLoad, replica.DropBehind:
		if err := d.takeBack(rec, done); err != nil {
			return fmt.Errorf("the log cannot be brought back to %s, as the leader asks: %w", zxidHex(rec.Zxid), err)
		}
	}
	n.inbox.put(item{event: replica.Event{Kind: replica.Stored, Peer: done}})
	return nil
}

// takeBack removes what log and snapshots hold behind the record's zxid, and
// reads the state again if that is asked for.
func (d *diskWriter) takeBack(rec *replica.Record, done *replica.PeerEvent) error {
	n := d.n
	if err := d.log.Close(); err != nil {
		return err
	}
	var err error
	if rec.Op == replica.DropBehind {
		_, err = storage.DropBehind(n.dirs, rec.Zxid, n.storageLimits())
	} else {
		_, err = storage.TakeBack(n.dirs, rec.Zxid, n.storageLimits())
	}
	if err == nil && rec.Op == replica.TruncateAndLoad {
		done.State, err = n.reload()
	}
	d.log = n.openLog()
	return err
}

func (d *diskWriter) commit(batch []replica.Record) error {
	for i := range batch {
		if batch[i].Roll {
			if err := d.log.Roll(); err != nil {
				return err
			}
		}
		if err := d.log.Append(batch[i].Zxid, batch[i].Entry); err != nil {
			return err
		}
	}
	begin := time.Now()
	took, err := d.log.Commit()
	if err != nil {
		return err
	}
	m := &d.n.metrics.Sync
	m.FsyncTime.Observe(took.Milliseconds())
	m.SyncProcessorFlushTime.Observe(time.Since(begin).Milliseconds())
	m.SyncProcessorBatchSize.Observe(int64(len(batch)))
	if limit := d.n.cfg.FsyncWarningThresholdMs; took.Milliseconds() > limit {
		m.FsyncThresholdExceedCount.Add(1)
		d.n.log.Warn("fsync of the transaction log was slow: clients wait for it",
			"took", took, "file", d.log.File(), "warn_above_ms", limit)
	}
	return nil
}
