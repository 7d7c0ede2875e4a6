package wire

import (
	"errors"

	"zooid/internal/jute"
)

// PacketType is the type of a packet between a learner and its leader.
type PacketType int32

// The packet types of Leader and of ObserverMaster.
const (
	PacketRequest           PacketType = 1  // learner: an operation of a client
	PacketProposal          PacketType = 2  // leader: a transaction to log
	PacketAck               PacketType = 3  // follower: logged up to the zxid
	PacketCommit            PacketType = 4  // leader: apply the proposal
	PacketPing              PacketType = 5  // both: alive; the answer lists touched sessions
	PacketRevalidate        PacketType = 6  // both: is the session valid
	PacketSync              PacketType = 7  // leader: the oldest pending sync is through
	PacketInform            PacketType = 8  // leader to observers: proposal and commit in one
	PacketCommitAndActivate PacketType = 9  // leader: COMMIT of a reconfig
	PacketNewLeader         PacketType = 10 // leader: the end of what the learner lacked
	PacketFollowerInfo      PacketType = 11 // follower: the first packet
	PacketUpToDate          PacketType = 12 // leader: serve clients
	PacketDiff              PacketType = 13 // leader: missing proposals follow
	PacketTrunc             PacketType = 14 // leader: cut the log behind the zxid
	PacketSnap              PacketType = 15 // leader: a snapshot follows
	PacketObserverInfo      PacketType = 16 // observer: the first packet
	PacketLeaderInfo        PacketType = 17 // leader: the epoch that it proposes
	PacketAckEpoch          PacketType = 18 // learner: accepts the epoch
	PacketInformAndActivate PacketType = 19 // leader to observers: INFORM of a reconfig
)

var packetNames = [...]string{
	PacketRequest: "REQUEST", PacketProposal: "PROPOSAL", PacketAck: "ACK", PacketCommit: "COMMIT",
	PacketPing: "PING", PacketRevalidate: "REVALIDATE", PacketSync: "SYNC", PacketInform: "INFORM",
	PacketCommitAndActivate: "COMMITANDACTIVATE", PacketNewLeader: "NEWLEADER", PacketFollowerInfo: "FOLLOWERINFO",
	PacketUpToDate: "UPTODATE", PacketDiff: "DIFF", PacketTrunc: "TRUNC", PacketSnap: "SNAP",
	PacketObserverInfo: "OBSERVERINFO", PacketLeaderInfo: "LEADERINFO", PacketAckEpoch: "ACKEPOCH",
	PacketInformAndActivate: "INFORMANDACTIVATE",
}

// String returns the name of the constant in Leader, or "unknown N".
func (t PacketType) String() string {
	if t > 0 && int(t) < len(packetNames) {
		return packetNames[t]
	}
	return "unknown " + itoa(int64(t))
}

// QuorumPacket is one packet of the stream between a learner and its leader.
// The stream has no length prefixes, and the bytes of a snapshot follow a SNAP
// directly.
type QuorumPacket struct {
	Type PacketType
	Zxid int64
	// Data depends on the type; nil is null. Decoded it is a slice of the
	// input.
	Data []byte
	// AuthInfo are the identities of the client of a REQUEST, nil otherwise.
	AuthInfo []ID
}

// packetHead is the size of type, zxid and the length of the data.
const packetHead = 16

// idMinSize is the encoded size of an identity of two empty strings.
const idMinSize = 8

// Append appends the packet as QuorumPacket of zookeeper.jute.
func (p *QuorumPacket) Append(b []byte) []byte {
	b = jute.AppendInt(b, int32(p.Type))
	b = jute.AppendLong(b, p.Zxid)
	b = jute.AppendBuffer(b, p.Data)
	if p.AuthInfo == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(p.AuthInfo)))
	for _, id := range p.AuthInfo {
		b = jute.AppendString(b, id.Scheme)
		b = jute.AppendString(b, id.ID)
	}
	return b
}

