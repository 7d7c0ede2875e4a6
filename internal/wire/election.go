package wire

import (
	"errors"
	"strings"

	"zooid/internal/jute"
)

// PeerState is what a server of an ensemble is doing, by the numbers of a
// notification.
type PeerState int32

// The states of QuorumPeer.ServerState.
const (
	Looking   PeerState = 0
	Following PeerState = 1
	Leading   PeerState = 2
	Observing PeerState = 3
)

// String returns the name of the state in Apache's logs, or "unknown N".
func (s PeerState) String() string {
	switch s {
	case Looking:
		return "LOOKING"
	case Following:
		return "FOLLOWING"
	case Leading:
		return "LEADING"
	case Observing:
		return "OBSERVING"
	}
	return "unknown " + itoa(int64(s))
}

// NotificationVersion is the version of the notifications that are sent since
// ZooKeeper 3.5: those with the text of a configuration.
const NotificationVersion int32 = 2

// ErrNotification says that a message is no notification: it is dropped, and
// the connection stays.
var ErrNotification = errors.New("wire: not a notification")

// Notification is one message of the election: what a server votes for.
type Notification struct {
	// State is that of the sender. A number that is no state decodes, since
	// senders that do not vote are answered all the same.
	State     PeerState
	Leader    int64 // server id of the proposed leader
	Zxid      int64 // the newest zxid in its log
	Round     int64 // election epoch, the sender's logical clock
	PeerEpoch int64 // epoch of the proposed leader
	Version   int32 // of the message; 0 from servers before 3.4.6
	// Config is the text of the sender's committed configuration, nil in
	// messages before version 2. Decoded it is a slice of the input.
	Config []byte
}

// Sizes of a notification.
const (
	notificationOldest = 28 // without a peer epoch: until ZooKeeper 3.3
	notificationPlain  = 40 // with a version that is not to be read: 3.4
)

// Append appends the message as FastLeaderElection.buildMsg makes it, without
// the length that stands before it on a connection. Version must be at least
// 2 for the configuration to be part of it.
func (n *Notification) Append(b []byte) []byte {
	b = jute.AppendInt(b, int32(n.State))
	b = jute.AppendLong(b, n.Leader)
	b = jute.AppendLong(b, n.Zxid)
	b = jute.AppendLong(b, n.Round)
	b = jute.AppendLong(b, n.PeerEpoch)
	b = jute.AppendInt(b, n.Version)
	if n.Version > 1 {
		b = jute.AppendInt(b, int32(len(n.Config)))
		b = append(b, n.Config...)
	}
	return b
}

// Decode reads a whole message, by the size rules of FastLeaderElection's
// receiver: 28 bytes have no peer epoch, which is then that of the zxid; in 40
// bytes the version is not read; in all other sizes everything must be there,
// so that the 36 bytes of ZooKeeper 3.4.0 to 3.4.5 are refused. Bytes behind
// the end do not count. The only error is ErrNotification, and n is set only
// without one.
func (n *Notification) Decode(message []byte) error {
	if len(message) < notificationOldest {
		return ErrNotification
	}
	d := jute.NewDecoder(message)
	got := Notification{State: PeerState(d.Int()), Leader: d.Long(), Zxid: d.Long(), Round: d.Long()}
	got.PeerEpoch = int64(uint64(got.Zxid) >> 32)
	if len(message) != notificationOldest {
		got.PeerEpoch = d.Long()
		if len(message) != notificationPlain {
			got.Version = d.Int()
		}
	}
	if got.Version > 1 {
		if got.Config = d.Buffer(); got.Config == nil {
			return ErrNotification
		}
	}
	if d.Err() != nil {
		return ErrNotification
	}
	*n = got
	return nil
}

// The versions of the first message on an election connection.
const (
	helloVersion1 int64 = -65536 // with one address
	helloVersion2 int64 = -65535 // with several
	maxHelloText        = 2048
)

// AnonymousSID is the server id that an observer without one sends: whoever
// accepts it gives it -1, -2 and so on (QuorumPeer.OBSERVER_ID).
const AnonymousSID int64 = 1<<63 - 1

// ErrHello says that the first message of an election connection is bad: the
// connection is closed.
var ErrHello = errors.New("wire: bad first message of an election connection")

// Hello is the first message on an election connection, written by the side
// that dialled. It must be written in one piece: Apache's server takes a text
// that comes in two for a broken one.
type Hello struct {
	SID int64
	// Addresses are the election addresses of the sender as host:port, with an
	// IPv6 host in brackets. Without one the message is that of ZooKeeper 3.4,
	// which says the id alone.
	Addresses []string
	// Multiple asks for the form with several addresses even for a single one,
	// as multiAddress.enabled does.
	Multiple bool
}

// Append appends the message. More than one address needs Multiple.
func (h *Hello) Append(b []byte) []byte {
	if len(h.Addresses) == 0 {
		return jute.AppendLong(b, h.SID)
	}
	version := helloVersion1
	if h.Multiple {
		version = helloVersion2
	}
	b = jute.AppendLong(b, version)
	b = jute.AppendLong(b, h.SID)
	return jute.AppendString(b, strings.Join(h.Addresses, "|"))
}

// Decode reads the message at the front of in, where more of the stream may be
// to come, and returns how many bytes it takes. With jute.ErrShort in holds
// only a part of it, and n is the least size with which it makes sense to try
// again, at most 2068; with ErrHello the message is bad. Addresses are checked
// for their form only; that wildcard ones do not count is left to the caller,
// who can tell them. h is set only without an error.
func (h *Hello) Decode(in []byte) (n int, err error) {
	s := stream{in: in}
	if !s.need(8) {
		return s.end, jute.ErrShort
	}
	d := jute.NewDecoder(in)
	version := d.Long()
	switch {
	case version >= 0:
		*h = Hello{SID: version}
		return s.end, nil
	case version != helloVersion1 && version != helloVersion2:
		return s.end, ErrHello
	case !s.need(8):
		return s.end, jute.ErrShort
	}
	sid := d.Long()
	if err := s.skipBuffer(maxHelloText); err != nil {
		if err == jute.ErrLength {
			err = ErrHello
		}
		return s.end, err
	}
	text := d.String()
	if text == "" {
		return s.end, ErrHello
	}
	addresses := strings.Split(text, "|")
	for len(addresses) > 1 && addresses[len(addresses)-1] == "" {
		addresses = addresses[:len(addresses)-1]
	}
	for _, a := range addresses {
		if !isHostPort(a) {
			return s.end, ErrHello
		}
	}
	*h = Hello{SID: sid, Addresses: addresses, Multiple: version == helloVersion2}
	return s.end, nil
}

// isHostPort says whether text is host:port or [IPv6]:port.
func isHostPort(text string) bool {
	var host, port string
	if strings.HasPrefix(text, "[") {
		end := strings.Index(text, "]:")
		if end < 0 {
			return false
		}
		host, port = text[1:end], text[end+2:]
	} else {
		var ok bool
		if host, port, ok = strings.Cut(text, ":"); !ok {
			return false
		}
	}
	if host == "" || port == "" || len(port) > 5 {
		return false
	}
	n := 0
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
		n = 10*n + int(c-'0')
	}
	return n <= 65535
}
