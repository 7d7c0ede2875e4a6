// Package raw speaks ZooKeeper's client protocol from the client's side, one
// frame at a time, and lets a test send what no proper client would.
//
// It stands on the far side of the socket from internal/wire and shares no
// line with it: a test that encoded with the server's own records could not
// see an error made twice. The interop suites call it; the server never does.
package raw

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
)

// Bytes builds request bodies by appending, field after field.
type Bytes []byte

// Int appends an int.
func (b Bytes) Int(v int32) Bytes { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// Long appends a long.
func (b Bytes) Long(v int64) Bytes { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// Bool appends a boolean.
func (b Bytes) Bool(v bool) Bytes {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Str appends a ustring that is not null.
func (b Bytes) Str(s string) Bytes { return append(b.Int(int32(len(s))), s...) }

// Buf appends a buffer; nil is the null buffer.
func (b Bytes) Buf(v []byte) Bytes {
	if v == nil {
		return b.Int(-1)
	}
	return append(b.Int(int32(len(v))), v...)
}

// Strs appends a vector of ustrings; nil is the null vector.
func (b Bytes) Strs(list []string) Bytes {
	if list == nil {
		return b.Int(-1)
	}
	b = b.Int(int32(len(list)))
	for _, s := range list {
		b = b.Str(s)
	}
	return b
}

// ACL is one entry of an access control list.
type ACL struct {
	Perms      int32
	Scheme, ID string
}

// World is the list that lets everybody do everything.
var World = []ACL{{31, "world", "anyone"}}

// ACLs appends a vector of ACL entries; nil is the null vector.
func (b Bytes) ACLs(list []ACL) Bytes {
	if list == nil {
		return b.Int(-1)
	}
	b = b.Int(int32(len(list)))
	for _, a := range list {
		b = b.Int(a.Perms).Str(a.Scheme).Str(a.ID)
	}
	return b
}

// DigestID is the id that the digest scheme makes of "user:password".
func DigestID(packet string) string {
	user, _, _ := strings.Cut(packet, ":")
	sum := sha1.Sum([]byte(packet))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// Create is the body of create, create2 and createContainer.
func Create(path string, data []byte, acl []ACL, flags int32) Bytes {
	return Bytes(nil).Str(path).Buf(data).ACLs(acl).Int(flags)
}

// CreateTTL is the body of createTTL.
func CreateTTL(path string, data []byte, acl []ACL, flags int32, ttl int64) Bytes {
	return Create(path, data, acl, flags).Long(ttl)
}

// PathInt is the body of delete, check, addWatch, checkWatches and
// removeWatches.
func PathInt(path string, v int32) Bytes { return Bytes(nil).Str(path).Int(v) }

// PathBool is the body of exists, getData, getChildren and getChildren2.
func PathBool(path string, watch bool) Bytes { return Bytes(nil).Str(path).Bool(watch) }

// Path is the body of getACL, sync, getEphemerals and getAllChildrenNumber.
func Path(path string) Bytes { return Bytes(nil).Str(path) }

// SetData is the body of setData.
func SetData(path string, data []byte, version int32) Bytes {
	return Bytes(nil).Str(path).Buf(data).Int(version)
}

// SetACL is the body of setACL.
func SetACL(path string, acl []ACL, version int32) Bytes {
	return Bytes(nil).Str(path).ACLs(acl).Int(version)
}

// Auth is the body of an auth packet.
func Auth(scheme string, data []byte) Bytes { return Bytes(nil).Int(0).Str(scheme).Buf(data) }

// MultiOp is one operation inside a multi or multiRead.
type MultiOp struct {
	Op   int32
	Body Bytes
}

// Multi is the body of multi and multiRead.
func Multi(ops ...MultiOp) Bytes {
	var b Bytes
	for _, op := range ops {
		b = append(b.Int(op.Op).Bool(false).Int(-1), op.Body...)
	}
	return b.Int(-1).Bool(true).Int(-1)
}

// SetWatches is the body of setWatches (three lists) and setWatches2 (five).
func SetWatches(relative int64, lists ...[]string) Bytes {
	b := Bytes(nil).Long(relative)
	for _, l := range lists {
		b = b.Strs(l)
	}
	return b
}

// Frame is one request frame without its length: header and body.
func Frame(xid, op int32, body Bytes) []byte {
	return append(Bytes(nil).Int(xid).Int(op), body...)
}

// Reader takes fields from the front of a frame. The first field that does
// not fit sets Bad, and everything after it reads as zero.
type Reader struct {
	Rest []byte
	Bad  bool
}

func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.Rest) {
		r.Bad, r.Rest = true, nil
	}
	if r.Bad {
		return make([]byte, max(0, min(n, 8)))
	}
	v := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return v
}

// Int takes an int.
func (r *Reader) Int() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }

// Long takes a long.
func (r *Reader) Long() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

// Bool takes a boolean.
func (r *Reader) Bool() bool { return r.take(1)[0] != 0 }

// Buf takes a buffer; null is nil, empty is not.
func (r *Reader) Buf() []byte {
	n := r.Int()
	if n == -1 {
		return nil
	}
	if n < 0 || int(n) > len(r.Rest) {
		r.take(math.MaxInt)
		return nil
	}
	return append([]byte{}, r.take(int(n))...)
}

// Str takes a ustring; null is the empty text.
func (r *Reader) Str() string { return string(r.Buf()) }

// Count takes the count of a vector.
func (r *Reader) Count() int {
	n := int(r.Int())
	if n > len(r.Rest) {
		r.take(math.MaxInt)
		return 0
	}
	return n
}

// Strs takes a vector of ustrings.
func (r *Reader) Strs() []string {
	var list []string
	for range r.Count() {
		list = append(list, r.Str())
	}
	return list
}

// Stat is a znode's Stat.
type Stat struct {
	Czxid, Mzxid, Ctime, Mtime  int64
	Version, Cversion, Aversion int32
	EphemeralOwner              int64
	DataLength, NumChildren     int32
	Pzxid                       int64
}

// Stat takes a Stat.
func (r *Reader) Stat() Stat {
	return Stat{
		Czxid: r.Long(), Mzxid: r.Long(), Ctime: r.Long(), Mtime: r.Long(),
		Version: r.Int(), Cversion: r.Int(), Aversion: r.Int(),
		EphemeralOwner: r.Long(), DataLength: r.Int(), NumChildren: r.Int(), Pzxid: r.Long(),
	}
}

// ACLs takes a vector of ACL entries.
func (r *Reader) ACLs() []ACL {
	var list []ACL
	for range r.Count() {
		list = append(list, ACL{r.Int(), r.Str(), r.Str()})
	}
	return list
}
