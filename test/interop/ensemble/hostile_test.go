package ensemble

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/test/interop/harness"
	"zooid/zk"
)

// siege is an ensemble whose ports for other servers a stranger plays with, while
// clients write. What must not happen is that anybody notices.
type siege struct {
	t      *testing.T
	e      *harness.Ensemble
	load   *load
	leader *harness.Member
	epoch  int64
	files  map[*harness.Member]int // open before it began
	begin  int
}

// The bounds of a member under siege. Files: the connections without a first
// message (256 and 64), the strangers (64 on either port), and some that come
// and go. Memory: what a member of this size has in peace is some 30 MB.
const (
	siegeFiles  = 256 + 64 + 64 + 64 + 40
	siegeMemory = 250 << 20
)

// besiege starts an ensemble of ours: what a member says of strangers, and how many
// it takes, are its own.
func besiege(t *testing.T) *siege {
	t.Helper()
	harness.Gate(t)
	e := start(t, []harness.Kind{harness.Zooid, harness.Zooid, harness.Zooid})
	s := &siege{t: t, e: e, leader: e.WaitRoles(), files: map[*harness.Member]int{}}
	s.load = startLoad(t, e, 2, slowly)
	s.load.more(20)
	s.epoch, s.begin = epoch(t, s.leader), s.load.mark()
	for _, m := range e.Members() {
		s.files[m] = openFiles(t, m)
	}
	return s
}

// calm fails unless the same leader leads in the same epoch and writes go on.
func (s *siege) calm(after string) {
	s.t.Helper()
	s.load.more(10)
	if now := s.e.WaitRoles(); now != s.leader || epoch(s.t, now) != s.epoch {
		s.t.Fatalf("after %s member %d leads in epoch %d, it was %d in epoch %d", after, now.ID, epoch(s.t, now), s.leader.ID, s.epoch)
	}
	for _, m := range s.e.Members() {
		if n := openFiles(s.t, m); n > s.files[m]+siegeFiles {
			s.t.Errorf("after %s member %d has %d open files, %d before", after, m.ID, n, s.files[m])
		}
		if rss := residentMost(s.t, m); rss > siegeMemory {
			s.t.Errorf("after %s member %d has taken %d MB of memory", after, m.ID, rss>>20)
		}
	}
}

// stranger is a connection of somebody who is no member.
type stranger struct {
	net.Conn
	s    *siege
	at   *harness.Member
	from int // of the member's log
}

func (s *siege) dial(m *harness.Member, address string) *stranger {
	s.t.Helper()
	from := len(m.Output())
	nc, err := net.DialTimeout("tcp", address, harness.Patience)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	return &stranger{Conn: nc, s: s, at: m, from: from}
}

// toLeader is a connection to the quorum port, on which something is said.
func (s *siege) toLeader(say ...[]byte) *stranger {
	s.t.Helper()
	return s.dial(s.leader, s.leader.QuorumAddr()).say(say...)
}

// toVoter is a connection to an election port.
func (s *siege) toVoter(m *harness.Member, say ...[]byte) *stranger {
	s.t.Helper()
	return s.dial(m, m.ElectionAddr()).say(say...)
}

func (x *stranger) say(say ...[]byte) *stranger {
	// An error is that the member has hung up by now.
	_, _ = x.Write(bytes.Join(say, nil))
	return x
}

// told waits for one line of the member that names the stranger's address and
// says what was wrong.
func (x *stranger) told(what string) {
	x.s.t.Helper()
	address := x.LocalAddr().String()
	found := harness.Eventually(x.at.Done(), func() bool {
		for _, line := range strings.Split(x.at.Output()[x.from:], "\n") {
			if strings.Contains(line, address) && strings.Contains(line, what) {
				return true
			}
		}
		return false
	})
	if !found {
		var about []string
		for _, line := range strings.Split(x.at.Output()[x.from:], "\n") {
			if strings.Contains(line, address) {
				about = append(about, line)
			}
		}
		x.s.t.Errorf("member %d has no line with %s and %q, but %q", x.at.ID, address, what, about)
	}
}

// packet reads one packet of the leader.
func (x *stranger) packet() *wire.QuorumPacket {
	x.s.t.Helper()
	if err := x.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
		x.s.t.Fatal(err)
	}
	var in []byte
	for one := make([]byte, 1); ; {
		if _, err := x.Read(one); err != nil {
			x.s.t.Fatalf("no packet but %q, %v", in, err)
		}
		in = append(in, one[0])
		var p wire.QuorumPacket
		if n, err := p.Decode(in, 1<<20); err == nil && n == len(in) {
			return &p
		}
	}
}

// openFiles counts the file descriptors of a member.
func openFiles(t *testing.T, m *harness.Member) int {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// residentMost is the most memory, in bytes, that a member ever had.
func residentMost(t *testing.T, m *harness.Member) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.Pid()), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no VmHWM of process %d", m.Pid())
	return 0
}

