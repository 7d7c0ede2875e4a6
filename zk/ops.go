package zk

import (
	"context"
	"fmt"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// request sends a call and returns its response record. What the server
// refuses becomes an *OpError.
func (c *Client) request(ctx context.Context, op, path string, cl *call) (answer, error) {
	if err := c.submit(ctx, cl); err != nil {
		return answer{}, opError(op, path, err)
	}
	code, reply := cl.code, cl.reply
	c.releaseCall(cl)
	if code != 0 {
		return answer{}, opError(op, path, code)
	}
	return answer{jute.NewDecoder(reply)}, nil
}

func (d *answer) stat() (s Stat) {
	var w wire.Stat
	w.Decode(&d.Decoder)
	return Stat(w)
}

func (d *answer) strings() []string {
	n := d.Count(4)
	if n < 0 {
		return nil
	}
	list := make([]string, 0, n)
	for ; n > 0 && d.Err() == nil; n-- {
		list = append(list, d.String())
	}
	return list
}

// read sends a request that consists of a path and a watch flag.
func (c *Client) readPath(ctx context.Context, op string, code wire.Opcode, path string, w *watchAdd) (answer, error) {
	if err := ValidatePath(path); err != nil {
		return answer{}, opError(op, path, err)
	}
	cl := c.newCall(code)
	server := c.serverPath(path)
	cl.frame = jute.AppendString(cl.frame, server)
	cl.frame = jute.AppendBool(cl.frame, w != nil)
	if w != nil {
		w.path, w.ch = server, make(chan Event, 1)
		cl.watch = w
	}
	return c.request(ctx, op, path, cl)
}

// Get returns the data of a znode, nil for null data.
func (c *Client) Get(ctx context.Context, path string) ([]byte, Stat, error) {
	return c.get(ctx, path, nil)
}

// GetW is Get that leaves a watch for the next change or deletion of the
// znode. Without an error the channel carries exactly one event: that change,
// or, at the end of the client, one of the session.
func (c *Client) GetW(ctx context.Context, path string) ([]byte, Stat, <-chan Event, error) {
	w := &watchAdd{kind: watchData}
	data, stat, err := c.get(ctx, path, w)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return data, stat, w.ch, nil
}

func (c *Client) get(ctx context.Context, path string, w *watchAdd) ([]byte, Stat, error) {
	d, err := c.readPath(ctx, "get", wire.OpGetData, path, w)
	if err != nil {
		return nil, Stat{}, err
	}
	data := d.Buffer()
	stat := d.stat()
	return data, stat, d.end("get", path)
}

// Exists reports whether a znode exists, with its Stat if it does.
func (c *Client) Exists(ctx context.Context, path string) (bool, Stat, error) {
	return c.exists(ctx, path, nil)
}

// ExistsW is Exists that leaves a watch for the creation of the znode, or for
// its next change or deletion if it exists. The channel is as for GetW.
func (c *Client) ExistsW(ctx context.Context, path string) (bool, Stat, <-chan Event, error) {
	w := &watchAdd{kind: watchExist}
	found, stat, err := c.exists(ctx, path, w)
	if err != nil {
		return false, Stat{}, nil, err
	}
	return found, stat, w.ch, nil
}

func (c *Client) exists(ctx context.Context, path string, w *watchAdd) (bool, Stat, error) {
	d, err := c.readPath(ctx, "exists", wire.OpExists, path, w)
	if err != nil {
		if isCode(err, ErrNoNode) {
			return false, Stat{}, nil
		}
		return false, Stat{}, err
	}
	stat := d.stat()
	return true, stat, d.end("exists", path)
}

// isCode is errors.Is for an error of request, without the walk.
func isCode(err error, code Code) bool {
	e, ok := err.(*OpError)
	return ok && e.Err == code
}

// Children returns the names of a znode's children, in no particular order.
func (c *Client) Children(ctx context.Context, path string) ([]string, Stat, error) {
	return c.children(ctx, path, nil)
}

// ChildrenW is Children that leaves a watch for the next creation or deletion
// of a child, or of the znode itself. The channel is as for GetW.
func (c *Client) ChildrenW(ctx context.Context, path string) ([]string, Stat, <-chan Event, error) {
	w := &watchAdd{kind: watchChild}
	names, stat, err := c.children(ctx, path, w)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return names, stat, w.ch, nil
}

func (c *Client) children(ctx context.Context, path string, w *watchAdd) ([]string, Stat, error) {
	d, err := c.readPath(ctx, "children", wire.OpGetChildren2, path, w)
	if err != nil {
		return nil, Stat{}, err
	}
	names := d.strings()
	stat := d.stat()
	return names, stat, d.end("children", path)
}

// Create makes a znode and returns its path, which has a number at its end if
// the mode is sequential. data may be nil; a nil acl is open to the world.
// The modes with a TTL belong to CreateTTL.
func (c *Client) Create(ctx context.Context, path string, data []byte, mode CreateMode, acl []ACL) (string, error) {
	op := wire.OpCreate
	if mode == Container {
		op = wire.OpCreateContainer
	}
	d, err := c.create(ctx, op, path, data, mode, 0, acl)
	if err != nil {
		return "", err
	}
	made := d.String()
	return c.clientPath(made), d.end("create", path)
}

// CreateStat is Create that returns the new znode's Stat as well (servers from
// 3.5 on).
func (c *Client) CreateStat(ctx context.Context, path string, data []byte, mode CreateMode, acl []ACL) (string, Stat, error) {
	op := wire.OpCreate2
	if mode == Container {
		op = wire.OpCreateContainer
	}
	return c.createStat(ctx, op, path, data, mode, 0, acl)
}

// CreateTTL makes a znode that is deleted once it has had no children and no
// change for ttl, 1 ms to MaxTTL; mode is PersistentWithTTL or
// PersistentSequentialWithTTL. Servers without extended types answer
// ErrUnimplemented.
func (c *Client) CreateTTL(ctx context.Context, path string, data []byte, mode CreateMode, ttl time.Duration, acl []ACL) (string, Stat, error) {
	return c.createStat(ctx, wire.OpCreateTTL, path, data, mode, ttl, acl)
}

func (c *Client) createStat(ctx context.Context, op wire.Opcode, path string, data []byte, mode CreateMode, ttl time.Duration, acl []ACL) (string, Stat, error) {
	d, err := c.create(ctx, op, path, data, mode, ttl, acl)
	if err != nil {
		return "", Stat{}, err
	}
	made := d.String()
	stat := d.stat()
	return c.clientPath(made), stat, d.end("create", path)
}

func (c *Client) create(ctx context.Context, op wire.Opcode, path string, data []byte, mode CreateMode, ttl time.Duration, acl []ACL) (answer, error) {
	if err := validateCreate(path, mode); err != nil {
		return answer{}, opError("create", path, err)
	}
	if err := validateTTL(mode, ttl, op == wire.OpCreateTTL); err != nil {
		return answer{}, opError("create", path, err)
	}
	cl := c.newCall(op)
	cl.frame = appendCreate(cl.frame, c.serverPath(path), data, mode, acl)
	if op == wire.OpCreateTTL {
		cl.frame = jute.AppendLong(cl.frame, ttl.Milliseconds())
	}
	return c.request(ctx, "create", path, cl)
}

func appendCreate(b []byte, path string, data []byte, mode CreateMode, acl []ACL) []byte {
	b = jute.AppendString(b, path)
	b = jute.AppendBuffer(b, data)
	b = appendACL(b, acl)
	return jute.AppendInt(b, int32(mode))
}

func validateTTL(mode CreateMode, ttl time.Duration, wanted bool) error {
	switch {
	case mode < Persistent || mode > PersistentSequentialWithTTL || mode.ttl() != wanted:
		return fmt.Errorf("%w: mode %d", ErrBadArguments, mode)
	case wanted && (ttl < time.Millisecond || ttl > MaxTTL):
		return fmt.Errorf("%w: a TTL of %v is outside 1 ms to %v", ErrBadArguments, ttl, MaxTTL)
	}
	return nil
}

// Set replaces the data of a znode if its version is the given one, or
// AnyVersion.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (Stat, error) {
	if err := ValidatePath(path); err != nil {
		return Stat{}, opError("set", path, err)
	}
	cl := c.newCall(wire.OpSetData)
	cl.frame = appendSet(cl.frame, c.serverPath(path), data, version)
	d, err := c.request(ctx, "set", path, cl)
	if err != nil {
		return Stat{}, err
	}
	stat := d.stat()
	return stat, d.end("set", path)
}

