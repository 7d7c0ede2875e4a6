package zk

import (
	"context"
	"fmt"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Op is one operation of a Multi or MultiRead.
type Op struct {
	code    wire.Opcode
	path    string
	data    []byte
	mode    CreateMode
	ttl     time.Duration
	acl     []ACL
	version int32
}

// CreateOp creates a znode, as Create does. For the modes with a TTL use
// CreateTTLOp.
func CreateOp(path string, data []byte, mode CreateMode, acl []ACL) Op {
	op := Op{code: wire.OpCreate, path: path, data: data, mode: mode, acl: acl}
	if mode == Container {
		op.code = wire.OpCreateContainer
	}
	return op
}

// CreateTTLOp creates a znode, as CreateTTL does.
func CreateTTLOp(path string, data []byte, mode CreateMode, ttl time.Duration, acl []ACL) Op {
	return Op{code: wire.OpCreateTTL, path: path, data: data, mode: mode, ttl: ttl, acl: acl}
}

// DeleteOp deletes a znode, as Delete does.
func DeleteOp(path string, version int32) Op {
	return Op{code: wire.OpDelete, path: path, version: version}
}

// SetOp replaces the data of a znode, as Set does.
func SetOp(path string, data []byte, version int32) Op {
	return Op{code: wire.OpSetData, path: path, data: data, version: version}
}

// CheckOp makes the Multi fail unless the znode exists and has the version, or
// AnyVersion.
func CheckOp(path string, version int32) Op {
	return Op{code: wire.OpCheck, path: path, version: version}
}

// GetOp reads the data of a znode, in a MultiRead.
func GetOp(path string) Op { return Op{code: wire.OpGetData, path: path} }

// ChildrenOp reads the children of a znode, in a MultiRead.
func ChildrenOp(path string) Op { return Op{code: wire.OpGetChildren, path: path} }

// reads reports whether the operation belongs in a MultiRead.
func (op *Op) reads() bool { return op.code == wire.OpGetData || op.code == wire.OpGetChildren }

// check finds what is wrong with the operation before it is sent.
func (op *Op) check(read bool) error {
	if op.reads() != read || op.code == 0 {
		return fmt.Errorf("%w: %v in the wrong kind of multi", ErrBadArguments, op.code)
	}
	switch op.code {
	case wire.OpCreate, wire.OpCreateContainer, wire.OpCreateTTL:
		if err := validateTTL(op.mode, op.ttl, op.code == wire.OpCreateTTL); err != nil {
			return err
		}
		return validateCreate(op.path, op.mode)
	}
	return ValidatePath(op.path)
}

// append appends the operation's header and record.
func (op *Op) append(b []byte, path string) []byte {
	h := wire.MultiHeader{Type: op.code, Err: -1}
	b = h.Append(b)
	switch op.code {
	case wire.OpCreate, wire.OpCreateContainer:
		return appendCreate(b, path, op.data, op.mode, op.acl)
	case wire.OpCreateTTL:
		b = appendCreate(b, path, op.data, op.mode, op.acl)
		return jute.AppendLong(b, op.ttl.Milliseconds())
	case wire.OpSetData:
		return appendSet(b, path, op.data, op.version)
	case wire.OpDelete, wire.OpCheck:
		return appendPathVersion(b, path, op.version)
	}
	return jute.AppendBool(jute.AppendString(b, path), false)
}

// OpResult is what became of one operation of a Multi or MultiRead. Which
// fields are set depends on the operation.
type OpResult struct {
	Path     string // of the created znode
	Stat     Stat   // SetOp, GetOp, and creations except plain CreateOp
	Data     []byte
	Children []string
	// Err is the operation's own error. In a failed Multi one operation has a
	// reason, those behind it ErrRuntimeInconsistency, and those before it
	// none, though nothing was done.
	Err error
}

// Multi does all operations as one transaction, or none: the error is then
// that of the operation that failed, and the results tell which.
func (c *Client) Multi(ctx context.Context, ops ...Op) ([]OpResult, error) {
	results, err := c.multi(ctx, "multi", wire.OpMulti, ops)
	if err != nil {
		return results, err
	}
	for _, r := range results {
		if r.Err != nil && !isCode(r.Err, ErrRuntimeInconsistency) {
			return results, r.Err
		}
	}
	return results, nil
}

// MultiRead does several reads in one request (servers from 3.6 on). Each has
// its own result and error; together they are not one view of the tree.
func (c *Client) MultiRead(ctx context.Context, ops ...Op) ([]OpResult, error) {
	return c.multi(ctx, "multiread", wire.OpMultiRead, ops)
}

func (c *Client) multi(ctx context.Context, name string, code wire.Opcode, ops []Op) ([]OpResult, error) {
	cl := c.newCall(code)
	for i := range ops {
		if err := ops[i].check(code == wire.OpMultiRead); err != nil {
			return nil, opError(name, ops[i].path, err)
		}
		cl.frame = ops[i].append(cl.frame, c.serverPath(ops[i].path))
	}
	cl.frame = wire.MultiEnd.Append(cl.frame)
	d, err := c.request(ctx, name, "", cl)
	if err != nil {
		return nil, err
	}
	results := make([]OpResult, 0, len(ops))
	for d.Err() == nil {
		var h wire.MultiHeader
		if h.Decode(&d.Decoder); h.Done {
			break
		}
		if len(results) == len(ops) {
			return nil, opError(name, "", fmt.Errorf("%w: more results than operations", ErrMarshalling))
		}
		results = append(results, c.result(&d, h, &ops[len(results)]))
	}
	if d.Err() == nil && len(results) != len(ops) {
		return nil, opError(name, "", fmt.Errorf("%w: %d results for %d operations", ErrMarshalling, len(results), len(ops)))
	}
	return results, d.end(name, "")
}

// result reads one result behind its header.
func (c *Client) result(d *answer, h wire.MultiHeader, op *Op) (r OpResult) {
	switch h.Type {
	case wire.OpError:
		if code := Code(d.Int()); code != 0 {
			r.Err = opError(op.code.String(), op.path, code)
		}
	case wire.OpCreate:
		r.Path = c.clientPath(d.String())
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		r.Path = c.clientPath(d.String())
		r.Stat = d.stat()
	case wire.OpSetData:
		r.Stat = d.stat()
	case wire.OpGetData:
		r.Data = d.Buffer()
		r.Stat = d.stat()
	case wire.OpGetChildren:
		r.Children = d.strings()
	case wire.OpDelete, wire.OpCheck:
	default:
		d.Fail(fmt.Errorf("zk: a multi result of type %d", h.Type))
	}
	return r
}