// introduction is the first packet of a learner.
func introduction(kind wire.PacketType, sid, epoch, config int64) []byte {
	info := wire.LearnerInfo{SID: sid, ProtocolVersion: wire.LearnerProtocol, ConfigVersion: config}
	return (&wire.QuorumPacket{Type: kind, Zxid: epoch << 32, Data: info.Append(nil)}).Append(nil)
}

// head is a packet of which only the length of its data is said.
func head(kind wire.PacketType, length int32) []byte {
	return jute.AppendInt(jute.AppendLong(jute.AppendInt(nil, int32(kind)), 0), length)
}

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] |= 0x40 // no packet and no id begins like that
	return b
}

const observer, follower = wire.PacketObserverInfo, wire.PacketFollowerInfo

// TestStrangersAtTheQuorumPort: whatever comes to the quorum port, one line of
// the leader says from where and what is wrong, and nothing else happens.
func TestStrangersAtTheQuorumPort(t *testing.T) {
	s := besiege(t)
	loris := s.toLeader()
	end := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() { loris.trickle(end, introduction(follower, 9, 0, 0)) })
	stranger := s.toLeader(introduction(observer, 9, s.epoch, 0)) // of an old configuration, and then silent
	if p := stranger.packet(); p.Type != wire.PacketLeaderInfo || p.Zxid>>32 != s.epoch {
		t.Errorf("a stranger of an old configuration gets %v of epoch %d", p.Type, p.Zxid>>32)
	}
	s.toLeader(noise(1, 100_000)).told("not FOLLOWERINFO or OBSERVERINFO")
	s.toLeader(head(follower, math.MaxInt32)).told("announces a negative length, or more than 4096 bytes")
	s.toLeader(head(observer, -2)).told("announces a negative length")
	cut := s.toLeader(introduction(follower, 9, 0, 0)[:30])
	cut.Close()
	cut.told("connection ended inside a packet")
	self, other := int64(s.leader.ID), int64(s.e.Followers()[0].ID)
	for _, one := range []struct {
		say  []byte
		want string
	}{
		{introduction(follower, self, s.epoch, 0), "which is the leader's own: two servers have the same myid"},
		{introduction(follower, other, s.epoch, 0), fmt.Sprintf("server %d is connected already", other)},
		{introduction(follower, other, s.epoch+1000, 0), fmt.Sprintf("server %d is connected already", other)},
		{introduction(follower, 10, s.epoch+1000, 0), fmt.Sprintf("server 10 has accepted epoch %d, newer than", s.epoch+1000)},
		{introduction(observer, 10, math.MaxInt32, 0), "behind which there is no other"},
		{introduction(observer, 10, 0, math.MaxInt64), "knows configuration 0x7fffffffffffffff, newer than"},
		{(&wire.QuorumPacket{Type: follower, Data: noise(2, 4)}).Append(nil), "its introduction cannot be read"},
		{(&wire.QuorumPacket{Type: follower}).Append(nil), "it does not say who it is"},
		{append(introduction(observer, 10, 0, 0), head(wire.PacketRequest, math.MaxInt32)...), "bad packet: REQUEST announces"},
		{append(introduction(observer, 10, 0, 0), introduction(observer, 10, 0, 0)...), "it introduced itself twice"},
		{append(introduction(observer, 10, 0, 0), (&wire.QuorumPacket{Type: wire.PacketAck}).Append(nil)...), "before its synchronisation"},
	} {
		s.toLeader(one.say).told(one.want)
	}
	s.calm("bad introductions")
	stranger.told("it was silent for too long")
	loris.told("no first packet in time")
	close(end)
	wait.Wait()
	s.finish()
}

// trickle writes a byte a second until the other side has had enough.
func (x *stranger) trickle(end chan struct{}, text []byte) {
	for i := 0; ; i++ {
		if _, err := x.Write(text[min(i, len(text)-1):][:1]); err != nil {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-end:
			return
		}
	}
}

// TestStrangersLearn: learners that nobody knows take so many places and no
// more, one of them that does not read what it is sent is cut off, and members
// find their way in beside them.
func TestStrangersLearn(t *testing.T) {
	s := besiege(t)
	deaf := s.deafLearner(9)
	s.write(60, 500_000)
	deaf.told("peer does not read what it is sent")
	s.calm("a learner that never reads")
	const places = 64
	var crowd []*stranger
	for id := range int64(places) {
		x := s.toLeader(introduction(observer, 100+id, s.epoch, 0))
		if p := x.packet(); p.Type != wire.PacketLeaderInfo {
			t.Fatalf("stranger %d gets %v", id, p.Type)
		}
		crowd = append(crowd, x)
	}
	s.toLeader(introduction(observer, 500, s.epoch, 0)).told("server 500 is not in the configuration, and 64 others learn that are not either")
	s.e.Followers()[0].Restart()
	s.calm("a crowd of learners that nobody knows")
	for _, x := range crowd {
		x.Close()
	}
	s.finish()
}

