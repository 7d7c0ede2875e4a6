package wire

import "zooid/internal/jute"

// TxnHeader stands before the body of every transaction, in the log and in
// proposals; 32 bytes.
type TxnHeader struct {
	ClientID int64 // session
	Cxid     int32
	Zxid     int64
	Time     int64 // ms since 1970, the leader's clock
	Type     Opcode
}

// TxnHeaderSize is the encoded size of a TxnHeader in bytes.
const TxnHeaderSize = 32

// TxnDigestSize is that of a TxnDigest.
const TxnDigestSize = 12

// Append appends the encoded record.
func (h *TxnHeader) Append(b []byte) []byte {
	b = jute.AppendLong(b, h.ClientID)
	b = jute.AppendInt(b, h.Cxid)
	b = jute.AppendLong(b, h.Zxid)
	b = jute.AppendLong(b, h.Time)
	return jute.AppendInt(b, int32(h.Type))
}

// Decode reads the record.
func (h *TxnHeader) Decode(d *jute.Decoder) {
	h.ClientID = d.Long()
	h.Cxid = d.Int()
	h.Zxid = d.Long()
	h.Time = d.Long()
	h.Type = Opcode(d.Int())
}

// DigestVersion is the version of the tree digest that TxnDigest carries
// (DigestCalculator.DIGEST_VERSION).
const DigestVersion int32 = 2

// TxnDigest is the digest of the tree after a transaction; 12 bytes that
// follow the body when digests are enabled.
type TxnDigest struct {
	Version int32
	Digest  int64
}

// Append appends the encoded record.
func (t *TxnDigest) Append(b []byte) []byte {
	return jute.AppendLong(jute.AppendInt(b, t.Version), t.Digest)
}

// Decode reads the record.
func (t *TxnDigest) Decode(d *jute.Decoder) {
	t.Version = d.Int()
	t.Digest = d.Long()
}

// CreateTxn is the body of create and create2. ParentCVersion is the value to
// set at the parent; -1 (and the older form without the field) means current
// plus one.
type CreateTxn struct {
	Path, Data     []byte
	ACL            []byte // encoded vector
	Ephemeral      bool
	ParentCVersion int32
}

