package replica

import (
	"bytes"

	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// proposal is a transaction between its preparation and its application.
type proposal struct {
	entry  []byte // header, body, digest
	body   int    // length of the body
	zxid   int64
	origin *conn // who waits for it; nil for the server's own
	sess   *session
	fresh  bool // of the leader that is followed now
	// reconfig says that it changes the ensemble.
	reconfig bool
}

// write is the transaction in the making.
type write struct {
	sess   *session
	id     int64 // of the session, when sess is nil
	client bool  // asked for by a client, not by the server itself
	ids    []wire.ID
	owner  zab.LinkID // the learner that the request came from, 0 for this server
	// foreign says that the session, which is not known here, may be a local one
	// of that learner.
	foreign bool
	zxid    int64
}

// chunk is a piece of memory in which records are laid one after the other; it
// is used again when its newest record is applied.
type chunk struct {
	buf  []byte
	last int64 // newest zxid in it
}

type chunkPool struct {
	size int      // of a chunk, in bytes, unless one record is larger
	used []*chunk // oldest first; the last one is being filled
	free []*chunk
}

// room returns the chunk to append a record of about n bytes to.
func (p *chunkPool) room(n int) *chunk {
	if k := len(p.used); k > 0 {
		if c := p.used[k-1]; cap(c.buf)-len(c.buf) >= n {
			return c
		}
	}
	var c *chunk
	if k := len(p.free); k > 0 && n <= p.size {
		c, p.free = p.free[k-1], p.free[:k-1]
	} else {
		c = &chunk{buf: make([]byte, 0, max(n, p.size))}
	}
	p.used = append(p.used, c)
	return c
}

// applied takes back the chunks whose records are all applied.
func (p *chunkPool) applied(zxid int64) {
	n := 0
	for n < len(p.used)-1 && p.used[n].last <= zxid {
		c := p.used[n]
		if c.buf = c.buf[:0]; cap(c.buf) == p.size && len(p.free) < 8 {
			p.free = append(p.free, c)
		}
		n++
	}
	if n > 0 {
		p.used = p.used[:copy(p.used, p.used[n:])]
	}
}

// prep makes a write request of a client of this server a transaction and
// proposes it.
func (r *Replica) prep(c *conn, h wire.RequestHeader, body []byte) {
	w := write{sess: c.sess, client: true, ids: c.ids}
	r.prepare(&w, h, body, c)
}

// prepare makes a write request a transaction and proposes it; a refused one
// becomes an error transaction, which takes a zxid as well, so that every
// server answers in the same order (PrepRequestProcessor.pRequest).
func (r *Replica) prepare(w *write, h wire.RequestHeader, body []byte, origin *conn) {
	if r.retires() {
		return
	}
	w.zxid = r.draft()
	d := jute.NewDecoder(body)
	typ := h.Type
	code := r.prepOp(w, &typ, &d)
	if code != wire.CodeOK {
		typ = wire.OpError
		r.work.body = (&wire.ErrorTxn{Err: code}).Append(r.work.body[:0])
	}
	r.propose(w, typ, h.Xid, origin)
	if h.Type == wire.OpCloseSession && code == wire.CodeOK {
		w.sess.closing = true
	}
}

// retires says that the leader proposes nothing any more: it hands over, or the
// epoch has no zxid left, so that the next one would be of the next epoch and it
// makes way at the end of the step. Who asks for something until then asks the
// next leader again.
func (r *Replica) retires() bool {
	return r.peer != nil && (r.leader.HandingOver() || r.leader.Full())
}

// draft begins a transaction: it takes the next zxid and an empty body. The
// caller has seen that the leader does not retire.
func (r *Replica) draft() int64 {
	r.drafting = r.leader.Propose()
	r.work.body = r.work.body[:0]
	return r.drafting
}

// prepOp appends the body of one operation to the workspace. typ may change:
// a multi with a failed operation stays a multi.
func (r *Replica) prepOp(w *write, typ *wire.Opcode, d *jute.Decoder) wire.Code {
	switch *typ {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		var req wire.CreateTTLRequest
		req.CreateRequest.Decode(d)
		req.TTL = -1
		return r.prepCreate(w, *typ, &req, d.Err())
	case wire.OpCreateTTL:
		var req wire.CreateTTLRequest
		req.Decode(d)
		return r.prepCreate(w, *typ, &req, d.Err())
	case wire.OpDelete:
		return r.prepDelete(w, d)
	case wire.OpDeleteContainer:
		return r.prepDeleteContainer(w, d)
	case wire.OpSetData:
		return r.prepSetData(w, d)
	case wire.OpSetACL:
		return r.prepSetACL(w, d)
	case wire.OpCheck:
		return r.prepCheck(w, d)
	case wire.OpMulti:
		return r.prepMulti(w, d)
	case wire.OpReconfig:
		return r.prepReconfig(w, d)
	case wire.OpCloseSession:
		return r.prepCloseSession(w.sess, w.zxid)
	}
	return wire.CodeMarshallingError
}

// tooLong reports whether a body of n bytes makes a record that no server reads,
// neither from its log nor from its leader. A request that fits jute.maxbuffer does
// not lead to one unless its ACLs stand for many identities.
func (r *Replica) tooLong(n int) bool {
	return r.cfg.MaxRecord > 0 && wire.TxnHeaderSize+n+wire.TxnDigestSize > r.cfg.MaxRecord
}

// acl returns the ACL vector to store for a request, for a node with so many bytes
// of path and data.
func (r *Replica) acl(w *write, raw []byte, beside int) ([]byte, wire.Code) {
	most := 0
	if r.cfg.MaxRecord > 0 {
		most = max(1, r.cfg.MaxRecord-wire.TxnHeaderSize-wire.TxnDigestSize-besideACL-beside)
	}
	return r.cfg.Auth.Fixup(wire.JavaACLs(raw), w.ids, most)
}

// besideACL is at least what a transaction has besides path, data and ACL: lengths,
// the number of a sequential node, and small fields.
const besideACL = 64

// propose lays the record down and hands it to the log.
func (r *Replica) propose(w *write, typ wire.Opcode, cxid int32, origin *conn) {
	id := w.id
	if w.sess != nil {
		id = w.sess.id
	}
	h := wire.TxnHeader{ClientID: id, Cxid: cxid, Zxid: w.zxid, Time: r.now.Wall, Type: typ}
	k := r.chunks.room(wire.TxnHeaderSize + len(r.work.body) + wire.TxnDigestSize)
	start := len(k.buf)
	k.buf = h.Append(k.buf)
	k.buf = append(k.buf, r.work.body...)
	if r.cfg.Digest && typ != wire.OpError { // as in Apache's log
		k.buf = (&wire.TxnDigest{Version: wire.DigestVersion, Digest: int64(r.digest)}).Append(k.buf)
	}
	k.last = w.zxid
	entry := k.buf[start:len(k.buf):len(k.buf)]
	r.compactInflight()
	r.inflight = append(r.inflight, proposal{entry: entry, body: len(r.work.body), zxid: w.zxid, origin: origin, sess: w.sess,
		reconfig: typ == wire.OpReconfig})
	r.fx.Append = append(r.fx.Append, Record{Zxid: w.zxid, Entry: entry, Roll: r.snap.takeRoll()})
	r.snap.logged(len(entry))
	r.stats.Proposals++
	if r.peer != nil {
		r.peer.stamped(w.zxid, r.now.Wall)
		r.tellProposal(w.zxid, entry)
	}
	r.settle(w.zxid, entry[wire.TxnHeaderSize:])
}

// compactInflight gives back the room of what was applied.
func (r *Replica) compactInflight() {
	if r.inflightHead > 1024 && r.inflightHead > len(r.inflight)/2 {
		r.inflight = r.inflight[:copy(r.inflight, r.inflight[r.inflightHead:])]
		r.inflightHead = 0
	}
}

// settle points the changes of this transaction at the bytes that stay: the
// body in the making is used again for the next one.
func (r *Replica) settle(zxid int64, body []byte) {
	t := &r.pending
	for i := len(t.queue) - 1; i >= t.queueHead && t.queue[i].zxid == zxid; i-- {
		c := t.queue[i].c
		if c.dataZxid == zxid {
			c.data = c.dataAt.of(body)
		}
		if c.aclZxid == zxid {
			c.acl = c.aclAt.of(body)
		}
	}
	r.drafting = 0
}

// valid reports the code of a session that may not write any more.
func (w *write) valid() wire.Code {
	switch {
	case !w.client, w.sess == nil && w.foreign:
	case w.sess == nil || w.sess.closing:
		return wire.CodeSessionExpired
	case w.sess.owner == nobody:
		w.sess.owner = w.owner // the first one to use it (SessionTrackerImpl.checkSession)
	case w.sess.owner != w.owner:
		return wire.CodeSessionMoved
	}
	return wire.CodeOK
}

// validFor is valid for a create: an ephemeral needs a session that the ensemble
// knows (PrepRequestProcessor.validateCreateRequest).
func (w *write) validFor(flags int32) wire.Code {
	if w.client && (flags == modeEphemeral || flags == modeEphemeralSequential) {
		if w.sess == nil {
			return wire.CodeSessionExpired
		}
		if w.sess.local {
			return wire.CodeEphemeralOnLocalSession
		}
	}
	return w.valid()
}

// may reports whether the requester has one of the bits of need on a node.
func (r *Replica) may(w *write, c *change, need int32) bool {
	return !w.client || r.cfg.Auth.Check(r.aclOf(c), need, w.ids)
}

// parentOf returns the path of the parent, "" for the root, and false for a
// path that has no slash or holds a NUL.
func parentOf(path []byte) ([]byte, bool) {
	i := bytes.LastIndexByte(path, '/')
	if i < 0 || bytes.IndexByte(path, 0) >= 0 {
		return nil, false
	}
	return path[:i], true
}

// special are the nodes that may not be deleted.
func special(path []byte) bool {
	switch string(path) {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

// prepDelete checks a delete (PrepRequestProcessor.pRequest2Txn).
func (r *Replica) prepDelete(w *write, d *jute.Decoder) wire.Code {
	var req wire.PathVersionRequest
	req.Decode(d)
	if d.Err() != nil || req.Path == nil {
		return wire.CodeMarshallingError
	}
	if code := w.valid(); code != wire.CodeOK {
		return code
	}
	above, ok := parentOf(req.Path)
	if !ok || special(req.Path) {
		return wire.CodeBadArguments
	}
	parent := r.lookup(above, &r.work.above)
	if parent == nil {
		return wire.CodeNoNode
	}
	if !r.may(w, parent, wire.PermDelete) {
		return wire.CodeNoAuth
	}
	node := r.lookup(req.Path, &r.work.node)
	if node == nil {
		return wire.CodeNoNode
	}
	if req.Version != -1 && req.Version != node.stat.Version {
		return wire.CodeBadVersion
	}
	if node.children > 0 {
		return wire.CodeNotEmpty
	}
	r.work.body = (&wire.DeleteTxn{Path: req.Path}).Append(r.work.body)
	r.removeNode(w.zxid, parent, node)
	return wire.CodeOK
}

// removeNode records that a node goes and that its parent notices.
func (r *Replica) removeNode(zxid int64, parent, node *change) {
	data := r.dataOf(parent)
	parent = r.pending.put(parent, zxid)
	parent.children--
	if zxid > parent.stat.Pzxid {
		parent.stat.Pzxid = zxid
	}
	r.changed(parent, data)
	node = r.pending.put(node, zxid)
	node.exists = false
	r.digest -= uint64(node.digest)
	node.digest = 0
}

// prepDeleteContainer checks the removal of a container or TTL node, which only
// the server itself asks for.
func (r *Replica) prepDeleteContainer(w *write, d *jute.Decoder) wire.Code {
	path := d.Text()
	if d.Err() != nil || path == nil {
		return wire.CodeMarshallingError
	}
	above, ok := parentOf(path)
	if !ok || special(path) {
		return wire.CodeBadArguments
	}
	node := r.lookup(path, &r.work.node)
	if node == nil {
		return wire.CodeNoNode
	}
	parent := r.lookup(above, &r.work.above)
	if parent == nil {
		return wire.CodeNoNode
	}
	if node.children > 0 {
		return wire.CodeNotEmpty
	}
	if node.stat.EphemeralOwner == 0 || r.ordinary(node.stat.EphemeralOwner) {
		return wire.CodeBadVersion
	}
	r.work.body = (&wire.DeleteTxn{Path: path}).Append(r.work.body)
	r.removeNode(w.zxid, parent, node)
	return wire.CodeOK
}

// subject is the znode that an operation is about, if its writer may do that to
// it.
func (r *Replica) subject(w *write, path []byte, perm int32) (*change, wire.Code) {
	if !wire.ValidPath(path) {
		return nil, wire.CodeBadArguments
	}
	node := r.lookup(path, &r.work.node)
	switch {
	case node == nil:
		return nil, wire.CodeNoNode
	case !r.may(w, node, perm):
		return nil, wire.CodeNoAuth
	}
	return node, wire.CodeOK
}

// prepSetData checks a setData.
func (r *Replica) prepSetData(w *write, d *jute.Decoder) wire.Code {
	var req wire.SetDataRequest
	req.Decode(d)
	if d.Err() != nil {
		return wire.CodeMarshallingError
	}
	if code := w.valid(); code != wire.CodeOK {
		return code
	}
	node, code := r.subject(w, req.Path, wire.PermWrite)
	if code != wire.CodeOK {
		return code
	}
	if r.overQuota(req.Path, 0, int64(len(req.Data)-len(r.dataOf(node)))) {
		return wire.CodeQuotaExceeded
	}
	if req.Version != -1 && req.Version != node.stat.Version {
		return wire.CodeBadVersion
	}
	node = r.pending.put(node, w.zxid)
	node.stat.Version++
	node.stat.Mzxid, node.stat.Mtime = w.zxid, r.now.Wall
	txn := wire.SetDataTxn{Path: req.Path, Data: req.Data, Version: node.stat.Version}
	start := len(r.work.body)
	r.work.body = txn.Append(r.work.body)
	node.dataZxid, node.dataAt = w.zxid, span{start + 4 + len(req.Path) + 4, len(req.Data)}
	r.changed(node, req.Data)
	return wire.CodeOK
}

// prepSetACL checks a setACL.
func (r *Replica) prepSetACL(w *write, d *jute.Decoder) wire.Code {
	var req wire.SetACLRequest
	req.Decode(d)
	if d.Err() != nil {
		return wire.CodeMarshallingError
	}
	if code := w.valid(); code != wire.CodeOK {
		return code
	}
	if !wire.ValidPath(req.Path) {
		return wire.CodeBadArguments
	}
	acl, code := r.acl(w, req.ACL, len(req.Path))
	if code != wire.CodeOK {
		return code
	}
	node := r.lookup(req.Path, &r.work.node)
	if node == nil {
		return wire.CodeNoNode
	}
	if !r.may(w, node, wire.PermAdmin) {
		return wire.CodeNoAuth
	}
	if req.Version != -1 && req.Version != node.stat.Aversion {
		return wire.CodeBadVersion
	}
	data := r.dataOf(node)
	node = r.pending.put(node, w.zxid)
	node.stat.Aversion++
	txn := wire.SetACLTxn{Path: req.Path, ACL: acl, Version: node.stat.Aversion}
	start := len(r.work.body)
	r.work.body = txn.Append(r.work.body)
	node.aclZxid, node.aclAt = w.zxid, span{start + 4 + len(req.Path), len(acl)}
	r.changed(node, data)
	return wire.CodeOK
}

// prepCheck checks the version check of a multi.
func (r *Replica) prepCheck(w *write, d *jute.Decoder) wire.Code {
	var req wire.PathVersionRequest
	req.Decode(d)
	if d.Err() != nil {
		return wire.CodeMarshallingError
	}
	if code := w.valid(); code != wire.CodeOK {
		return code
	}
	node, code := r.subject(w, req.Path, wire.PermRead)
	if code != wire.CodeOK {
		return code
	}
	if req.Version != -1 && req.Version != node.stat.Version {
		return wire.CodeBadVersion
	}
	txn := wire.CheckVersionTxn{Path: req.Path, Version: node.stat.Version + 1}
	r.work.body = txn.Append(r.work.body)
	return wire.CodeOK
}

// overQuota reports whether a hard quota forbids the growth.
func (r *Replica) overQuota(path []byte, count, bytes int64) bool {
	if !r.cfg.EnforceQuota {
		return false
	}
	breach, over := r.tree.QuotaCheck(path, count, bytes)
	if over = over && breach.Hard; over {
		r.fx.OverQuota = append(r.fx.OverQuota, r.fx.use(path, 0, true))
	}
	return over
}
