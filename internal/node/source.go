package node

import (
	"net/netip"
	"time"

	"zooid/internal/admin"
	"zooid/internal/clientport"
	"zooid/internal/config"
	"zooid/internal/metrics"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
)

// The methods of this file are what an operator's commands see of the server
// (admin.Source).

// Status implements admin.Source.
func (n *Node) Status() admin.Status {
	s := admin.Status{Serving: n.serving.Load(), Mode: admin.Standalone}
	if m := n.member; m != nil {
		s.Mode, s.PeerState, s.ObserverMasterID = admin.Mode(m.mode()), m.peerState(), m.master.Load()
		if m.readOnly.Load() {
			s.Mode, s.PeerState = admin.ReadOnly, ""
		}
		if s.Mode == admin.Leader {
			s.Proposals = &n.metrics.ProposalSize
		}
	}
	if !s.Serving {
		return s // the core may not be there yet
	}
	n.core.view(func(r *replica.Replica) { s.Zxid = r.Tree().LastZxid() })
	return s
}

// Metrics implements admin.Source.
func (n *Node) Metrics() *metrics.Server { return n.metrics }

// Settings implements admin.Source.
func (n *Node) Settings() admin.Settings {
	c := n.cfg
	port, secure := c.ClientPort, c.SecureClientPort
	if a, err := netip.ParseAddrPort(n.Addr()); err == nil {
		port = int(a.Port())
	}
	if a, err := netip.ParseAddrPort(n.SecureAddr()); err == nil {
		secure = int(a.Port())
	}
	id := c.ServerID
	if id == config.NoID {
		id = 0
	}
	return admin.Settings{
		ClientPort: port, SecureClientPort: secure,
		DataDir: n.dirs.Snap, DataLogDir: n.dirs.Log,
		TickTime: c.TickTimeMs, MaxClientCnxns: c.MaxClientCnxns,
		MinSessionTimeout: c.MinSessionTimeoutMs, MaxSessionTimeout: c.MaxSessionTimeoutMs,
		ListenBacklog: c.ClientPortListenBacklog, ServerID: id, Ensemble: n.ensembleSettings(),
	}
}

// ensembleSettings are what conf shows of a member.
func (n *Node) ensembleSettings() *admin.EnsembleSettings {
	if n.member == nil {
		return nil
	}
	q := &n.cfg.Quorum
	s := &admin.EnsembleSettings{
		InitLimit: q.InitLimitTicks, SyncLimit: q.SyncLimitTicks, ElectionAlg: q.ElectionAlg,
	}
	n.core.view(func(r *replica.Replica) {
		s.Observing = r.Observer()
		m := r.Membership()
		if !n.member.readOnly.Load() {
			s.Membership = m.Text()
		}
		own, _ := m.Member(n.cfg.ServerID)
		for _, a := range own.Addresses {
			s.ElectionPort = append(s.ElectionPort, a.ElectionPort)
			s.QuorumPort = append(s.QuorumPort, a.QuorumPort)
		}
	})
	return s
}

// DirSizes implements admin.Source.
func (n *Node) DirSizes() admin.DirSizes {
	var s admin.DirSizes
	s.Data, _ = storage.DiskUsage(n.dirs.FS, n.dirs.Snap)
	s.Log, _ = storage.DiskUsage(n.dirs.FS, n.dirs.Log)
	return s
}

// Connections implements admin.Source.
func (n *Node) Connections() []admin.Connection {
	if n.port == nil {
		return nil
	}
	conns := n.port.Conns()
	list := make([]admin.Connection, 0, len(conns))
	for _, c := range conns {
		if c.Ready() {
			list = append(list, n.connection(c))
		}
	}
	return list
}

