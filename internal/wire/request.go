package wire

import "zooid/internal/jute"

// RequestHeader stands before every request; 8 bytes.
type RequestHeader struct {
	Xid  int32
	Type Opcode
}

// Append appends the encoded record.
func (h *RequestHeader) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendInt(b, h.Xid), int32(h.Type))
}

// Decode reads the record.
func (h *RequestHeader) Decode(d *jute.Decoder) { h.Xid, h.Type = d.Int(), Opcode(d.Int()) }

// ConnectRequest is the first frame of a client. HasReadOnly is false for
// clients older than 3.4, which leave the last byte out.
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    int64
	TimeOut         int32 // ms
	SessionID       int64 // 0 = new session
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// Append appends the encoded record.
func (r *ConnectRequest) Append(b []byte) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendLong(b, r.LastZxidSeen)
	b = jute.AppendInt(b, r.TimeOut)
	b = jute.AppendLong(b, r.SessionID)
	b = jute.AppendBuffer(b, r.Passwd)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// Decode reads the record; whether the last byte is there decides HasReadOnly.
func (r *ConnectRequest) Decode(d *jute.Decoder) {
	r.ProtocolVersion = d.Int()
	r.LastZxidSeen = d.Long()
	r.TimeOut = d.Int()
	r.SessionID = d.Long()
	r.Passwd = d.Buffer()
	r.HasReadOnly = d.Err() == nil && d.Len() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// CreateRequest asks for create, create2 or createContainer.
type CreateRequest struct {
	Path, Data []byte
	ACL        []byte // encoded vector
	Flags      int32  // create mode
}

// Append appends the encoded record.
func (r *CreateRequest) Append(b []byte) []byte {
	b = jute.AppendText(b, r.Path)
	b = jute.AppendBuffer(b, r.Data)
	b = append(b, r.ACL...)
	return jute.AppendInt(b, r.Flags)
}

// Decode reads the record.
func (r *CreateRequest) Decode(d *jute.Decoder) {
	r.Path, r.Data, r.ACL, r.Flags = d.Text(), d.Buffer(), RawACLs(d), d.Int()
}

// CreateTTLRequest asks for createTTL; TTL in ms.
type CreateTTLRequest struct {
	CreateRequest
	TTL int64
}

// Append appends the encoded record.
func (r *CreateTTLRequest) Append(b []byte) []byte {
	return jute.AppendLong(r.CreateRequest.Append(b), r.TTL)
}

// Decode reads the record.
func (r *CreateTTLRequest) Decode(d *jute.Decoder) {
	r.CreateRequest.Decode(d)
	r.TTL = d.Long()
}

// PathVersionRequest is DeleteRequest and CheckVersionRequest; -1 does not
// check the version.
type PathVersionRequest struct {
	Path    []byte
	Version int32
}

// Append appends the encoded record.
func (r *PathVersionRequest) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendText(b, r.Path), r.Version)
}

// Decode reads the record.
func (r *PathVersionRequest) Decode(d *jute.Decoder) { r.Path, r.Version = d.Text(), d.Int() }

// PathWatchRequest is the request of exists, getData, getChildren and
// getChildren2.
type PathWatchRequest struct {
	Path  []byte
	Watch bool
}

// Append appends the encoded record.
func (r *PathWatchRequest) Append(b []byte) []byte {
	return jute.AppendBool(jute.AppendText(b, r.Path), r.Watch)
}

// Decode reads the record.
func (r *PathWatchRequest) Decode(d *jute.Decoder) { r.Path, r.Watch = d.Text(), d.Bool() }

// SetDataRequest asks for setData.
type SetDataRequest struct {
	Path, Data []byte
	Version    int32
}

// Append appends the encoded record.
func (r *SetDataRequest) Append(b []byte) []byte {
	b = jute.AppendText(b, r.Path)
	b = jute.AppendBuffer(b, r.Data)
	return jute.AppendInt(b, r.Version)
}

// Decode reads the record.
func (r *SetDataRequest) Decode(d *jute.Decoder) {
	r.Path, r.Data, r.Version = d.Text(), d.Buffer(), d.Int()
}

// SetACLRequest asks for setACL; Version is compared with aversion.
type SetACLRequest struct {
	Path    []byte
	ACL     []byte // encoded vector
	Version int32
}

// Append appends the encoded record.
func (r *SetACLRequest) Append(b []byte) []byte {
	b = jute.AppendText(b, r.Path)
	b = append(b, r.ACL...)
	return jute.AppendInt(b, r.Version)
}

