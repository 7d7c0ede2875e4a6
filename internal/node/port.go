package node

import (
	"bytes"
	"net/netip"

	"zooid/internal/admin"
	"zooid/internal/auth"
	"zooid/internal/clientport"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// The methods of this file are what the client port calls (clientport.Core), on
// its pollers, but for Word.

// Open hands a connect request to the loop.
func (n *Node) Open(c *clientport.Conn, body []byte) {
	n.inbox.leave(item{conn: c, event: replica.Event{
		Kind: replica.ConnOpen, Conn: replica.ConnID(c.ID()),
		Frames: bytes.Clone(body), IDs: n.identities(c), At: n.clock().Mono,
	}})
}

// addressIDs are the identities that every connection has by its address.
func addressIDs(ip string) []wire.ID {
	if a, err := netip.ParseAddr(ip); err == nil {
		ip = auth.HostAddress(a)
	}
	return []wire.ID{{Scheme: "ip", ID: ip}}
}

// Reads answers pure reads on the poller.
func (n *Node) Reads(c *clientport.Conn, frames []byte) (taken, requests int, long func()) {
	if n.opts.ReadsInLoop || !replica.BeginsWithRead(frames) {
		return 0, 0, nil
	}
	taken, requests, zxid := n.core.reads(c, frames, n.countReads)
	if requests == 0 {
		if taken, zxid, long = n.core.list(c, frames); long == nil {
			return 0, 0, nil
		}
		requests = 1
	}
	c.LastActive.Store(n.clock().Mono)
	n.metrics.ObserveReads(0, int64(requests))
	c.NoteFast(frames[:taken], requests, zxid)
	return taken, requests, long
}

// Batch hands frames to the loop.
func (n *Node) Batch(c *clientport.Conn, frames []byte, mem *clientport.Buffer, requests int) {
	if !n.learns() {
		n.metrics.PrepProcessorRequestQueued.AddN(int64(requests))
	}
	n.inbox.leave(item{conn: c, mem: mem, count: requests, event: replica.Event{
		Kind: replica.ClientBatch, Conn: replica.ConnID(c.ID()), Frames: frames, At: n.clock().Mono,
	}})
}

// Room has the loop go on with the replies of a connection.
func (n *Node) Room(c *clientport.Conn) {
	n.inbox.put(item{conn: c, event: replica.Event{Kind: replica.Room, Conn: replica.ConnID(c.ID())}})
}

// Closed tells the loop that a connection is gone.
func (n *Node) Closed(c *clientport.Conn) {
	n.inbox.leave(item{conn: c, event: replica.Event{Kind: replica.ConnClosed, Conn: replica.ConnID(c.ID())}})
}

// Settle has what the pollers left in the inbox done.
func (n *Node) Settle() { n.loop.settle() }

// Serving reports whether requests are taken.
func (n *Node) Serving() bool { return n.serving.Load() }

// IsWord reports whether four bytes are a four-letter word.
func (n *Node) IsWord(word uint32) bool { return admin.IsCommand(word) }

// Word answers a four-letter word.
func (n *Node) Word(word uint32, c *clientport.Conn) {
	n.metrics.PacketsReceived.Inc()
	c.Received.Add(1)
	var next []byte
	if k := admin.TrailingBytes(word); k > 0 {
		next, _ = c.Argument(k)
	}
	var out bytes.Buffer
	if err := admin.Execute(&out, word, next, n, n.gate); err != nil {
		n.log.Debug("four-letter word failed", "word", admin.WordName(word), "error", err)
	}
	c.WriteWord(out.Bytes())
	n.metrics.PacketsSent.Inc()
}