// deafLearner is an observer that learns, says that it lives, and reads nothing.
func (s *siege) deafLearner(id int64) *stranger {
	t := s.t
	x := s.toLeader()
	if err := x.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	x.say(introduction(observer, id, s.epoch, 0))
	x.packet() // LEADERINFO
	zxid, err := strconv.ParseInt(strings.TrimPrefix(s.leader.Zxid(), "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	x.say((&wire.QuorumPacket{Type: wire.PacketAckEpoch, Zxid: zxid, Data: jute.AppendInt(nil, int32(s.epoch))}).Append(nil))
	for p := x.packet(); p.Type != wire.PacketNewLeader; p = x.packet() {
		if p.Type == wire.PacketSnap {
			t.Fatal("a snapshot for who lacks a few transactions")
		}
	}
	x.say((&wire.QuorumPacket{Type: wire.PacketAck, Zxid: s.epoch << 32}).Append(nil))
	go func() {
		ping := (&wire.QuorumPacket{Type: wire.PacketPing}).Append(nil)
		for {
			if _, err := x.Write(ping); err != nil {
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-t.Context().Done():
				return
			}
		}
	}()
	return x
}

// write sets a znode to something large, again and again.
func (s *siege) write(times, size int) {
	s.t.Helper()
	c := dial(s.t, s.leader.Addr())
	create(s.t, c, "/large", "", zk.Persistent)
	for i := range times {
		if _, err := c.Set(within(s.t), "/large", noise(uint64(i), size), zk.AnyVersion); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestStrangersAtTheElectionPort is TestStrangersAtTheQuorumPort for votes.
func TestStrangersAtTheElectionPort(t *testing.T) {
	s := besiege(t)
	hello := func(id int64) []byte {
		return (&wire.Hello{SID: id, Addresses: []string{"127.0.0.1:1"}}).Append(nil)
	}
	long := append(hello(9)[:16], 0x7f, 0xff, 0xff, 0xff)
	mad := wire.Notification{State: wire.Looking, Leader: 1, Zxid: math.MaxInt64, Round: math.MaxInt64, PeerEpoch: math.MaxInt32, Version: 2}
	message := mad.Append(nil)
	vote := append(jute.AppendInt(nil, int32(len(message))), message...)
	for _, m := range s.e.Members() {
		s.toVoter(m, noise(3, 100_000)).told("election connection refused")
		s.toVoter(m, long).told("election connection refused")
		cut := s.toVoter(m, hello(9)[:12])
		cut.Close()
		cut.told("no first message")
		s.toVoter(m, hello(int64(m.ID))).told("two servers have the same myid")
		// An id above all members keeps its connection.
		s.toVoter(m, hello(9), jute.AppendInt(nil, math.MaxInt32)).told("a message of 2147483647 bytes")
		s.toVoter(m, hello(9), jute.AppendInt(nil, -1)).told("a message of -1 bytes")
		s.toVoter(m, hello(9), vote).told("election connection up")
		for _, other := range s.e.Members() {
			if other != m { // in the name of a member that runs
				s.toVoter(m, hello(int64(other.ID)), vote)
			}
		}
	}
	s.calm("mad votes")
	s.finish()
}

// TestSilentConnections: connections that say nothing, by the hundred, keep
// nobody out and do not add up.
func TestSilentConnections(t *testing.T) {
	s := besiege(t)
	var silent []*stranger
	for range 400 {
		silent = append(silent, s.toLeader())
		for _, m := range s.e.Members() {
			silent = append(silent, s.toVoter(m))
		}
	}
	silent[0].told("no first packet, and 256 connections wait to send theirs")
	s.calm("silent connections")
	s.e.Followers()[0].Restart()
	s.calm("silent connections and the restart of a member")
	for _, x := range silent {
		x.Close()
	}
	s.finish()
}

// finish ends the load and checks that nothing is left of the strangers, and
// that nothing was lost.
func (s *siege) finish() {
	t := s.t
	t.Helper()
	s.load.check(s.e)
	for _, m := range s.e.Members() {
		harness.Until(t, fmt.Sprintf("member %d has closed what strangers left behind", m.ID), m.Done(), func() bool {
			return openFiles(t, m) <= s.files[m]+20
		})
		t.Logf("member %d: at most %d MB of memory", m.ID, residentMost(t, m)>>20)
		if strings.Contains(m.Output(), "panic") {
			t.Errorf("member %d has panicked", m.ID)
		}
	}
	s.calmEpoch()
	checkEqual(t, s.e)
	gap := s.load.gapSince(s.begin)
	if t.Logf("at most %v without an acknowledged write", gap); gap > 10*time.Second {
		t.Errorf("clients have waited for %v", gap)
	}
}

// calmEpoch is the part of calm that needs no writes.
func (s *siege) calmEpoch() {
	if now := epoch(s.t, s.leader); now != s.epoch {
		s.t.Errorf("the epoch is %d, was %d", now, s.epoch)
	}
}
