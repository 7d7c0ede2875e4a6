package storage

import (
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strconv"

	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// ReadSnapshot reads a snapshot file into sink and checks every seal. What
// stands behind the nodes is decided by what there is, not by settings. A
// file that is not whole is a *DamageError; an error of the sink is returned
// with the file and offset before it.
func ReadSnapshot(fs vfs.FS, name string, limits Limits, sink Sink) (*SnapshotInfo, error) {
	return readSnapshot(fs, name, limits, sink, false, nil)
}

// readSnapshot is ReadSnapshot with a function that is told now and then how
// many bytes of the file and how many nodes have been read. With ahead the nodes
// are read on a goroutine of its own, while the sink takes those before.
func readSnapshot(fs vfs.FS, name string, limits Limits, sink Sink, ahead bool, tell func(bytes int64, nodes int)) (*SnapshotInfo, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	raw := &vfs.Reader{File: f}
	r := &snapReader{name: name, limit: limits.field(), sink: sink, raw: raw, ahead: ahead, tell: tell}
	r.info.Path, r.info.FileSize = name, size
	r.info.Zxid, _ = SnapshotZxid(path.Base(name))
	stream, err := compressionOf(name).reader(raw)
	if err != nil {
		return nil, &DamageError{File: name, Reason: "the compressed stream cannot be read", Remedy: snapshotRemedy, Err: noEOF(err)}
	}
	r.win = newWindow(stream, windowSize, true)
	if compressionOf(name) == NoCompression {
		r.win = newWindow(stream, size, true)
	}
	for _, part := range []func() error{r.header, r.sessions, r.acls, r.nodes, r.tail} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	r.info.Bytes = r.win.off
	return &r.info, nil
}

const snapshotRemedy = "remove the file to start from an older snapshot and the logs, or restore it from a backup or another server"

type snapReader struct {
	name   string // "" for a stream
	limit  int
	sink   Sink
	raw    *vfs.Reader // nil for a stream
	ahead  bool
	win    *window
	info   SnapshotInfo
	tell   func(bytes int64, nodes int)
	told   int64 // bytes
	behind bool  // the nodes
}

func (r *snapReader) damage(format string, args ...any) error {
	return r.broken(fmt.Sprintf(format, args...), nil)
}

func (r *snapReader) broken(reason string, err error) error {
	if r.name == "" {
		return &StreamError{Offset: r.win.off, Reason: reason, Err: err, Behind: r.behind}
	}
	return &DamageError{File: r.name, Offset: r.win.off, Reason: reason, Remedy: snapshotRemedy, Err: err, Behind: r.behind}
}

// need returns the next n bytes, the beginning of what.
func (r *snapReader) need(n int, what string) ([]byte, error) {
	b, err := r.win.peek(n)
	if len(b) >= n {
		return b, nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		if r.name == "" {
			return nil, r.broken("it ends inside "+what, io.ErrUnexpectedEOF)
		}
		return nil, r.damage("it ends inside %s", what)
	}
	return nil, r.unreadable(what, err)
}

// unreadable is what a failing disk or link, or a compressed stream that is
// broken, makes of a part of the snapshot.
func (r *snapReader) unreadable(what string, err error) error {
	return r.broken(what+" cannot be read", err)
}

func (r *snapReader) header() error {
	h, err := r.need(snapshotHeader, "the file header")
	if err != nil {
		return err
	}
	if m := binary.BigEndian.Uint32(h); m != snapshotMagic {
		return r.damage("it begins with 0x%08x and not with the magic number of a snapshot", m)
	}
	r.win.skip(snapshotHeader)
	return nil
}

func (r *snapReader) count(what string) (int, error) {
	b, err := r.need(4, "the number of "+what)
	if err != nil {
		return 0, err
	}
	n := be32(b)
	if n < 0 {
		return 0, r.damage("the number of %s is %d", what, n)
	}
	r.win.skip(4)
	return int(n), nil
}

func (r *snapReader) sessions() error {
	n, err := r.count("sessions")
	for ; n > 0 && err == nil; n-- {
		var b []byte
		if b, err = r.need(12, "the sessions"); err == nil {
			r.sink.Session(be64(b), be32(b[8:]))
			r.info.Sessions++
			r.win.skip(12)
		}
	}
	return err
}

func (r *snapReader) acls() error {
	n, err := r.count("ACL lists")
	for ; n > 0 && err == nil; n-- {
		err = r.acl()
	}
	return err
}

// acl reads one list. Its length is found by walking its entries.
func (r *snapReader) acl() error {
	const what = "an ACL list"
	b, err := r.need(12, what)
	if err != nil {
		return err
	}
	at := 12
	for entries := be32(b[8:]); entries > 0; entries-- {
		at += 4 // permissions
		for range 2 {
			if b, err = r.need(at+4, what); err != nil {
				return err
			}
			n := int(be32(b[at:]))
			if n < -1 || n > r.limit {
				return r.damage("%s has a string of %d bytes, allowed are %d", what, n, r.limit)
			}
			at += 4 + max(n, 0)
			if at > maxACLSize {
				return r.damage("%s is longer than %d bytes", what, maxACLSize)
			}
		}
	}
	if b, err = r.need(at, what); err != nil {
		return err
	}
	r.sink.ACL(be64(b), b[8:at])
	r.info.ACLs++
	r.win.skip(at)
	return nil
}

// maxACLSize bounds one ACL list: a request that set it had to fit a frame,
// and no jute.maxbuffer in use comes near this.
const maxACLSize = 256 << 20

// nodeTail is what follows the data of a node: the id of its ACL list and its
// stat.
const nodeTail = 8 + wire.StatPersistedSize

// readNode is a node on its way from the file to the sink.
type readNode struct {
	path, data []byte
	aclID      int64
	st         wire.StatPersisted
	off        int64 // in the file
	digest     uint32
}

func (r *snapReader) nodes() error {
	if r.ahead {
		return r.nodesAhead()
	}
	var n readNode
	for {
		size, err := r.node(&n)
		if err != nil || size == 0 {
			return err
		}
		if err := r.sink.Node(n.path, n.data, n.aclID, &n.st); err != nil {
			return r.refused(&n, err)
		}
		r.win.skip(size)
		r.counted(r.win.off, r.read())
	}
}

// refused is what the sink says of a node.
func (r *snapReader) refused(n *readNode, err error) error {
	name := r.name
	if name == "" {
		name = streamName
	}
	return fmt.Errorf("%s, node at offset %d: %w", name, n.off, err)
}

// counted counts a node behind which the stream is at off, when so many bytes of
// the file have been read.
func (r *snapReader) counted(off, read int64) {
	const (
		tellEach  = 1 << 14 // nodes
		tellBytes = 8 << 20
	)
	r.info.Nodes++
	if r.tell != nil && (r.info.Nodes%tellEach == 0 || off-r.told >= tellBytes) {
		r.told = off
		r.tell(read, r.info.Nodes)
	}
}

// read returns how many bytes have been read: of the file as it is on disk,
// or of the stream.
func (r *snapReader) read() int64 {
	if r.raw == nil {
		return r.win.off
	}
	return r.raw.Off
}

// node looks at one node and returns how many bytes it has, which are not
// skipped yet; 0 behind the last, when the terminator is. Path and data are good
// until then.
func (r *snapReader) node(got *readNode) (int, error) {
	const what = "the nodes"
	b, err := r.need(5, what)
	if err != nil {
		return 0, err
	}
	n := int(be32(b))
	if n == 1 && b[4] == '/' {
		r.win.skip(len(terminator))
		return 0, nil
	}
	if n < 0 || n > r.limit {
		return 0, r.damage("a path claims %d bytes, allowed are %d", n, r.limit)
	}
	if b, err = r.need(4+n+4, what); err != nil {
		return 0, err
	}
	size := int(be32(b[4+n:]))
	if size < -1 || size > r.limit {
		return 0, r.damage("the data of %q claims %d bytes, allowed are %d; if a server with a larger jute.maxbuffer wrote it set the same here",
			b[4:4+n], size, r.limit)
	}
	body := 4 + n + 4 + max(size, 0)
	if b, err = r.need(body+nodeTail, what); err != nil {
		return 0, err
	}
	got.off, got.path, got.data = r.win.off, b[4:4+n:4+n], nil
	if size >= 0 {
		got.data = b[8+n : body : body]
	}
	d := jute.NewDecoder(b[body:])
	got.aclID = d.Long()
	got.st.Decode(&d)
	return body + nodeTail, nil
}

// seal reads one and compares its sum with that of all bytes before it.
func (r *snapReader) seal() error {
	sum := r.win.checksum()
	b, err := r.need(sealSize, "a checksum")
	if err != nil {
		return err
	}
	if got := be64(b); got != int64(sum) {
		return r.damage("the checksum is 0x%x but the content before it gives 0x%x", got, sum)
	}
	if string(b[8:]) != string(terminator) {
		return r.damage("the mark behind the checksum is % x", b[8:])
	}
	r.info.Checksum = sum
	r.win.skip(sealSize)
	return nil
}

// tail reads the seals and what stands between them: nothing, a digest, the
// last zxid, or both, told apart by the number of bytes that are left.
func (r *snapReader) tail() error {
	const lastZxidPart = 8 + sealSize
	r.behind = true
	if err := r.seal(); err != nil {
		return err
	}
	left, err := r.left()
	if err != nil {
		return err
	}
	if left != 0 && left != lastZxidPart {
		if err := r.digest(); err != nil {
			return err
		}
		if left, err = r.left(); err != nil {
			return err
		}
	}
	if left == lastZxidPart {
		b, err := r.need(8, "the last zxid")
		if err != nil {
			return err
		}
		r.info.Tail.HasLastZxid, r.info.Tail.LastZxid = true, be64(b)
		r.win.skip(8)
		if err := r.seal(); err != nil {
			return err
		}
	} else if left != 0 {
		return r.damage("there are %d bytes that belong to no part of a snapshot", left)
	}
	return nil
}

// left returns the number of bytes up to the end of the file; a number of
// maxTail only says that there are at least so many.
func (r *snapReader) left() (int, error) {
	const maxTail = 256
	b, err := r.win.peek(maxTail)
	if err != nil && err != io.EOF {
		return 0, r.unreadable("its end", err)
	}
	return len(b), nil
}

func (r *snapReader) digest() error {
	const what = "the digest"
	b, err := r.need(12, what)
	if err != nil {
		return err
	}
	t := &r.info.Tail
	t.HasDigest, t.DigestZxid, r.info.DigestVersion = true, be64(b), be32(b[8:])
	r.win.skip(12)
	if r.info.DigestVersion >= wire.DigestVersion || r.plainDigest() {
		if b, err = r.need(8, what); err != nil {
			return err
		}
		t.Digest = be64(b)
		r.win.skip(8)
		return r.seal()
	}
	// Digests before version 2 were written as a string of hex digits.
	if b, err = r.need(4, what); err != nil {
		return err
	}
	n := int(be32(b))
	if n < 0 || n > 16 {
		return r.damage("the digest claims %d characters", n)
	}
	if b, err = r.need(4+n, what); err != nil {
		return err
	}
	v, err := strconv.ParseUint(string(b[4:]), 16, 64)
	if err != nil {
		return r.damage("the digest %q is not a hex number", b[4:])
	}
	t.Digest = int64(v)
	r.win.skip(4 + n)
	return r.seal()
}

// plainDigest reports whether a digest of an old version is 8 bytes all the
// same, by the seal that then follows.
func (r *snapReader) plainDigest() bool {
	b, _ := r.win.peek(8 + sealSize)
	return len(b) == 8+sealSize && string(b[16:]) == string(terminator)
}
