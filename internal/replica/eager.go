package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// eager refuses a write on the server of its client if the ACL of the node that
// it would change forbids it, so that it costs the ensemble nothing
// (ZooKeeperServer.authWriteRequest). It looks at the tree as it is applied
// here: what is missing in it is left to the leader, as are the kinds of create
// that Apache's server does not look into, and a write behind others of its
// session, as one of them may be what permits it. Apache's server looks at
// those too, and then its refusal can overtake the replies in front of it.
func (r *Replica) eager(c *conn, op wire.Opcode, d jute.Decoder) wire.Code {
	if !r.cfg.EagerACL || r.peer == nil || c.waiting() > 0 {
		return wire.CodeOK
	}
	path, need, code := r.eagerCheck(c, op, &d)
	if code != wire.CodeOK || path == nil {
		return code
	}
	if n := r.tree.Lookup(path); n != 0 && !r.allowed(r.tree.ACL(n), need, c) {
		return wire.CodeNoAuth
	}
	return wire.CodeOK
}

// eagerCheck finds out which bits on which node a write needs; without a path
// there is nothing to check.
func (r *Replica) eagerCheck(c *conn, op wire.Opcode, d *jute.Decoder) (path []byte, need int32, code wire.Code) {
	var acl []byte
	switch op {
	case wire.OpCreate, wire.OpCreate2:
		var q wire.CreateRequest
		q.Decode(d)
		path, acl, need = eagerParent(q.Path), q.ACL, wire.PermCreate
	case wire.OpDelete:
		var q wire.PathVersionRequest
		q.Decode(d)
		return eagerParent(q.Path), wire.PermDelete, wire.CodeOK
	case wire.OpSetData:
		var q wire.SetDataRequest
		q.Decode(d)
		return q.Path, wire.PermWrite, wire.CodeOK
	case wire.OpSetACL:
		var q wire.SetACLRequest
		q.Decode(d)
		path, acl, need = q.Path, q.ACL, wire.PermAdmin
	}
	if path == nil {
		return nil, 0, wire.CodeOK
	}
	if _, code := r.cfg.Auth.Fixup(wire.JavaACLs(acl), c.ids, r.cfg.MaxRecord); code == wire.CodeInvalidACL {
		return nil, 0, code
	}
	return path, need, wire.CodeOK
}

// eagerParent is the parent of a path, nil for one that the leader refuses.
func eagerParent(path []byte) []byte {
	above, ok := parentOf(path)
	if !ok || special(path) {
		return nil
	}
	return above
}