// Append appends the encoded record.
func (t *CreateTxn) Append(b []byte) []byte {
	b = jute.AppendText(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = append(b, t.ACL...)
	b = jute.AppendBool(b, t.Ephemeral)
	return jute.AppendInt(b, t.ParentCVersion)
}

// Decode reads the record or its older form, CreateTxnV0, which ends before
// ParentCVersion.
func (t *CreateTxn) Decode(d *jute.Decoder) {
	t.Path, t.Data, t.ACL = d.Text(), d.Buffer(), RawACLs(d)
	t.Ephemeral = d.Bool()
	t.ParentCVersion = -1
	if d.Err() == nil && d.Len() >= 4 {
		t.ParentCVersion = d.Int()
	}
}

// CreateContainerTxn is the body of createContainer.
type CreateContainerTxn struct {
	Path, Data     []byte
	ACL            []byte // encoded vector
	ParentCVersion int32
}

// Append appends the encoded record.
func (t *CreateContainerTxn) Append(b []byte) []byte {
	b = jute.AppendText(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = append(b, t.ACL...)
	return jute.AppendInt(b, t.ParentCVersion)
}

// Decode reads the record.
func (t *CreateContainerTxn) Decode(d *jute.Decoder) {
	t.Path, t.Data, t.ACL = d.Text(), d.Buffer(), RawACLs(d)
	t.ParentCVersion = d.Int()
}

// CreateTTLTxn is the body of createTTL; TTL in ms.
type CreateTTLTxn struct {
	Path, Data     []byte
	ACL            []byte // encoded vector
	ParentCVersion int32
	TTL            int64
}

// Append appends the encoded record.
func (t *CreateTTLTxn) Append(b []byte) []byte {
	b = jute.AppendText(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = append(b, t.ACL...)
	b = jute.AppendInt(b, t.ParentCVersion)
	return jute.AppendLong(b, t.TTL)
}

// Decode reads the record.
func (t *CreateTTLTxn) Decode(d *jute.Decoder) {
	t.Path, t.Data, t.ACL = d.Text(), d.Buffer(), RawACLs(d)
	t.ParentCVersion = d.Int()
	t.TTL = d.Long()
}

// DeleteTxn is the body of delete and deleteContainer.
type DeleteTxn struct{ Path []byte }

// Append appends the encoded record.
func (t *DeleteTxn) Append(b []byte) []byte { return jute.AppendText(b, t.Path) }

// Decode reads the record.
func (t *DeleteTxn) Decode(d *jute.Decoder) { t.Path = d.Text() }

// SetDataTxn is the body of setData and reconfig; Version is the new one.
type SetDataTxn struct {
	Path, Data []byte
	Version    int32
}

// Append appends the encoded record.
func (t *SetDataTxn) Append(b []byte) []byte {
	b = jute.AppendText(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	return jute.AppendInt(b, t.Version)
}

// Decode reads the record.
func (t *SetDataTxn) Decode(d *jute.Decoder) {
	t.Path, t.Data, t.Version = d.Text(), d.Buffer(), d.Int()
}

// SetACLTxn is the body of setACL; Version is the new aversion.
type SetACLTxn struct {
	Path, ACL []byte // ACL: encoded vector
	Version   int32
}

// Append appends the encoded record.
func (t *SetACLTxn) Append(b []byte) []byte {
	b = jute.AppendText(b, t.Path)
	b = append(b, t.ACL...)
	return jute.AppendInt(b, t.Version)
}

// Decode reads the record.
func (t *SetACLTxn) Decode(d *jute.Decoder) {
	t.Path, t.ACL, t.Version = d.Text(), RawACLs(d), d.Int()
}

// CheckVersionTxn is the body of check, found only inside a multi.
type CheckVersionTxn struct {
	Path    []byte
	Version int32
}

// Append appends the encoded record.
func (t *CheckVersionTxn) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendText(b, t.Path), t.Version)
}

// Decode reads the record.
func (t *CheckVersionTxn) Decode(d *jute.Decoder) { t.Path, t.Version = d.Text(), d.Int() }

// CreateSessionTxn is the body of createSession; TimeOut in ms.
type CreateSessionTxn struct{ TimeOut int32 }

// Append appends the encoded record.
func (t *CreateSessionTxn) Append(b []byte) []byte { return jute.AppendInt(b, t.TimeOut) }

// Decode reads the record.
func (t *CreateSessionTxn) Decode(d *jute.Decoder) { t.TimeOut = d.Int() }

// ErrorTxn is the body of a refused write.
type ErrorTxn struct{ Err Code }

// Append appends the encoded record.
func (t *ErrorTxn) Append(b []byte) []byte { return jute.AppendInt(b, int32(t.Err)) }

// Decode reads the record.
func (t *ErrorTxn) Decode(d *jute.Decoder) { t.Err = Code(d.Int()) }

// AppendPaths appends a vector of paths: the body of closeSession, and the
// lists of setWatches and getEphemerals.
func AppendPaths(b []byte, paths [][]byte) []byte {
	b = jute.AppendInt(b, int32(len(paths)))
	for _, p := range paths {
		b = jute.AppendText(b, p)
	}
	return b
}

// DecodePaths reads a vector of paths into dst, reusing its memory; nil or
// empty for a null vector.
func DecodePaths(d *jute.Decoder, dst [][]byte) [][]byte {
	dst = dst[:0]
	for n := d.Count(4); n > 0 && d.Err() == nil; n-- {
		dst = append(dst, d.Text())
	}
	return dst
}

// SubTxn is one operation of a multi transaction: the body bytes of its type.
type SubTxn struct {
	Type Opcode
	Data []byte
}

// AppendSubTxn appends one operation of a multi transaction. The body of
// MultiTxn is an int count followed by that many.
func AppendSubTxn(b []byte, typ Opcode, data []byte) []byte {
	return jute.AppendBuffer(jute.AppendInt(b, int32(typ)), data)
}

// NextSubTxn reads the next operation of a multi transaction whose count has
// been read.
func NextSubTxn(d *jute.Decoder) SubTxn {
	return SubTxn{Type: Opcode(d.Int()), Data: d.Buffer()}
}

// TxnBodySize returns the length of the body of a transaction of type typ at
// the front of b, so that a reader can find the digest behind it. The bool is
// false when the body cannot be decoded.
//
// A closeSession without a body (files of 3.5 and older) cannot be told from
// one with zero paths by its bytes alone: twelve bytes that begin with the
// digest version are taken for a digest, as a list of exactly two paths needs
// at least that much more.
func TxnBodySize(typ Opcode, b []byte) (int, bool) {
	d := jute.NewDecoder(b)
	switch typ {
	case OpCreate, OpCreate2:
		return createBodySize(b)
	case OpCreateContainer:
		var t CreateContainerTxn
		t.Decode(&d)
	case OpCreateTTL:
		var t CreateTTLTxn
		t.Decode(&d)
	case OpDelete, OpDeleteContainer:
		d.Text()
	case OpSetData, OpReconfig:
		var t SetDataTxn
		t.Decode(&d)
	case OpSetACL:
		var t SetACLTxn
		t.Decode(&d)
	case OpCheck:
		var t CheckVersionTxn
		t.Decode(&d)
	case OpCreateSession, OpError:
		d.Int()
	case OpCloseSession:
		return closeBodySize(b)
	case OpMulti:
		for n := d.Count(8); n > 0 && d.Err() == nil; n-- {
			NextSubTxn(&d)
		}
	default:
		return 0, false
	}
	return d.Offset(), d.Err() == nil
}

// digestSize is the encoded size of a TxnDigest.
const digestSize = 12

func createBodySize(b []byte) (int, bool) {
	d := jute.NewDecoder(b)
	d.Text()
	d.Buffer()
	RawACLs(&d)
	d.Bool()
	if d.Err() != nil {
		return 0, false
	}
	// CreateTxnV0 ends here; what follows it is nothing or a digest.
	if n := d.Len(); n == 4 || n == 4+digestSize {
		d.Int()
	}
	return d.Offset(), true
}

func closeBodySize(b []byte) (int, bool) {
	if len(b) == 0 || len(b) == digestSize && b[3] == byte(DigestVersion) {
		return 0, true
	}
	d := jute.NewDecoder(b)
	for n := d.Count(4); n > 0 && d.Err() == nil; n-- {
		d.Text()
	}
	return d.Offset(), d.Err() == nil
}
