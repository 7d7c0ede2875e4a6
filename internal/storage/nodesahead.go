package storage

import "bytes"

// nodeBatch is some nodes of a snapshot, one after the other.
type nodeBatch struct {
	nodes []readNode
	mem   []byte // paths and data, as far as they fit
	off   int64  // behind them in the stream
	read  int64  // bytes of the file
	last  bool   // nothing follows
	err   error  // why, if it is not the terminator
}

const (
	batchNodes = 1 << 10
	batchBytes = 256 << 10
	batches    = 3 // one is filled, one waits, one is taken by the sink
)

// nodesAhead has the nodes read, summed and digested on a goroutine of its own
// while the sink takes those before.
func (r *snapReader) nodesAhead() error {
	full, empty := make(chan *nodeBatch, batches), make(chan *nodeBatch, batches)
	for range batches {
		empty <- &nodeBatch{nodes: make([]readNode, 0, batchNodes), mem: make([]byte, 0, batchBytes)}
	}
	put := func(n *readNode) error { return r.sink.Node(n.path, n.data, n.aclID, &n.st) }
	var digest NodeDigest
	if s, ok := r.sink.(DigestSink); ok {
		if digest = s.Digester(); digest != nil {
			put = func(n *readNode) error { return s.NodeDigested(n.path, n.data, n.aclID, &n.st, n.digest) }
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range empty {
			r.fillNodes(b, digest)
			full <- b
			if b.last {
				return
			}
		}
	}()
	defer func() {
		close(empty)
		<-done
	}()
	for {
		b := <-full
		for i := range b.nodes {
			if err := put(&b.nodes[i]); err != nil {
				return r.refused(&b.nodes[i], err)
			}
			r.counted(b.off, b.read)
		}
		if b.last {
			return b.err
		}
		empty <- b
	}
}

// fillNodes reads nodes into a batch.
func (r *snapReader) fillNodes(b *nodeBatch, digest NodeDigest) {
	b.nodes, b.mem = b.nodes[:0], b.mem[:0]
	for k := 0; len(b.nodes) < batchNodes && k < batchBytes; {
		b.nodes = b.nodes[:len(b.nodes)+1]
		n := &b.nodes[len(b.nodes)-1]
		size, err := r.node(n)
		if err != nil || size == 0 {
			b.nodes = b.nodes[:len(b.nodes)-1]
			b.last, b.err = true, err
			break
		}
		n.path = b.keep(n.path)
		if n.data != nil {
			n.data = b.keep(n.data)
		}
		if digest != nil {
			n.digest = digest(n.path, n.data, &n.st)
		}
		r.win.skip(size)
		k += size
	}
	b.off, b.read = r.win.off, r.read()
}

// keep returns a copy.
func (b *nodeBatch) keep(p []byte) []byte {
	at := len(b.mem)
	if at+len(p) > cap(b.mem) {
		return bytes.Clone(p)
	}
	b.mem = append(b.mem, p...)
	return b.mem[at:len(b.mem):len(b.mem)]
}