func appendSet(b []byte, path string, data []byte, version int32) []byte {
	b = jute.AppendString(b, path)
	b = jute.AppendBuffer(b, data)
	return jute.AppendInt(b, version)
}

// Delete deletes a znode without children if its version is the given one, or
// AnyVersion.
func (c *Client) Delete(ctx context.Context, path string, version int32) error {
	if err := ValidatePath(path); err != nil {
		return opError("delete", path, err)
	}
	cl := c.newCall(wire.OpDelete)
	// The chroot itself may be deleted by its own "/"; the root may not.
	cl.frame = appendPathVersion(cl.frame, c.serverPath(path), version)
	_, err := c.request(ctx, "delete", path, cl)
	return err
}

func appendPathVersion(b []byte, path string, version int32) []byte {
	return jute.AppendInt(jute.AppendString(b, path), version)
}

// GetACL returns the access control list of a znode. Who may not administrate
// it sees "x" in place of digest passwords.
func (c *Client) GetACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	if err := ValidatePath(path); err != nil {
		return nil, Stat{}, opError("getacl", path, err)
	}
	cl := c.newCall(wire.OpGetACL)
	cl.frame = jute.AppendString(cl.frame, c.serverPath(path))
	d, err := c.request(ctx, "getacl", path, cl)
	if err != nil {
		return nil, Stat{}, err
	}
	var acl []ACL
	for n := d.Count(12); n > 0 && d.Err() == nil; n-- {
		acl = append(acl, ACL{Perms: d.Int(), Scheme: d.String(), ID: d.String()})
	}
	stat := d.stat()
	return acl, stat, d.end("getacl", path)
}

