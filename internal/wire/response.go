package wire

import "zooid/internal/jute"

// ReplyHeader stands before every reply and notification; 16 bytes.
type ReplyHeader struct {
	Xid  int32
	Zxid int64
	Err  Code
}

// ReplyHeaderSize is the encoded size of a ReplyHeader in bytes.
const ReplyHeaderSize = 16

// Append appends the encoded record.
func (h *ReplyHeader) Append(b []byte) []byte {
	b = jute.AppendInt(b, h.Xid)
	b = jute.AppendLong(b, h.Zxid)
	return jute.AppendInt(b, int32(h.Err))
}

// Decode reads the record.
func (h *ReplyHeader) Decode(d *jute.Decoder) {
	h.Xid, h.Zxid, h.Err = d.Int(), d.Long(), Code(d.Int())
}

// ConnectResponse answers a ConnectRequest; the last byte is left out for
// clients that left it out.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeOut         int32 // ms; 0 or less: the session is gone
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// Append appends the encoded record.
func (r *ConnectResponse) Append(b []byte) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendInt(b, r.TimeOut)
	b = jute.AppendLong(b, r.SessionID)
	b = jute.AppendBuffer(b, r.Passwd)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// Decode reads the record.
func (r *ConnectResponse) Decode(d *jute.Decoder) {
	r.ProtocolVersion = d.Int()
	r.TimeOut = d.Int()
	r.SessionID = d.Long()
	r.Passwd = d.Buffer()
	r.HasReadOnly = d.Err() == nil && d.Len() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// The event types of a notification that a server sends (Watcher.Event.EventType).
const (
	EventNodeCreated         int32 = 1
	EventNodeDeleted         int32 = 2
	EventNodeDataChanged     int32 = 3
	EventNodeChildrenChanged int32 = 4
)

// StateSyncConnected is the only state that a server puts in a notification.
const StateSyncConnected int32 = 3

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type  int32
	State int32
	Path  []byte
}

// Append appends the encoded record.
func (e *WatcherEvent) Append(b []byte) []byte {
	b = jute.AppendInt(b, e.Type)
	b = jute.AppendInt(b, e.State)
	return jute.AppendText(b, e.Path)
}

// Decode reads the record.
func (e *WatcherEvent) Decode(d *jute.Decoder) {
	e.Type, e.State, e.Path = d.Int(), d.Int(), d.Text()
}

// The other responses are short compositions of paths, buffers, vectors and
// Stat; the functions below append and read those that have more than one part.

// AppendCreate2Response appends path and stat.
func AppendCreate2Response(b, path []byte, s *Stat) []byte {
	return s.Append(jute.AppendText(b, path))
}

// AppendGetDataResponse appends data (nil is the null buffer) and stat.
func AppendGetDataResponse(b, data []byte, s *Stat) []byte {
	return s.Append(jute.AppendBuffer(b, data))
}

// AppendClientInfo appends one entry of a WhoAmIResponse; user may be null.
func AppendClientInfo(b []byte, scheme string, user []byte) []byte {
	return jute.AppendText(jute.AppendString(b, scheme), user)
}
