package zab

import (
	"fmt"
	"testing"

	"zooid/internal/wire"
)

// voice is one acknowledgement.
type voice struct {
	id   int64
	zxid Zxid
}

func TestCommitNeedsAMajority(t *testing.T) {
	for _, c := range []struct {
		name   string
		voters []int64
		acks   []voice // in order
		want   Zxid
	}{
		{"alone", []int64{1}, []voice{{1, 7}}, 7},
		{"alone, batch", []int64{1}, []voice{{1, 6}, {1, 8}}, 8},
		{"two of three", []int64{1, 2, 3}, []voice{{1, 8}, {3, 7}}, 7},
		{"two of three without the leader", []int64{1, 2, 3}, []voice{{2, 8}, {3, 7}}, 7},
		{"one of three", []int64{1, 2, 3}, []voice{{2, 8}}, 5},
		{"two of four is no majority", []int64{1, 2, 3, 4}, []voice{{1, 8}, {2, 8}}, 5},
		{"stranger", []int64{1, 2, 3}, []voice{{1, 8}, {9, 8}}, 5},
		{"never proposed", []int64{1}, []voice{{1, 9}}, 5},
		{"old news", []int64{1}, []voice{{1, 7}, {1, 6}}, 7},
	} {
		text := ""
		for _, id := range c.voters {
			text += fmt.Sprintf("server.%d=h%d:1:2 ", id, id)
		}
		l := Alone(1, NewQuorums(parse(t, text), nil), 5)
		for i, id := range []int64{2, 3, 4, 9} {
			k := l.LinkUp(0, LinkID(i))
			k.SID, k.phase = id, serving
		}
		for want := Zxid(6); want <= 8; want++ {
			if got := l.Propose(); got != want {
				t.Fatalf("%s: proposed %d, want %d", c.name, got, want)
			}
		}
		for _, a := range c.acks {
			if a.id == 1 {
				l.Durable(a.zxid)
			}
			for _, k := range l.Learners() {
				if k.SID == a.id {
					l.acknowledge(k, a.zxid)
				}
			}
		}
		if l.Committed() != c.want {
			t.Errorf("%s: committed %d, want %d", c.name, l.Committed(), c.want)
		}
		if l.Outstanding() != int(8-c.want) {
			t.Errorf("%s: %d outstanding", c.name, l.Outstanding())
		}
	}
}

// A voter that has accepted a later epoch can never follow. It is refused, and if
// it goes on for initLimit the leader makes way for one that can take it along;
// an observer is only refused, and so is a voter that turns out to be well.
func TestLeaderMakesWayForALaterEpoch(t *testing.T) {
	const limit = 1000
	for _, c := range []struct {
		packet wire.PacketType
		epochs []int64 // of introductions, half a limit apart
		gives  bool
	}{
		{wire.PacketFollowerInfo, []int64{18}, false},
		{wire.PacketFollowerInfo, []int64{18, 18}, false},
		{wire.PacketFollowerInfo, []int64{18, 18, 18}, true},
		{wire.PacketFollowerInfo, []int64{18, 17, 18}, false},
		{wire.PacketObserverInfo, []int64{18, 18, 18}, false},
	} {
		q := NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2"), nil)
		l := Alone(1, q, EpochStart(17)+4)
		l.opt.InitLimit = limit
		refused := 0
		for i, epoch := range c.epochs {
			now := int64(i) * limit / 2
			k := l.LinkUp(now, LinkID(i+1))
			info := wire.LearnerInfo{SID: 2, ProtocolVersion: wire.LearnerProtocol}
			l.Packet(now, k, &wire.QuorumPacket{Type: c.packet, Zxid: EpochStart(epoch), Data: info.Append(nil)}, 0)
			out := l.Take()
			refused += len(out.Refused)
			if want := c.gives && i == len(c.epochs)-1; (out.GiveUp != "") != want {
				t.Errorf("%v of epochs %v: %+v", c.packet, c.epochs[:i+1], out)
			}
		}
		if refused == 0 {
			t.Errorf("%v of epochs %v: never refused", c.packet, c.epochs)
		}
	}
}

// TestObserverThatWillVote: a reconfiguration that only the leader has logged
// makes an observer a voter, and nobody else can complete the quorum. It counts
// while the leader becomes one, though it still observes.
func TestObserverThatWillVote(t *testing.T) {
	now, next := parse(t, "server.1=a:1:2 server.2=b:1:2:observer"), parse(t, "server.1=a:1:2 server.2=b:1:2 version=5")
	l := NewLeader(LeaderOptions{Self: 1, TickTime: 100, InitLimit: 1000, SyncLimit: 500}, NewQuorums(now, next), History{Zxid: 7, Epoch: 1}, 1, 0)
	k := l.LinkUp(0, 9)
	info := wire.LearnerInfo{SID: 2, ProtocolVersion: wire.LearnerProtocol}
	l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketObserverInfo, Zxid: EpochStart(1), Data: info.Append(nil)}, 0)
	if out := l.Take(); out.SaveAccepted != 2 {
		t.Fatalf("introduced: %+v", out)
	}
	l.EpochSaved(0, true)
	l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketAckEpoch, Zxid: 7, Data: []byte{0, 0, 0, 1}}, 0)
	if out := l.Take(); out.SaveCurrent != 2 || len(out.Sync) != 1 {
		t.Fatalf("accepted: %+v", out)
	}
	l.EpochSaved(0, false)
	l.Synchronise(0, k, nil)
	l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketAck, Zxid: EpochStart(2)}, 0)
	if out := l.Take(); !out.Established {
		t.Fatalf("synchronised: %+v", out)
	}
	if l.Votes(k) {
		t.Error("an observer votes")
	}
}

