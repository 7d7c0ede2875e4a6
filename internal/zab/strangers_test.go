package zab

import (
	"strings"
	"testing"

	"zooid/internal/wire"
)

// hosting is a leader of three voters and an observer, in broadcast in epoch 17,
// that learners can introduce themselves to.
type hosting struct {
	*Leader
	t    *testing.T
	last LinkID
}

func host(t *testing.T) *hosting {
	q := NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 server.4=d:1:2:observer"), nil)
	l := Alone(1, q, EpochStart(17)+4)
	l.opt = LeaderOptions{Self: 1, TickTime: 100, InitLimit: 1000, SyncLimit: 500}
	return &hosting{Leader: l, t: t}
}

// introduced is a new learner that has said its id and which epoch it has
// accepted, with the reason if that is refused.
func (h *hosting) introduced(now, sid, epoch int64) (k *LearnerLink, refused string) {
	h.t.Helper()
	h.last++
	k = h.LinkUp(now, h.last)
	info := wire.LearnerInfo{SID: sid, ProtocolVersion: wire.LearnerProtocol}
	h.Packet(now, k, &wire.QuorumPacket{Type: wire.PacketFollowerInfo, Zxid: EpochStart(epoch), Data: info.Append(nil)}, 0)
	out := h.Take()
	if out.GiveUp != "" {
		h.t.Fatalf("the leader gives up: %s", out.GiveUp)
	}
	for _, r := range out.Refused {
		if r.Link == k.Link {
			refused = r.Why
		} else {
			refused = "the other one: " + r.Why
		}
	}
	return k, refused
}

// TestStrangersAreLimited: ids that no configuration has take only so many
// connections; members always find room, and so does who comes again.
func TestStrangersAreLimited(t *testing.T) {
	h := host(t)
	for id := range int64(MaxStrangers) {
		if _, why := h.introduced(0, 100+id, 17); why != "" {
			t.Fatalf("stranger %d: %s", id, why)
		}
	}
	if _, why := h.introduced(0, 99, 17); !strings.Contains(why, "server 99 is not in the configuration") {
		t.Errorf("one stranger too many: %q", why)
	}
	for id := int64(2); id <= 4; id++ {
		if _, why := h.introduced(0, id, 17); why != "" {
			t.Errorf("member %d beside many strangers: %s", id, why)
		}
	}
	if _, why := h.introduced(0, 100, 17); why != "the other one: server 100 has connected again" {
		t.Errorf("a stranger that is back: %q", why)
	}
	h.LinkDown(0, 2)
	if _, why := h.introduced(0, 99, 17); why != "" {
		t.Errorf("when one has gone: %s", why)
	}
}

// TestSecondServerOfOneID: a learner that lives keeps its place against another
// of the same id, and one that has left an old connection for a new one is let
// in as soon as that is known.
func TestSecondServerOfOneID(t *testing.T) {
	h := host(t)
	first, _ := h.introduced(0, 2, 17)
	first.phase = serving
	h.Heard(1000, first)
	// Also when it claims what would end the leadership.
	twin, why := h.introduced(1010, 2, 1<<20)
	if why != "" || twin.phase != connected {
		t.Fatalf("phase %d, %q: it is not known yet what becomes of the first one", twin.phase, why)
	}
	h.Heard(1140, first)
	h.Tick(1150)
	if h.Take().Refused != nil {
		t.Error("somebody is refused too early")
	}
	h.Heard(1160, first)
	h.Tick(1170)
	out := h.Take()
	if out.GiveUp != "" || len(out.Refused) != 1 || out.Refused[0].Link != twin.Link || !strings.Contains(out.Refused[0].Why, "server 2 is connected already") {
		t.Errorf("the second of an id: %+v", out)
	}

	second, _ := h.introduced(1180, 2, 17)
	h.LinkDown(1181, first.Link)
	if second.phase != offered || h.Take().Refused != nil {
		t.Errorf("phase %d after the end of the old connection", second.phase)
	}

	second.phase = serving
	h.Heard(1200, second)
	third, _ := h.introduced(1210, 2, 17)
	h.Tick(1299)
	if third.phase != connected {
		t.Error("one is let in while the other may be alive")
	}
	h.Tick(1300)
	if out := h.Take(); third.phase != offered || len(out.Refused) != 1 || out.Refused[0].Link != second.Link {
		t.Errorf("phase %d after a tick of silence of the old connection, %+v", third.phase, out)
	}
}

// TestEpochsOfLearners: an epoch is a signed int: -1 is that of a server that has
// accepted none (zookeeper.db.autocreate=false), and behind the last one there is
// no other that a leader could begin.
func TestEpochsOfLearners(t *testing.T) {
	h := host(t)
	if k, why := h.introduced(0, 2, -1); why != "" || k.phase != offered {
		t.Errorf("a server without an epoch: %q", why)
	}
	if _, why := h.introduced(0, 3, 1<<31-1); !strings.Contains(why, "says that it has accepted epoch 2147483647") {
		t.Errorf("the last epoch of all: %q", why)
	}
	q := NewQuorums(parse(t, "server.1=a:1:2 server.2=b:1:2"), nil)
	fresh := &hosting{Leader: NewLeader(LeaderOptions{Self: 1, TickTime: 100, InitLimit: 1000}, q, History{Zxid: EpochStart(3), Epoch: 3}, 3, 0), t: t}
	fresh.introduced(0, 2, -1)
	if fresh.Epoch() != 4 {
		t.Errorf("the new epoch is %d, want 4", fresh.Epoch())
	}
}
