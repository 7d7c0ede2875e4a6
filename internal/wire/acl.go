package wire

import "zooid/internal/jute"

// The permission bits of an ACL entry (ZooDefs.Perms).
const (
	PermRead   int32 = 1
	PermWrite  int32 = 2
	PermCreate int32 = 4
	PermDelete int32 = 8
	PermAdmin  int32 = 16
	PermAll    int32 = 31
)

// ID is an identity: a scheme and a name within it.
type ID struct {
	Scheme string
	ID     string
}

// ACL is one entry of an access control list.
type ACL struct {
	Perms int32
	ID    ID
}

// aclMinSize is the encoded size of the smallest entry.
const aclMinSize = 12

// OpenACL is world:anyone with all permissions, as an encoded vector.
var OpenACL = AppendACLs(nil, []ACL{{PermAll, ID{"world", "anyone"}}})

// AppendACLs appends a vector of entries; nil becomes the null vector.
func AppendACLs(b []byte, acls []ACL) []byte {
	if acls == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(acls)))
	for _, a := range acls {
		b = jute.AppendInt(b, a.Perms)
		b = jute.AppendString(b, a.ID.Scheme)
		b = jute.AppendString(b, a.ID.ID)
	}
	return b
}

// RawACLs reads a vector of entries and returns its encoded bytes, checked but
// not copied: lists travel in this form until somebody has to look inside.
func RawACLs(d *jute.Decoder) []byte {
	start := d.Offset()
	for n := d.Count(aclMinSize); n > 0 && d.Err() == nil; n-- {
		d.Int()
		d.Text()
		d.Text()
	}
	if d.Err() != nil {
		return nil
	}
	return d.Since(start)
}

// DecodeACLs reads the entries of an encoded vector; nil for the null vector.
// A null scheme or id reads as "".
func DecodeACLs(raw []byte) ([]ACL, error) {
	d := jute.NewDecoder(raw)
	n := d.Count(aclMinSize)
	if n < 0 {
		return nil, d.Err()
	}
	acls := make([]ACL, 0, n)
	for ; n > 0 && d.Err() == nil; n-- {
		acls = append(acls, ACL{Perms: d.Int(), ID: ID{d.String(), d.String()}})
	}
	return acls, d.Err()
}

// ACLView is one entry read in place.
type ACLView struct {
	Perms      int32
	Scheme, ID []byte
}

// NextACL reads the next entry of a vector whose count has been read.
func NextACL(d *jute.Decoder) ACLView {
	return ACLView{Perms: d.Int(), Scheme: d.Text(), ID: d.Text()}
}