// connection joins what the loop and the connection's own reads know.
func (n *Node) connection(c *clientport.Conn) admin.Connection {
	out := admin.Connection{
		Secure: c.Secure(), InterestOps: 1, Received: c.Received.Load(), Sent: c.Sent.Load(),
		Established: c.Since, LastOperation: "NA", LastCxid: -1, LastZxid: -1,
		Outstanding: c.Outstanding(),
	}
	out.Remote, _ = netip.ParseAddrPort(c.RemoteAddr())
	out.Remote = netip.AddrPortFrom(out.Remote.Addr().Unmap(), out.Remote.Port())
	var v replica.ConnView
	var known bool
	n.core.view(func(r *replica.Replica) { v, known = r.Conn(replica.ConnID(c.ID())) })
	if !known || v.Session == 0 {
		out.InterestOps = 0
		out.Expires = c.Since.Add(time.Duration(n.cfg.SessionlessCnxnTimeoutMs) * time.Millisecond)
		return out
	}
	out.Session, out.Timeout = v.Session, int(v.Timeout)
	l, f := v.Last, c.FastStats()
	out.Expires = n.wallOf(v.Expires)
	if n.learns() { // the leader knows when the session expires
		heard := max(l.At, c.LastActive.Load(), c.Since.Sub(n.started).Milliseconds()+monoBase)
		tick := int64(n.cfg.TickTimeMs)
		out.Expires = n.wallOf(((heard+int64(v.Timeout))/tick + 1) * tick)
	}
	count := l.Count + f.Count
	if count == 0 {
		return out
	}
	out.MinLatency, out.MaxLatency = l.Min, max(l.Max, 0)
	if f.Count > 0 {
		out.MinLatency = 0
	}
	out.AvgLatency = l.Sum / count
	op, cxid, zxid, at, latency := l.Op, int64(l.Cxid), l.Zxid, l.At, l.Latency
	if f.Count > 0 && f.At >= at {
		op, cxid, zxid, at, latency = wire.Opcode(f.Op), int64(f.Cxid), f.Zxid, f.At, 0
	}
	out.LastOperation = admin.OperationName(int32(op))
	out.LastCxid, out.LastZxid, out.LastResponse, out.LastLatency = cxid, zxid, at, latency
	return out
}

// wallOf turns a time of the core's monotonic clock into a time of day.
func (n *Node) wallOf(mono int64) time.Time {
	return n.started.Add(time.Duration(mono-monoBase) * time.Millisecond)
}

// ResetConnections implements admin.Source.
func (n *Node) ResetConnections() {
	if n.port == nil {
		return
	}
	for _, c := range n.port.Conns() {
		c.ResetStats()
	}
	n.inbox.put(item{event: replica.Event{Kind: replica.ResetConns}})
}

// Sessions implements admin.Source.
func (n *Node) Sessions() admin.Sessions {
	s := admin.Sessions{LocalEnabled: n.member != nil && n.cfg.Quorum.LocalSessionsEnabled}
	n.core.view(func(r *replica.Replica) {
		s.Learner = r.State() != wire.Leading
		r.Sessions(func(v replica.SessionView) {
			one := admin.Session{ID: v.ID, Timeout: int(v.Timeout), Expires: n.wallOf(v.Expires)}
			if v.Local {
				s.Local = append(s.Local, one)
			} else {
				s.Global = append(s.Global, one)
			}
		})
	})
	s.LocalEnabled = s.LocalEnabled || len(s.Local) > 0 // those of read-only mode
	return s
}

// Ephemerals implements admin.Source.
func (n *Node) Ephemerals() []admin.SessionPath {
	var owners []int64
	n.core.view(func(r *replica.Replica) {
		owners = r.Tree().EphemeralSessions()
	})
	var list []admin.SessionPath
	for _, id := range owners {
		n.core.view(func(r *replica.Replica) {
			r.Tree().EphemeralPaths(id, func(p []byte) bool {
				list = append(list, admin.SessionPath{Session: id, Path: string(p)})
				return true
			})
		})
	}
	return list
}

// Watches implements admin.Source.
func (n *Node) Watches() []admin.SessionPath {
	var list []admin.SessionPath
	n.core.view(func(r *replica.Replica) {
		r.Tree().WatchesByPath(func(path []byte, conn uint32) bool {
			if id := r.SessionOf(replica.ConnID(conn)); id != 0 {
				list = append(list, admin.SessionPath{Session: id, Path: wire.JavaText(path)})
			}
			return true
		})
	})
	return list
}

// WatchSummary implements admin.Source.
func (n *Node) WatchSummary() admin.WatchSummary {
	var s admin.WatchSummary
	n.core.view(func(r *replica.Replica) {
		conns, paths, total := r.Tree().WatchSummary()
		s = admin.WatchSummary{Connections: int64(conns), Paths: int64(paths), Watches: int64(total)}
	})
	return s
}

// Digests implements admin.Source.
func (n *Node) Digests() []admin.Digest {
	var list []admin.Digest
	n.core.view(func(r *replica.Replica) {
		for _, d := range r.Digests() {
			list = append(list, admin.Digest{Zxid: d.Zxid, Version: wire.DigestVersion, Value: int64(d.Digest)})
		}
	})
	return list
}
