package ensemble

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"zooid/internal/wire"
	"zooid/internal/zab"
)

// script is what a written scenario decides instead of the seed: where the
// network stops, which disks stand still, who comes back. A nil script decides
// nothing.
type script struct {
	stops    map[[2]int64]string   // from server to server: the packet that is held back, with all behind it
	loses    map[[2]int64]string   // the packet that does not arrive, which no network does
	said     map[[2]int64][]string // packets that have arrived, but for PING
	disks    map[int64]bool        // servers whose disk writer waits for the scenario
	syncs    map[int64]bool        // servers whose disk writer does so between write and sync
	unsynced map[int64]func()      // the sync that waits
	walks    map[int64]bool        // servers whose snapshots wait
	config   map[int64]string      // of servers that begin with members of their own
}

// steady is a source under which nothing happens by chance: whatever is drawn
// is the largest, so that every delay is the longest one and no dice fall.
type steady struct{}

// Uint64 implements rand.Source.
func (steady) Uint64() uint64 { return math.MaxUint64 }

func newScripted(opt Options, p profile) *world {
	w := newWorld(opt, rand.New(steady{}))
	w.prof = p
	w.script = &script{stops: map[[2]int64]string{}, loses: map[[2]int64]string{}, said: map[[2]int64][]string{}, disks: map[int64]bool{},
		syncs: map[int64]bool{}, unsynced: map[int64]func(){}, walks: map[int64]bool{}, config: map[int64]string{}}
	return w
}

// holdsBack says whether a packet must not arrive yet.
func (s *script) holdsBack(p *pipe, label string) bool {
	if s == nil || label == "" {
		return false
	}
	stop := s.stops[[2]int64{p.from, p.to}]
	return stop != "" && (label == stop || firstWord(label) == stop)
}

// lost says whether a packet is the one that gets lost.
func (s *script) lost(p *pipe, label string) bool {
	key := [2]int64{p.from, p.to}
	if s == nil || label == "" || s.loses[key] != label {
		return false
	}
	delete(s.loses, key)
	return true
}

func firstWord(s string) string {
	for i := range s {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}

// arrived notes a packet.
func (s *script) arrived(p *pipe, label string) {
	if s == nil || label == "" || firstWord(label) == "PING" {
		return
	}
	key := [2]int64{p.from, p.to}
	if n := len(s.said[key]); n > 0 && label == "bulk" && s.said[key][n-1] == label {
		return // of a snapshot, however many pieces it comes in
	}
	s.said[key] = append(s.said[key], label)
}

// holdsDisk says whether the disk writer of a server waits.
func (s *script) holdsDisk(of *server) bool { return s != nil && s.disks[of.id] }

// holdsSync says whether a sync of a server waits, and keeps it if so.
func (s *script) holdsSync(of *server, sync func()) bool {
	if s == nil || !s.syncs[of.id] {
		return false
	}
	s.unsynced[of.id] = sync
	return true
}

// holdsWalk says whether a snapshot of a server waits.
func (s *script) holdsWalk(of *server) bool { return s != nil && s.walks[of.id] }

// cut gives the packets of a stream one by one, so that a scenario can stop
// between them.
func (s *script) cut(b []byte) (pieces [][]byte, labels []string) {
	for len(b) > 0 {
		var p wire.QuorumPacket
		n, err := p.Decode(b, 1<<20)
		if err != nil {
			return append(pieces, b), append(labels, "undecodable")
		}
		pieces, labels = append(pieces, slices.Clone(b[:n])), append(labels, labelOf(&p))
		b = b[n:]
	}
	return pieces, labels
}

func labelOf(p *wire.QuorumPacket) string {
	switch p.Type {
	case wire.PacketRequest, wire.PacketUpToDate, wire.PacketRevalidate, wire.PacketSync:
		return p.Type.String()
	}
	return p.Type.String() + " " + dotted(p.Zxid)
}

// dotted writes a zxid as epoch.counter.
func dotted(zxid int64) string {
	if zxid < 0 {
		return "none"
	}
	return fmt.Sprintf("%d.%d", zab.EpochOf(zxid), zab.CounterOf(zxid))
}