// Decode reads the record.
func (r *SetACLRequest) Decode(d *jute.Decoder) {
	r.Path, r.ACL, r.Version = d.Text(), RawACLs(d), d.Int()
}

// PathModeRequest is AddWatchRequest (mode), CheckWatchesRequest and
// RemoveWatchesRequest (type).
type PathModeRequest struct {
	Path []byte
	Mode int32
}

// Append appends the encoded record.
func (r *PathModeRequest) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendText(b, r.Path), r.Mode)
}

// Decode reads the record.
func (r *PathModeRequest) Decode(d *jute.Decoder) { r.Path, r.Mode = d.Text(), d.Int() }

// AuthPacket adds an identity to a connection.
type AuthPacket struct {
	Type   int32
	Scheme []byte
	Auth   []byte
}

// Append appends the encoded record.
func (r *AuthPacket) Append(b []byte) []byte {
	b = jute.AppendInt(b, r.Type)
	b = jute.AppendText(b, r.Scheme)
	return jute.AppendBuffer(b, r.Auth)
}

// Decode reads the record.
func (r *AuthPacket) Decode(d *jute.Decoder) {
	r.Type, r.Scheme, r.Auth = d.Int(), d.Text(), d.Buffer()
}

// SetWatches re-registers the watches of a client after a reconnect. The two
// persistent lists exist only in SetWatches2.
type SetWatches struct {
	RelativeZxid        int64 // the last zxid that the client saw
	Data, Exist, Child  [][]byte
	Persistent          [][]byte
	PersistentRecursive [][]byte
	// FirstNull is the number, from 1, of the first list that Decode found to
	// be the null vector; 0 when there is none.
	FirstNull int
}

// Append appends the encoded record, with the persistent lists for SetWatches2.
func (r *SetWatches) Append(b []byte, two bool) []byte {
	b = jute.AppendLong(b, r.RelativeZxid)
	b = AppendPaths(b, r.Data)
	b = AppendPaths(b, r.Exist)
	b = AppendPaths(b, r.Child)
	if two {
		b = AppendPaths(b, r.Persistent)
		b = AppendPaths(b, r.PersistentRecursive)
	}
	return b
}

// Decode reads the record, with the persistent lists for SetWatches2.
func (r *SetWatches) Decode(d *jute.Decoder, two bool) {
	r.RelativeZxid = d.Long()
	lists := [...]*[][]byte{&r.Data, &r.Exist, &r.Child, &r.Persistent, &r.PersistentRecursive}
	n := len(lists)
	if !two {
		n = 3
	}
	r.FirstNull = 0
	for i, list := range lists[:n] {
		if r.FirstNull == 0 && d.Err() == nil && nextNull(d) {
			r.FirstNull = i + 1
		}
		*list = DecodePaths(d, *list)
	}
}

// nextNull reports whether the next vector is the null one.
func nextNull(d *jute.Decoder) bool {
	rest := jute.NewDecoder(d.Rest())
	return rest.Int() == -1 && rest.Err() == nil
}

// ReconfigRequest asks for reconfig.
type ReconfigRequest struct {
	Joining, Leaving, NewMembers []byte
	CurConfigID                  int64
}

// Append appends the encoded record.
func (r *ReconfigRequest) Append(b []byte) []byte {
	b = jute.AppendText(b, r.Joining)
	b = jute.AppendText(b, r.Leaving)
	b = jute.AppendText(b, r.NewMembers)
	return jute.AppendLong(b, r.CurConfigID)
}

// Decode reads the record.
func (r *ReconfigRequest) Decode(d *jute.Decoder) {
	r.Joining, r.Leaving, r.NewMembers = d.Text(), d.Text(), d.Text()
	r.CurConfigID = d.Long()
}

// MultiHeader stands before each operation and each result of a multi, and,
// with Done, at the end; 9 bytes.
type MultiHeader struct {
	Type Opcode
	Done bool
	Err  Code
}

// MultiEnd closes a list of operations or results.
var MultiEnd = MultiHeader{Type: OpError, Done: true, Err: -1}

// MultiHeaderSize is the encoded size of a MultiHeader in bytes.
const MultiHeaderSize = 9

// Append appends the encoded record.
func (h *MultiHeader) Append(b []byte) []byte {
	b = jute.AppendInt(b, int32(h.Type))
	b = jute.AppendBool(b, h.Done)
	return jute.AppendInt(b, int32(h.Err))
}

// Decode reads the record.
func (h *MultiHeader) Decode(d *jute.Decoder) {
	h.Type, h.Done, h.Err = Opcode(d.Int()), d.Bool(), Code(d.Int())
}
