package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// chain is a database in one number: every transaction changes it in a way
// that depends on all before. Its snapshot is a root and one node that holds
// the number, with some more nodes to give it size.
type chain struct {
	sum  uint64
	last int64

	snapshots int // loaded
	sessions  int
	acls      int
	nodes     int
	told      []Progress
}

func (c *chain) Reset() { *c = chain{snapshots: c.snapshots, told: c.told} }

func (c *chain) Session(int64, int32) { c.sessions++ }

func (c *chain) ACL(int64, []byte) { c.acls++ }

func (c *chain) Node(path, data []byte, _ int64, _ *wire.StatPersisted) error {
	c.nodes++
	if string(path) == "/sum" {
		if len(data) != 16 {
			return fmt.Errorf("%d bytes", len(data))
		}
		c.sum, c.last = binary.BigEndian.Uint64(data), be64(data[8:])
	}
	return nil
}

func (c *chain) Loaded(s *SnapshotInfo) error {
	c.snapshots++
	if s.Zxid != c.last {
		return fmt.Errorf("snapshot 0x%x holds the state of 0x%x", s.Zxid, c.last)
	}
	return nil
}

func (c *chain) Apply(h *wire.TxnHeader, body []byte, digest *wire.TxnDigest) error {
	if h.Zxid != c.last+1 {
		return fmt.Errorf("0x%x applied after 0x%x", h.Zxid, c.last)
	}
	if digest == nil || digest.Digest != h.Zxid*7 {
		return errors.New("digest is missing")
	}
	c.add(h.Zxid, body)
	return nil
}

func (c *chain) Progress(p Progress) { c.told = append(c.told, p) }

func (c *chain) add(zxid int64, body []byte) {
	f := fnv.New64a()
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], c.sum)
	f.Write(b[:])
	f.Write(body)
	c.sum, c.last = f.Sum64(), zxid
}

// snapshotBody encodes parts 2 to 4 of a snapshot of the chain with some
// filling.
func (c *chain) snapshotBody(fill int) []byte {
	b := jute.AppendInt(nil, 2)
	for id := range int64(2) {
		b = jute.AppendInt(jute.AppendLong(b, 0x100+id), 30_000)
	}
	b = jute.AppendInt(b, 1)
	b = append(jute.AppendLong(b, 1), wire.OpenACL...)
	b = appendNode(b, "", nil, -1)
	state := binary.BigEndian.AppendUint64(nil, c.sum)
	b = appendNode(b, "/sum", binary.BigEndian.AppendUint64(state, uint64(c.last)), 1)
	for i := range fill {
		b = appendNode(b, fmt.Sprintf("/fill-%d", i), make([]byte, i%300), 1)
	}
	return b
}

func appendNode(b []byte, path string, data []byte, acl int64) []byte {
	b = jute.AppendString(b, path)
	b = jute.AppendBuffer(b, data)
	b = jute.AppendLong(b, acl)
	return (&wire.StatPersisted{Version: 3}).Append(b)
}

// machine is a server reduced to its storage, on a disk that can crash.
type machine struct {
	rng   *rand.Rand
	mem   *vfs.Mem
	fs    *vfs.Faulty
	dirs  *Dirs
	log   *Log
	state chain    // of everything appended
	sums  []uint64 // by zxid, of everything ever appended
	acked int64    // committed

	crashAt int // operation number of vfs, -1 for never
	crashed *vfs.Mem
}

var errPower = errors.New("power is gone")

