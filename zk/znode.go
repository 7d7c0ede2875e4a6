package zk

import (
	"time"

	"zooid/internal/wire"
)

// AnyVersion asks Set, SetACL, Delete and their forms in a Multi not to check
// the version.
const AnyVersion int32 = -1

// CreateMode is the kind of a znode to create.
type CreateMode int32

// The modes. Those with TTL are made by CreateTTL and CreateTTLOp alone, and
// the servers must have extended types enabled.
const (
	Persistent                  CreateMode = 0
	Ephemeral                   CreateMode = 1 // deleted when the session ends
	PersistentSequential        CreateMode = 2 // a number of ten digits is appended to the name
	EphemeralSequential         CreateMode = 3
	Container                   CreateMode = 4 // deleted some time after its last child
	PersistentWithTTL           CreateMode = 5 // deleted when unchanged for the TTL and without children
	PersistentSequentialWithTTL CreateMode = 6
)

func (m CreateMode) sequential() bool {
	return m == PersistentSequential || m == EphemeralSequential || m == PersistentSequentialWithTTL
}

func (m CreateMode) ttl() bool {
	return m == PersistentWithTTL || m == PersistentSequentialWithTTL
}

// MaxTTL is the longest time to live.
const MaxTTL = (1<<40 - 1) * time.Millisecond

// Stat is what the servers tell of a znode beside its data.
type Stat struct {
	Czxid, Mzxid   int64 // transactions that created it and that last set its data
	Ctime, Mtime   int64 // their times, ms since 1970 by the leader's clock
	Version        int32 // number of changes of the data
	Cversion       int32 // number of children created and deleted
	Aversion       int32 // number of changes of the access control list
	EphemeralOwner int64 // the session that owns it, or 0
	DataLength     int32
	NumChildren    int32
	Pzxid          int64 // transaction that last created or deleted a child
}

// Created returns the time of creation, by the leader's clock.
func (s *Stat) Created() time.Time { return time.UnixMilli(s.Ctime) }

// Modified returns the time of the last change of the data, by the leader's clock.
func (s *Stat) Modified() time.Time { return time.UnixMilli(s.Mtime) }

// The permissions of an ACL entry.
const (
	PermRead   = wire.PermRead   // data, children, and the list itself
	PermWrite  = wire.PermWrite  // set the data
	PermCreate = wire.PermCreate // create children
	PermDelete = wire.PermDelete // delete children
	PermAdmin  = wire.PermAdmin  // set the list
	PermAll    = wire.PermAll
)

// ACL is one entry of an access control list: what an identity may do.
type ACL struct {
	Perms  int32  // a sum of Perm constants
	Scheme string // "world", "auth", "digest", "ip", "x509", "sasl"
	ID     string // by scheme: "anyone", "", "user:hash", "10.0.0.0/8", ...
}

// WorldACL allows everybody perms.
func WorldACL(perms int32) []ACL { return []ACL{{perms, "world", "anyone"}} }

// AuthACL allows perms to the identities that the session has proved.
func AuthACL(perms int32) []ACL { return []ACL{{perms, "auth", ""}} }

// appendACL encodes a list; nil is open to the world.
func appendACL(b []byte, acl []ACL) []byte {
	if acl == nil {
		return append(b, wire.OpenACL...)
	}
	return wire.AppendACLs(b, wireACL(acl))
}

func wireACL(acl []ACL) []wire.ACL {
	w := make([]wire.ACL, len(acl))
	for i, a := range acl {
		w[i] = wire.ACL{Perms: a.Perms, ID: wire.ID{Scheme: a.Scheme, ID: a.ID}}
	}
	return w
}
