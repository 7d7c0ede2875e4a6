package replica

import (
	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// Restore takes what recovery reads: sessions, ACLs and nodes of a snapshot,
// then the transactions behind it. It fulfils what storage.Recover asks of its
// target. A replica takes it with Install.
type Restore struct {
	cfg      *Config
	tree     *tree.Tree
	sessions sessionTable
	history  committedLog
	loader   *tree.Loader
	res      tree.Result
	// Mismatches counts transactions after which the tree had another digest
	// than the log says.
	Mismatches int
	// CompareAfter is the zxid up to which digests are not compared: a snapshot
	// of Apache's server may hold parts that are newer than its name.
	CompareAfter int64
}

// NewRestore begins a state for a replica with this configuration.
func NewRestore(cfg Config) *Restore {
	t := &Restore{cfg: &cfg}
	t.Reset()
	return t
}

// Restore begins a state for this replica.
func (r *Replica) Restore() *Restore { return NewRestore(r.cfg) }

// Install takes a state in place of the present one. What was in flight is
// forgotten, and clients, of which nobody knows what they have missed, are
// closed.
func (r *Replica) Install(t *Restore) {
	r.closeAll("the server has got a new state from its leader")
	r.tree = t.tree
	r.tree.Replaying(false)
	old := r.sessions
	r.sessions, r.history = t.sessions, t.history
	r.sessions.nextID = old.nextID
	r.sessions.keepLocals(&old, r.now)
	r.forgetInflight()
	r.durable = r.tree.LastZxid()
}

// Reset drops what was restored so far: the next snapshot is tried.
func (t *Restore) Reset() {
	t.tree = tree.New(t.cfg.treeOptions())
	t.tree.Replaying(true)
	t.sessions = newSessionTable(t.cfg.TickTime)
	t.history = newCommittedLog(t.cfg)
	t.loader = tree.NewLoader(t.cfg.treeOptions())
}

// Session restores a session; timeout in ms.
func (t *Restore) Session(id int64, timeout int32) {
	s := t.sessions.byID[id]
	if s == nil {
		s = t.sessions.add(id, timeout)
	}
	s.timeout, s.lease, s.committed = timeout, timeout, true
}

// ACL restores an entry of the ACL cache.
func (t *Restore) ACL(id int64, raw []byte) { t.loader.AddACL(id, raw) }

// Node restores a node; its parent must have come before it.
func (t *Restore) Node(path, data []byte, aclID int64, st *wire.StatPersisted) error {
	return t.loader.AddNode(path, data, aclID, st)
}

// Digester returns what computes the digest of a node for NodeDigested, on
// whatever goroutine; nil when digests are off.
func (t *Restore) Digester() func(path, data []byte, st *wire.StatPersisted) uint32 {
	if !t.cfg.Digest {
		return nil
	}
	return new(tree.Digester).Node
}

// NodeDigested is Node with the digest of the node.
func (t *Restore) NodeDigested(path, data []byte, aclID int64, st *wire.StatPersisted, digest uint32) error {
	return t.loader.AddDigested(path, data, aclID, st, digest)
}

// SnapshotDone ends the snapshot: zxid is the one in its name.
func (t *Restore) SnapshotDone(zxid int64) error {
	loaded, err := t.loader.Finish(zxid)
	if err == nil {
		t.tree = loaded
		t.tree.Replaying(true)
	}
	t.loader = nil
	return err
}

// Foresee prepares for an Apply that follows soon.
func (t *Restore) Foresee(h *wire.TxnHeader, body []byte) {
	switch h.Type {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpSetData, wire.OpDelete:
		d := jute.NewDecoder(body)
		if path := d.Text(); d.Err() == nil {
			t.tree.Foresee(path)
		}
	}
}

// Apply replays a transaction of the log. digest is nil when the record has
// none.
func (t *Restore) Apply(h *wire.TxnHeader, body []byte, digest *wire.TxnDigest) error {
	t.tree.Apply(h, body, &t.res)
	t.history.remember(h, body, digest)
	switch h.Type {
	case wire.OpCreateSession:
		if len(body) >= 4 {
			timeout := int32(body[0])<<24 | int32(body[1])<<16 | int32(body[2])<<8 | int32(body[3])
			t.Session(h.ClientID, timeout)
		}
	case wire.OpCloseSession:
		if s := t.sessions.byID[h.ClientID]; s != nil {
			t.sessions.remove(s)
		}
	}
	if digest != nil && h.Zxid > t.CompareAfter && digest.Version == wire.DigestVersion && t.cfg.Digest && uint64(digest.Digest) != t.tree.Digest() {
		t.Mismatches++
	}
	return nil
}

// orphans proposes the end of every session that owns ephemerals without being
// in the session table, as Apache's server does at its start
// (ZooKeeperServer.loadData).
func (r *Replica) orphans() {
	for _, id := range r.tree.EphemeralSessions() {
		if r.sessions.byID[id] == nil && !r.retires() {
			r.proposeClose(r.sessions.add(id, 0))
		}
	}
}