// A leader that stood still for longer than initLimit finds acknowledgements of
// learners that may have followed another leader since. It must not begin to
// broadcast in an epoch that is over before its clock is looked at.
func TestALeaderThatStoodStill(t *testing.T) {
	const limit = 1000
	for at, want := range map[int64]bool{limit - 1: true, limit: false, 10 * limit: false} {
		q := NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2"), nil)
		l := NewLeader(LeaderOptions{Self: 1, TickTime: 100, InitLimit: limit, SyncLimit: 500}, q, History{Zxid: 7, Epoch: 1}, 1, 0)
		k := l.LinkUp(0, 9)
		info := wire.LearnerInfo{SID: 2, ProtocolVersion: wire.LearnerProtocol}
		l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketFollowerInfo, Zxid: EpochStart(1), Data: info.Append(nil)}, 0)
		l.EpochSaved(0, true)
		l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketAckEpoch, Zxid: 7, Data: []byte{0, 0, 0, 1}}, 0)
		l.Take()
		l.Synchronise(0, k, nil)
		l.EpochSaved(0, false)
		l.Packet(at, k, &wire.QuorumPacket{Type: wire.PacketAck, Zxid: EpochStart(2)}, 0)
		if out := l.Take(); out.Established != want || (out.GiveUp == "") != want {
			t.Errorf("acknowledged at %d: %+v", at, out)
		}
	}
}

// A server whose file says that it has accepted the last epoch there is cannot
// lead into another: zxids would be negative, and no server takes those.
func TestNoEpochBehindTheLast(t *testing.T) {
	for accepted, gives := range map[int64]bool{lastEpoch - 1: false, lastEpoch: true} {
		q := NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2"), nil)
		l := NewLeader(LeaderOptions{Self: 1, TickTime: 100, InitLimit: 1000, SyncLimit: 500}, q, History{Zxid: 7, Epoch: 1}, accepted, 0)
		k := l.LinkUp(0, 9)
		info := wire.LearnerInfo{SID: 2, ProtocolVersion: wire.LearnerProtocol}
		l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketFollowerInfo, Zxid: EpochStart(1), Data: info.Append(nil)}, 0)
		if out := l.Take(); (out.GiveUp != "") != gives || (out.SaveAccepted == lastEpoch) == gives {
			t.Errorf("accepted %d: %+v", accepted, out)
		}
	}
}

// The last counter that is handed out is 0xfffffffe (ZOOKEEPER-1277): the next
// leader begins another epoch, and what it hands out is newer.
func TestAnEpochIsUsedUp(t *testing.T) {
	for _, c := range []struct {
		last uint32 // of the options
		at   uint32 // counter of the newest proposal
		full bool
	}{
		{0, 0, false}, {0, 1<<31 - 1, false}, {0, 1 << 31, false}, {0, 0xfffffffd, false}, {0, 0xfffffffe, true}, {0, 0xffffffff, true},
		{8, 7, false}, {8, 8, true},
	} {
		l := &Leader{opt: LeaderOptions{Last: c.last}, proposed: EpochStart(7) | int64(c.at)}
		if l.Full() != c.full {
			t.Errorf("full at counter 0x%x with the limit %d: %v", c.at, c.last, l.Full())
		}
	}
	l := &Leader{proposed: EpochStart(7) | 0xfffffffd}
	last := l.Propose()
	if !l.Full() || EpochOf(last) != 7 || CounterOf(last) != 0xfffffffe {
		t.Errorf("the last zxid of epoch 7 is 0x%x, full %v", last, l.Full())
	}
	if first := EpochStart(8) + 1; first <= last {
		t.Errorf("the first zxid of epoch 8, 0x%x, is not newer", first)
	}
}

// A learner that is in sync only when its leader broadcasts already holds all
// that the epoch began with: it has nothing to acknowledge until there is a
// proposal, and must not be taken for one that does not.
func TestLastLearnerOfAnIdleLeader(t *testing.T) {
	const second, epoch = 1000, 2
	l := NewLeader(LeaderOptions{Self: 3, TickTime: second, InitLimit: 10 * second, SyncLimit: 5 * second},
		NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2"), nil), History{Zxid: EpochStart(1) + 6, Epoch: 1}, 1, 0)
	links := []*LearnerLink{l.LinkUp(0, 1), l.LinkUp(0, 2)}
	for i, k := range links {
		info := wire.LearnerInfo{SID: int64(i + 1), ProtocolVersion: wire.LearnerProtocol}
		l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketFollowerInfo, Zxid: EpochStart(1), Data: info.Append(nil)}, 0)
	}
	l.EpochSaved(0, true)
	for _, k := range links {
		l.Packet(0, k, &wire.QuorumPacket{Type: wire.PacketAckEpoch, Zxid: EpochStart(1) + 6, Data: []byte{0, 0, 0, 1}}, 0)
	}
	for _, k := range l.Take().Sync {
		l.Synchronise(0, k, nil)
	}
	l.EpochSaved(0, false)
	newLeader := &wire.QuorumPacket{Type: wire.PacketAck, Zxid: EpochStart(epoch)}
	if l.Packet(0, links[0], newLeader, 0); !l.Take().Established {
		t.Fatal("a quorum is in sync, and there is no broadcast")
	}
	l.Welcome(0)
	l.Packet(0, links[1], newLeader, 0)
	for now := int64(0); now < 20*second; now += second / 2 {
		l.Tick(now)
		for _, k := range links {
			l.Heard(now, k)
		}
	}
	if out := l.Take(); len(out.Refused) > 0 || out.GiveUp != "" {
		t.Errorf("%+v", out)
	}
}
