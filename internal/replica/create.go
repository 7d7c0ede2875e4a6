package replica

import (
	"strconv"

	"zooid/internal/wire"
)

// The create modes (CreateMode.toFlag).
const (
	modePersistent           = 0
	modeEphemeral            = 1
	modePersistentSequential = 2
	modeEphemeralSequential  = 3
	modeContainer            = 4
	modeTTL                  = 5
	modeSequentialTTL        = 6
)

// The owners that do not name a session (EphemeralType).
const (
	containerOwner  = -1 << 63
	ttlOwnerPrefix  = -1 << 56 // 0xff in the top byte, feature 0
	maxTTL          = 1<<40 - 1
	ttlOwner353Mask = 1<<63 - 1
)

// ordinary reports whether an owner is a session: neither nobody, a container
// nor a TTL.
func (r *Replica) ordinary(owner int64) bool {
	switch {
	case owner == 0 || owner == containerOwner:
		return false
	case r.cfg.Emulate353 && owner < 0:
		return false
	case r.cfg.ExtendedTypes && uint64(owner)>>56 == 0xff:
		return false
	}
	return true
}

// createMode is what the flags of a create ask for.
type createMode struct {
	owner      int64
	sequential bool
}

// modeOf checks flags and TTL. Apache's server lets createTTL through with a
// mode that has no TTL and a TTL of -1, and then dies of it at every start;
// here that is refused.
func (r *Replica) modeOf(typ wire.Opcode, req *wire.CreateTTLRequest, session int64) (createMode, wire.Code) {
	if req.Flags < modePersistent || req.Flags > modeSequentialTTL {
		return createMode{}, wire.CodeBadArguments
	}
	hasTTL := req.Flags == modeTTL || req.Flags == modeSequentialTTL
	if hasTTL && !r.cfg.ExtendedTypes {
		return createMode{}, wire.CodeUnimplemented
	}
	if hasTTL && (req.TTL <= 0 || req.TTL > maxTTL) || !hasTTL && (req.TTL >= 0 || typ == wire.OpCreateTTL) {
		return createMode{}, wire.CodeBadArguments
	}
	m := createMode{sequential: req.Flags == modePersistentSequential ||
		req.Flags == modeEphemeralSequential || req.Flags == modeSequentialTTL}
	// The operation, not the flag, decides what the node becomes.
	switch {
	case typ == wire.OpCreateContainer:
		m.owner = containerOwner
	case typ == wire.OpCreateTTL:
		m.owner = ttlOwnerPrefix | req.TTL
		if r.cfg.Emulate353 {
			m.owner = -1<<63 | req.TTL
		}
	case req.Flags == modeEphemeral || req.Flags == modeEphemeralSequential:
		m.owner = session
	}
	return m, wire.CodeOK
}

// prepCreate checks a create of any kind, in the order of
// PrepRequestProcessor.pRequest2TxnCreate.
func (r *Replica) prepCreate(w *write, typ wire.Opcode, req *wire.CreateTTLRequest, decode error) wire.Code {
	if decode != nil || req.Path == nil {
		return wire.CodeMarshallingError
	}
	var session int64
	if w.sess != nil {
		session = w.sess.id
	}
	mode, code := r.modeOf(typ, req, session)
	if code != wire.CodeOK {
		return code
	}
	if code := w.validFor(req.Flags); code != wire.CodeOK {
		return code
	}
	above, ok := parentOf(req.Path)
	if !ok {
		return wire.CodeBadArguments
	}
	acl, code := r.acl(w, req.ACL, len(req.Path)+len(req.Data))
	if code != wire.CodeOK {
		return code
	}
	parent := r.lookup(above, &r.work.above)
	if parent == nil {
		return wire.CodeNoNode
	}
	if !r.may(w, parent, wire.PermCreate) {
		return wire.CodeNoAuth
	}
	path := req.Path
	if mode.sequential {
		path = appendSequence(append(r.work.path[:0], path...), parent.stat.Cversion)
		r.work.path = path
	}
	switch {
	case !wire.ValidPath(path):
		return wire.CodeBadArguments
	case r.lookup(path, &r.work.node) != nil:
		return wire.CodeNodeExists
	case r.ordinary(parent.stat.EphemeralOwner):
		return wire.CodeNoChildrenForEphemerals
	case r.overQuota(path, 1, int64(len(req.Data))):
		return wire.CodeQuotaExceeded
	}
	r.addNode(w, typ, mode.owner, parent, path, acl, req)
	return wire.CodeOK
}

// appendSequence appends the number of a sequential node: the internal
// cversion of the parent, padded to ten places as Java's %010d does, so that a
// negative number after the wrap has its sign and then ten digits at most.
func appendSequence(path []byte, n int32) []byte {
	var digits [12]byte
	s := strconv.AppendInt(digits[:0], int64(n), 10)
	if n < 0 {
		path, s = append(path, '-'), s[1:]
		for i := len(s); i < 9; i++ {
			path = append(path, '0')
		}
		return append(path, s...)
	}
	for i := len(s); i < 10; i++ {
		path = append(path, '0')
	}
	return append(path, s...)
}

// addNode appends the body of the create and records the node and the change
// of its parent.
func (r *Replica) addNode(w *write, typ wire.Opcode, owner int64, parent *change, path, acl []byte, req *wire.CreateTTLRequest) {
	parentData := r.dataOf(parent)
	parent = r.pending.put(parent, w.zxid)
	parent.children++
	parent.stat.Cversion++
	parent.stat.Pzxid = w.zxid
	r.changed(parent, parentData)

	start := len(r.work.body)
	r.work.body = appendCreateBody(r.work.body, typ, owner, path, acl, parent.stat.Cversion, req)
	dataOff := start + 4 + len(path) + 4
	hash := r.tree.Hash(path)
	node := r.pending.get(path, hash)
	if node == nil {
		r.work.node = change{path: path, hash: hash}
		node = &r.work.node
	}
	node = r.pending.put(node, w.zxid)
	node.exists, node.children, node.digest = true, 0, 0
	node.stat = wire.StatPersisted{
		Czxid: w.zxid, Mzxid: w.zxid, Pzxid: w.zxid,
		Ctime: r.now.Wall, Mtime: r.now.Wall, EphemeralOwner: owner,
	}
	node.dataZxid, node.dataAt = w.zxid, span{dataOff, len(req.Data)}
	node.aclZxid, node.aclAt = w.zxid, span{dataOff + len(req.Data), len(acl)}
	r.changed(node, req.Data)
}

func appendCreateBody(b []byte, typ wire.Opcode, owner int64, path, acl []byte, cversion int32, req *wire.CreateTTLRequest) []byte {
	switch typ {
	case wire.OpCreateContainer:
		t := wire.CreateContainerTxn{Path: path, Data: req.Data, ACL: acl, ParentCVersion: cversion}
		return t.Append(b)
	case wire.OpCreateTTL:
		t := wire.CreateTTLTxn{Path: path, Data: req.Data, ACL: acl, ParentCVersion: cversion, TTL: req.TTL}
		return t.Append(b)
	}
	t := wire.CreateTxn{Path: path, Data: req.Data, ACL: acl, Ephemeral: owner != 0, ParentCVersion: cversion}
	return t.Append(b)
}
