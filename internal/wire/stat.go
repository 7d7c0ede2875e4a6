package wire

import "zooid/internal/jute"

// Stat is what a client sees of a znode beside its data; 68 bytes.
type Stat struct {
	Czxid, Mzxid   int64
	Ctime, Mtime   int64 // ms since 1970, the leader's clock
	Version        int32
	Cversion       int32 // creations plus deletions of children
	Aversion       int32
	EphemeralOwner int64
	DataLength     int32
	NumChildren    int32
	Pzxid          int64
}

// StatSize is the encoded size of a Stat in bytes.
const StatSize = 68

// Append appends the encoded record.
func (s *Stat) Append(b []byte) []byte {
	b = jute.AppendLong(b, s.Czxid)
	b = jute.AppendLong(b, s.Mzxid)
	b = jute.AppendLong(b, s.Ctime)
	b = jute.AppendLong(b, s.Mtime)
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, s.EphemeralOwner)
	b = jute.AppendInt(b, s.DataLength)
	b = jute.AppendInt(b, s.NumChildren)
	return jute.AppendLong(b, s.Pzxid)
}

// Decode reads the record.
func (s *Stat) Decode(d *jute.Decoder) {
	s.Czxid, s.Mzxid = d.Long(), d.Long()
	s.Ctime, s.Mtime = d.Long(), d.Long()
	s.Version, s.Cversion, s.Aversion = d.Int(), d.Int(), d.Int()
	s.EphemeralOwner = d.Long()
	s.DataLength, s.NumChildren = d.Int(), d.Int()
	s.Pzxid = d.Long()
}

// StatPersisted is what snapshots keep of a znode beside its data; 60 bytes.
// Cversion is the internal one: the number of children ever created.
type StatPersisted struct {
	Czxid, Mzxid   int64
	Ctime, Mtime   int64
	Version        int32
	Cversion       int32
	Aversion       int32
	EphemeralOwner int64
	Pzxid          int64
}

// StatPersistedSize is the encoded size of a StatPersisted in bytes.
const StatPersistedSize = 60

// Append appends the encoded record.
func (s *StatPersisted) Append(b []byte) []byte {
	b = jute.AppendLong(b, s.Czxid)
	b = jute.AppendLong(b, s.Mzxid)
	b = jute.AppendLong(b, s.Ctime)
	b = jute.AppendLong(b, s.Mtime)
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, s.EphemeralOwner)
	return jute.AppendLong(b, s.Pzxid)
}

// Decode reads the record.
func (s *StatPersisted) Decode(d *jute.Decoder) {
	s.Czxid, s.Mzxid = d.Long(), d.Long()
	s.Ctime, s.Mtime = d.Long(), d.Long()
	s.Version, s.Cversion, s.Aversion = d.Int(), d.Int(), d.Int()
	s.EphemeralOwner = d.Long()
	s.Pzxid = d.Long()
}