// boot recovers the machine from its disk. After it, crash is due at a random
// operation of the file system.
func (m *machine) boot() error {
	m.fs = vfs.NewFaulty(m.mem, nil)
	m.dirs = FindDirs(m.fs, "/data", "/log")
	for _, d := range m.dirs.both() {
		if err := m.fs.MkdirAll(d); err != nil {
			return err
		}
	}
	seed := m.rng.Uint64()
	m.crashed, m.crashAt = nil, m.rng.IntN(400)
	m.fs.SetRule(func(op vfs.Op) *vfs.Fault {
		if op.N == m.crashAt {
			m.crashed = m.mem.CrashClone(seed)
		}
		if m.crashed != nil {
			return &vfs.Fault{Err: errPower}
		}
		return nil
	})
	var got chain
	report, err := Recover(m.dirs, RecoverOptions{AutoCreate: true}, &got)
	if err != nil {
		logs, _ := m.mem.List("/log/version-2")
		snaps, _ := m.mem.List("/data/version-2")
		return fmt.Errorf("%w\nlogs %v, snapshots %v", err, logs, snaps)
	}
	if report.Empty {
		if m.acked > 0 {
			return fmt.Errorf("nothing was found, 0x%x was acknowledged", m.acked)
		}
		got.last = 0
		if err := m.snapshot(&got); err != nil {
			return err
		}
	}
	if got.last < m.acked || got.last > int64(len(m.sums))-1 {
		return fmt.Errorf("recovered to 0x%x, acknowledged 0x%x, appended 0x%x", got.last, m.acked, len(m.sums)-1)
	}
	if got.sum != m.sums[got.last] {
		return fmt.Errorf("the state of 0x%x is not what it was", got.last)
	}
	if report.LastZxid != got.last {
		return fmt.Errorf("reported 0x%x, recovered 0x%x", report.LastZxid, got.last)
	}
	m.state, m.acked = got, got.last
	m.sums = m.sums[:got.last+1]
	m.log = OpenLog(m.fs, m.dirs.Log, LogOptions{
		PreAlloc:  []int64{0, 8 << 10, 64 << 10}[m.rng.IntN(3)],
		SizeLimit: []int64{0, 0, 20 << 10}[m.rng.IntN(3)],
	})
	return nil
}

func (m *machine) snapshot(c *chain) error {
	w, err := NewSnapshotWriter(m.fs, m.dirs.Snap, c.last, SnapshotOptions{
		Compression: Compression(m.rng.IntN(3)), SyncEach: 1 << 10,
	})
	if err != nil {
		return err
	}
	body := c.snapshotBody(m.rng.IntN(40))
	for len(body) > 0 {
		n := min(len(body), 1+m.rng.IntN(500))
		if _, err := w.Write(body[:n]); err != nil {
			w.Abort()
			return err
		}
		body = body[n:]
	}
	_, err = w.Finish(SnapshotTail{HasDigest: m.rng.IntN(2) == 0, HasLastZxid: m.rng.IntN(2) == 0, LastZxid: c.last})
	return err
}

// step does one thing that a server does.
func (m *machine) step() error {
	switch n := m.rng.IntN(20); {
	case n < 12:
		for range 1 + m.rng.IntN(8) {
			size := m.rng.IntN(400)
			if m.rng.IntN(30) == 0 {
				size = m.rng.IntN(100_000)
			}
			if err := m.append(size); err != nil {
				return err
			}
		}
		if m.rng.IntN(4) == 0 {
			return nil // a later commit takes them along
		}
		return m.commit()
	case n < 15:
		return m.commit()
	case n == 15:
		if err := m.log.Roll(); err != nil {
			return err
		}
		m.acked = m.state.last
	case n < 19:
		c := m.state
		if err := m.log.Roll(); err != nil {
			return err
		}
		m.acked = m.state.last
		return m.snapshot(&c)
	default:
		_, err := Purge(m.dirs, 3)
		return err
	}
	return nil
}

func (m *machine) append(size int) error {
	zxid := m.state.last + 1
	entry := txn(zxid, size)
	for i := 60; i < len(entry)-12; i++ {
		entry[i] = byte(m.rng.Uint32()) >> 1 // some zeros among them
	}
	if err := m.log.Append(zxid, entry); err != nil {
		return err
	}
	m.state.add(zxid, entry[wire.TxnHeaderSize:len(entry)-12])
	m.sums = append(m.sums, m.state.sum)
	return nil
}

func (m *machine) commit() error {
	_, err := m.log.Commit()
	if err == nil {
		m.acked = m.state.last
	}
	return err
}
