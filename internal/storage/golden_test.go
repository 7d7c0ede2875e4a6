package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// javaFiles are what Apache 3.9.5 wrote for test/interop/files/Fill.java.
const javaFiles = "testdata/java"

// javaFile returns one of them.
func javaFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(javaFiles, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// memWith returns directories in memory with the named files of Apache's.
func memWith(t testing.TB, names ...string) (*vfs.Mem, *Dirs) {
	t.Helper()
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	for _, name := range names {
		dir := d.Snap
		if name[0] == 'l' {
			dir = d.Log
		}
		writeFile(t, mem, path.Join(dir, name), javaFile(t, name))
	}
	return mem, d
}

func writeFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	if err := vfs.ReplaceFile(fs, name, b); err != nil {
		t.Fatal(err)
	}
}

func fileBytes(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := vfs.ReadFile(fs, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// body collects what a sink is given and encodes it again.
type body struct {
	sessions, acls, nodes []byte
	nSessions, nACLs      int
	txns                  [][]byte
	digests               int
	resets                int
}

func (b *body) Reset() { *b = body{resets: b.resets + 1} }

func (b *body) Session(id int64, timeout int32) {
	b.sessions = jute.AppendInt(jute.AppendLong(b.sessions, id), timeout)
	b.nSessions++
}

func (b *body) ACL(id int64, raw []byte) {
	b.acls = append(jute.AppendLong(b.acls, id), raw...)
	b.nACLs++
}

func (b *body) Node(path, data []byte, aclID int64, st *wire.StatPersisted) error {
	b.nodes = jute.AppendText(b.nodes, path)
	b.nodes = jute.AppendBuffer(b.nodes, data)
	b.nodes = st.Append(jute.AppendLong(b.nodes, aclID))
	return nil
}

func (b *body) Loaded(*SnapshotInfo) error { return nil }

func (b *body) Apply(h *wire.TxnHeader, txn []byte, digest *wire.TxnDigest) error {
	b.txns = append(b.txns, append(h.Append(nil), txn...))
	if digest != nil {
		b.digests++
	}
	return nil
}

func (b *body) Progress(Progress) {}

// bytes is parts 2 to 4 of the file.
func (b *body) bytes() []byte {
	out := jute.AppendInt(nil, int32(b.nSessions))
	out = append(out, b.sessions...)
	out = append(jute.AppendInt(out, int32(b.nACLs)), b.acls...)
	return append(out, b.nodes...)
}

// The createSession record and the header before it, as a server of 3.9 wrote
// them.
func TestLogBytes(t *testing.T) {
	want, err := hex.DecodeString("5a4b4c47" + "00000002" + "0000000000000000" +
		"00000000af1309b6" + "00000030" +
		"01000017a6310000" + "00000000" + "0000000000000001" + "000001a2027350e4" + "fffffff6" +
		"00002710" + "00000002" + "0000000051c6d660" + "42")
	if err != nil {
		t.Fatal(err)
	}
	h := wire.TxnHeader{ClientID: 0x1000017a6310000, Zxid: 1, Time: 0x1a2027350e4, Type: wire.OpCreateSession}
	entry := (&wire.CreateSessionTxn{TimeOut: 10000}).Append(h.Append(nil))
	entry = (&wire.TxnDigest{Version: wire.DigestVersion, Digest: 0x51c6d660}).Append(entry)
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{PreAlloc: 64 << 20})
	if err := l.Append(1, entry); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Commit(); err != nil {
		t.Fatal(err)
	}
	if info, err := mem.Stat("/log/version-2/log.1"); err != nil || info.Size != 67108880 {
		t.Fatalf("size %d, %v; a server of 3.9 has 67108880", info.Size, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fileBytes(t, mem, "/log/version-2/log.1"); !bytes.Equal(got, want) {
		t.Fatalf("got  %x\nwant %x", got, want)
	}
}

// Apache's logs, read and written again, are the same byte for byte but for
// the zeros at the end.
func TestLogsOfApache(t *testing.T) {
	for name, count := range map[string]int{"log.1": 65, "log.42": 55} {
		mem, d := memWith(t, name)
		r, err := OpenLogReader(mem, path.Join(d.Log, name), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out := vfs.NewMem()
		od := memDirs(t, out)
		l := OpenLog(out, od.Log, LogOptions{})
		n := 0
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			// A refused write changes nothing and carries no digest.
			if (e.Digest == nil) != (e.Header.Type == wire.OpError) || e.Digest != nil && e.Digest.Version != wire.DigestVersion {
				t.Fatalf("0x%x of type %s: digest %+v", e.Header.Zxid, e.Header.Type, e.Digest)
			}
			if err := l.Append(e.Header.Zxid, e.Raw); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		want := bytes.TrimRight(javaFile(t, name), "\x00")
		if got := fileBytes(t, out, path.Join(od.Log, name)); n != count || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d transactions, %d bytes, want %d", name, n, len(got), len(want))
		}
	}
}

// Apache's snapshots, in all three forms, hold the same; written again the
// plain one is the same byte for byte.
func TestSnapshotsOfApache(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes int
	}{{"snapshot.0", 4}, {"snapshot.41", 52}, {"snapshot.41.gz", 52}, {"snapshot.41.snappy", 52}} {
		t.Run(c.name, func(t *testing.T) {
			mem, d := memWith(t, c.name)
			name := path.Join(d.Snap, c.name)
			if err := snapshotInvalid(mem, name); err != nil {
				t.Fatal(err)
			}
			var b body
			info, err := ReadSnapshot(mem, name, Limits{}, &b)
			if err != nil {
				t.Fatal(err)
			}
			if info.Nodes != c.nodes || !info.Tail.HasDigest || !info.Tail.HasLastZxid || info.Tail.LastZxid != info.Zxid {
				t.Fatalf("%+v", info)
			}
			if info.DigestVersion != wire.DigestVersion || info.FileSize != int64(len(javaFile(t, c.name))) {
				t.Fatalf("%+v", info)
			}
			for _, method := range []Compression{NoCompression, Gzip, Snappy} {
				got := rewrite(t, &b, info, method)
				if compressionOf(c.name) == NoCompression && method == NoCompression && !bytes.Equal(got, javaFile(t, c.name)) {
					t.Fatalf("%d bytes, not those of Apache", len(got))
				}
			}
		})
	}
}

// rewrite writes a snapshot in the given form, reads it back, and returns the
// file.
func rewrite(t *testing.T, b *body, info *SnapshotInfo, method Compression) []byte {
	t.Helper()
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	w, err := NewSnapshotWriter(mem, d.Snap, info.Zxid, SnapshotOptions{Compression: method})
	if err != nil {
		t.Fatal(err)
	}
	for rest := b.bytes(); len(rest) > 0; {
		n := min(len(rest), 1000)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	wrote, err := w.Finish(info.Tail)
	if err != nil {
		t.Fatal(err)
	}
	var again body
	read, err := ReadSnapshot(mem, wrote.Path, Limits{}, &again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.bytes(), b.bytes()) || read.Tail != info.Tail || read.Bytes != info.Bytes || read.Checksum != info.Checksum ||
		wrote.Checksum != info.Checksum || wrote.Bytes != info.Bytes || wrote.FileSize != read.FileSize {
		t.Fatalf("read  %+v\nwrote %+v\nwas   %+v", read, wrote, info)
	}
	return fileBytes(t, mem, wrote.Path)
}

func TestFreshSnapshotSeals(t *testing.T) {
	b := javaFile(t, "snapshot.0")
	if len(b) != 478 {
		t.Fatalf("%d bytes", len(b))
	}
	for off, want := range map[int]uint64{478 - 13: 0xbde83f6d, 478 - 34: 0x95b93d59, 478 - 67: 0xb8a23b49} {
		if got := binary.BigEndian.Uint64(b[off:]); got != want {
			t.Errorf("seal at %d is 0x%x, want 0x%x", off, got, want)
		}
	}
}

// Snapshots with each of the four tails are read, whoever wrote them.
func TestTails(t *testing.T) {
	for _, tail := range []SnapshotTail{
		{},
		{HasDigest: true, DigestZxid: 7, Digest: -9},
		{HasLastZxid: true, LastZxid: 12},
		{HasDigest: true, HasLastZxid: true, LastZxid: 8},
	} {
		var c chain
		c.add(1, []byte("x"))
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		w, err := NewSnapshotWriter(mem, d.Snap, 1, SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(c.snapshotBody(3)); err != nil {
			t.Fatal(err)
		}
		info, err := w.Finish(tail)
		if err != nil {
			t.Fatal(err)
		}
		if !tail.HasDigest {
			tail = SnapshotTail{}
		}
		var got chain
		read, err := ReadSnapshot(mem, info.Path, Limits{}, &got)
		if err != nil || read.Tail != tail || info.Tail != tail || got.sum != c.sum || got.nodes != 5 || got.sessions != 2 || got.acls != 1 {
			t.Fatalf("%+v: %+v %v", tail, read, err)
		}
	}
}

// A tail of the last zxid alone is what Apache's server writes without digests.
func TestTailOfZxid(t *testing.T) {
	var c chain
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	w, err := NewSnapshotWriter(mem, d.Snap, 3, SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(c.snapshotBody(1))
	w.Write(terminator)
	w.seal()
	w.Write(jute.AppendLong(nil, 12))
	w.seal()
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	info, err := ReadSnapshot(mem, w.name, Limits{}, &chain{})
	if err != nil || info.Tail != (SnapshotTail{HasLastZxid: true, LastZxid: 12}) {
		t.Fatalf("%+v %v", info, err)
	}
}

// Digests before version 2 are strings of hex digits.
func TestOldDigest(t *testing.T) {
	var c chain
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	w, err := NewSnapshotWriter(mem, d.Snap, 0, SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(c.snapshotBody(1))
	w.Write(terminator)
	w.seal()
	b := jute.AppendInt(jute.AppendLong(nil, 5), 1)
	w.Write(jute.AppendString(b, "ff00ff"))
	w.seal()
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	info, err := ReadSnapshot(mem, w.name, Limits{}, &chain{})
	if err != nil || info.DigestVersion != 1 || info.Tail != (SnapshotTail{HasDigest: true, DigestZxid: 5, Digest: 0xff00ff}) {
		t.Fatalf("%+v %v", info, err)
	}
}

func TestRecoverFilesOfApache(t *testing.T) {
	for _, c := range []struct {
		files              []string
		txns, errors, last int
	}{
		{[]string{"snapshot.0", "log.1", "log.42"}, 120, 6, 0x78},
		{[]string{"snapshot.0", "snapshot.41", "log.1", "log.42"}, 55, 3, 0x78},
		{[]string{"snapshot.41.gz", "log.42"}, 55, 3, 0x78},
		{[]string{"snapshot.0", "snapshot.41.snappy"}, 0, 0, 0x41},
	} {
		_, d := memWith(t, c.files...)
		var b body
		report, err := Recover(d, RecoverOptions{}, &b)
		if err != nil {
			t.Fatalf("%v: %v", c.files, err)
		}
		if report.Txns != c.txns || report.LastZxid != int64(c.last) || len(b.txns) != c.txns || b.digests != c.txns-c.errors ||
			len(report.Torn)+len(report.Notes)+len(report.Skipped)+len(report.Removed) != 0 {
			t.Fatalf("%v: %+v", c.files, report)
		}
	}
}