// Decode reads the packet at the front of in, where more of the stream may be
// to come, and returns how many bytes it takes. maxBytes bounds the data and,
// on its own, the identities.
//
// With jute.ErrShort in holds only a part of the packet, and n is the least
// number of bytes at the front of the stream with which it makes sense to try
// again: never more than two times maxBytes and 20 bytes. With jute.ErrLength
// the stream is bad. The packet is set only without an error; it shares Data
// with in, and nothing is allocated before all of its bytes are there.
func (p *QuorumPacket) Decode(in []byte, maxBytes int) (n int, err error) {
	s := stream{in: in}
	if !s.need(packetHead) {
		return s.end, jute.ErrShort
	}
	d := jute.NewDecoder(in)
	packet := QuorumPacket{Type: PacketType(d.Int()), Zxid: d.Long()}
	s.end -= 4
	if err := s.skipBuffer(maxBytes); err != nil {
		return s.end, err
	}
	idsAt := s.end
	count, err := s.int()
	if err != nil {
		return s.end, err
	}
	// Java's loop over any negative count ends at once.
	if int64(count)*idMinSize > int64(maxBytes) {
		return s.end, jute.ErrLength
	}
	room := maxBytes
	for i := 0; i < 2*int(count); i++ {
		from := s.end
		if err := s.skipBuffer(room); err != nil {
			return s.end, err
		}
		if room -= s.end - from; room < 0 {
			return s.end, jute.ErrLength
		}
	}
	packet.Data = d.Buffer()
	packet.AuthInfo = decodeIDs(in[idsAt:s.end])
	*p = packet
	return s.end, nil
}

func decodeIDs(in []byte) []ID {
	d := jute.NewDecoder(in)
	n := d.Count(idMinSize)
	if n < 0 {
		return nil
	}
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = ID{Scheme: d.String(), ID: d.String()}
	}
	return ids
}

// stream walks over values of which the end may still be missing: end is where
// the next value starts, or, after jute.ErrShort, how far the input has to
// reach.
type stream struct {
	in  []byte
	end int
}

func (s *stream) need(n int) bool {
	s.end += n
	return s.end <= len(s.in)
}

func (s *stream) int() (int32, error) {
	at := s.end
	if !s.need(4) {
		return 0, jute.ErrShort
	}
	d := jute.NewDecoder(s.in[at:])
	return d.Int(), nil
}

// skipBuffer steps over a buffer of at most most bytes, or a null one.
func (s *stream) skipBuffer(most int) error {
	n, err := s.int()
	switch {
	case err != nil:
		return err
	case n < -1 || int64(n) > int64(most):
		return jute.ErrLength
	case n > 0 && !s.need(int(n)):
		return jute.ErrShort
	}
	return nil
}

// LearnerProtocol is the version of the learner protocol since ZooKeeper 3.4;
// with a lower one there are no LEADERINFO and ACKEPOCH.
const LearnerProtocol int32 = 0x10000

// LearnerInfo is the data of FOLLOWERINFO and OBSERVERINFO.
type LearnerInfo struct {
	SID int64 // server id of the learner
	// ProtocolVersion is LearnerProtocol, or 1 from a learner that does not
	// say.
	ProtocolVersion int32
	// ConfigVersion is the version of the learner's last-seen configuration,
	// 0 from a learner that does not say.
	ConfigVersion int64
}

// Append appends the 20 byte form.
func (l *LearnerInfo) Append(b []byte) []byte {
	b = jute.AppendLong(b, l.SID)
	b = jute.AppendInt(b, l.ProtocolVersion)
	return jute.AppendLong(b, l.ConfigVersion)
}

// ErrNoLearnerInfo says that a learner did not introduce itself, as before
// ZooKeeper 3.3: the leader gives it a negative id of its own.
var ErrNoLearnerInfo = errors.New("wire: learner without an id")

// Decode reads the data of a packet: 8 bytes with the id alone, 12 with the
// protocol version, 20 or more with both. Null data is ErrNoLearnerInfo. Less
// than 8 bytes, which no version sends, are jute.ErrShort; LearnerHandler
// takes them for the server 0.
func (l *LearnerInfo) Decode(data []byte) error {
	if data == nil {
		return ErrNoLearnerInfo
	}
	d := jute.NewDecoder(data)
	info := LearnerInfo{SID: d.Long(), ProtocolVersion: 1}
	if d.Len() >= 4 {
		info.ProtocolVersion = d.Int()
	}
	if d.Len() >= 8 {
		info.ConfigVersion = d.Long()
	}
	if d.Err() != nil {
		return d.Err()
	}
	*l = info
	return nil
}