// SetACL replaces the access control list of a znode if its Aversion is the
// given one, or AnyVersion. A nil acl is open to the world.
func (c *Client) SetACL(ctx context.Context, path string, acl []ACL, aversion int32) (Stat, error) {
	if err := ValidatePath(path); err != nil {
		return Stat{}, opError("setacl", path, err)
	}
	cl := c.newCall(wire.OpSetACL)
	cl.frame = jute.AppendString(cl.frame, c.serverPath(path))
	cl.frame = jute.AppendInt(appendACL(cl.frame, acl), aversion)
	d, err := c.request(ctx, "setacl", path, cl)
	if err != nil {
		return Stat{}, err
	}
	stat := d.stat()
	return stat, d.end("setacl", path)
}

// Sync brings the server of this connection up to date with the leader: reads
// behind it see all that was committed before it.
func (c *Client) Sync(ctx context.Context, path string) error {
	if err := ValidatePath(path); err != nil {
		return opError("sync", path, err)
	}
	cl := c.newCall(wire.OpSync)
	cl.frame = jute.AppendString(cl.frame, c.serverPath(path))
	_, err := c.request(ctx, "sync", path, cl)
	return err
}

// GetEphemerals returns the paths of the session's ephemeral znodes that begin
// with a prefix, "/" for all (servers from 3.6 on).
func (c *Client) GetEphemerals(ctx context.Context, prefix string) ([]string, error) {
	if err := ValidatePath(prefix); err != nil {
		return nil, opError("getephemerals", prefix, err)
	}
	cl := c.newCall(wire.OpGetEphemerals)
	cl.frame = jute.AppendString(cl.frame, c.serverPath(prefix))
	d, err := c.request(ctx, "getephemerals", prefix, cl)
	if err != nil {
		return nil, err
	}
	paths := d.strings()
	for i, p := range paths {
		paths[i] = c.clientPath(p)
	}
	return paths, d.end("getephemerals", prefix)
}

// GetAllChildrenNumber returns the number of znodes below a path (servers from
// 3.6 on).
func (c *Client) GetAllChildrenNumber(ctx context.Context, path string) (int, error) {
	if err := ValidatePath(path); err != nil {
		return 0, opError("getallchildrennumber", path, err)
	}
	cl := c.newCall(wire.OpGetAllChildrenNumber)
	cl.frame = jute.AppendString(cl.frame, c.serverPath(path))
	d, err := c.request(ctx, "getallchildrennumber", path, cl)
	if err != nil {
		return 0, err
	}
	n := int(d.Int())
	return n, d.end("getallchildrennumber", path)
}

// Ping makes a round trip to the server and keeps the session alive; the
// client does so by itself when it is idle.
func (c *Client) Ping(ctx context.Context) error {
	// An exists of the root in place of a ping: pings carry no xid of their own.
	_, _, err := c.exists(ctx, "/", nil)
	return err
}
