package node

import (
	"fmt"
	"sync"
	"time"

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
	some   sync.Cond
	queue  []replica.Record
	since  time.Time // of the oldest record in the queue
	closed bool
	done   chan struct{}
}

func newDiskWriter(n *Node, log *storage.Log) *diskWriter {
	d := &diskWriter{n: n, log: log, done: make(chan struct{})}
	d.some.L = &d.mu
	return d
}

// put queues records in order of their zxids.
func (d *diskWriter) put(records []replica.Record) {
	d.mu.Lock()
	if len(d.queue) == 0 {
		d.since = time.Now()
	}
	d.queue = append(d.queue, records...)
	d.mu.Unlock()
	d.some.Signal()
}

// close lets the writer finish its queue and waits for it.
func (d *diskWriter) close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.some.Signal()
	<-d.done
	return d.log.Close()
}

func (d *diskWriter) run() {
	defer close(d.done)
	var batch []replica.Record
	for {
		d.mu.Lock()
		for len(d.queue) == 0 && !d.closed {
			d.some.Wait()
		}
		if len(d.queue) == 0 {
			d.mu.Unlock()
			return
		}
		batch, d.queue = d.queue, batch[:0]
		since := d.since
		d.mu.Unlock()
		if !d.write(batch, since) {
			return
		}
		clear(batch)
	}
}

// write makes a batch durable, in pieces of at most maxBatchSize.
func (d *diskWriter) write(batch []replica.Record, since time.Time) bool {
	m := d.n.metrics
	begin := time.Now()
	m.SyncProcessorQueueSize.Observe(int64(len(batch)))
	m.SyncProcessorRequestQueued.AddN(int64(len(batch)))
	m.SyncProcessorQueueTime.ObserveN(begin.Sub(since).Milliseconds(), int64(len(batch)))
	limit := d.n.cfg.MaxBatchSize
	for len(batch) > 0 {
		k := len(batch)
		if limit > 0 && k > limit {
			k = limit
		}
		if err := d.commit(batch[:k]); err != nil {
			d.n.fail(exitLogFailure, fmt.Errorf("the transaction log cannot be written, so nothing more can be acknowledged: %w", err))
			return false
		}
		m.SyncProcessorQueueAndFlushTime.ObserveN(time.Since(since).Milliseconds(), int64(k))
		last := batch[k-1].Zxid
		batch = batch[k:]
		d.n.inbox.put(item{event: replica.Event{Kind: replica.Durable, Zxid: last}})
	}
	m.SyncProcessTime.Observe(time.Since(begin).Milliseconds())
	return true
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
	m := d.n.metrics
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
