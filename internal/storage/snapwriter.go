package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// snapshotStep is how many bytes are written to disk at a time: the disk is
// set to work on each step as soon as it is complete, so that a sync of the
// log never has to wait for a whole snapshot's dirty pages. A disk that takes a
// megabyte in some milliseconds makes the log wait as long behind it.
const snapshotStep = 256 << 10

// SnapshotOptions are the settings of a SnapshotWriter.
type SnapshotOptions struct {
	Compression Compression
	// SyncEach makes the bytes written durable every so many bytes; 0 means a
	// default that keeps the disk's queue short.
	SyncEach int64
}

// defaultSyncEach bounds what waits in the page cache for the disk.
const defaultSyncEach = 1 << 20

// SnapshotWriter writes one snapshot. The file gets its name only when it is
// whole and durable: a crash before leaves none. Used by one goroutine at a
// time, any one.
type SnapshotWriter struct {
	fs      vfs.FS
	dir     string
	name    string // final
	temp    string
	file    vfs.File
	out     io.WriteCloser // compressor into paced
	paced   *pacedFile
	sum     uint32 // of everything written
	sealed  uint32 // in the last seal
	bytes   int64
	zxid    int64
	scratch []byte
	err     error
}

// NewSnapshotWriter begins the snapshot of the tree as of zxid in dir. Parts
// 2 to 4 of the file (sessions, ACL lists, nodes) follow by Write, the rest
// by Finish.
func NewSnapshotWriter(fs vfs.FS, dir string, zxid int64, opts SnapshotOptions) (*SnapshotWriter, error) {
	base := SnapshotName(zxid, opts.Compression)
	w := &SnapshotWriter{
		fs: fs, dir: dir, zxid: zxid, sum: 1,
		name: path.Join(dir, base), temp: path.Join(dir, tempPrefix+base),
	}
	f, err := fs.Create(w.temp)
	if err != nil {
		return nil, fmt.Errorf("create snapshot: %w", err)
	}
	if opts.SyncEach <= 0 {
		opts.SyncEach = defaultSyncEach
	}
	w.file = f
	w.paced = &pacedFile{file: f, syncEach: opts.SyncEach, buf: make([]byte, 0, snapshotStep)}
	w.out = opts.Compression.writer(w.paced)
	var h [snapshotHeader]byte
	dbid := int64(snapshotDBID)
	binary.BigEndian.PutUint32(h[0:], snapshotMagic)
	binary.BigEndian.PutUint32(h[4:], snapshotVersion)
	binary.BigEndian.PutUint64(h[8:], uint64(dbid))
	if _, err := w.Write(h[:]); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// Write adds encoded bytes of the body. After an error only Abort is left.
func (w *SnapshotWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.sum = checksum(w.sum, p)
	n, err := w.out.Write(p)
	w.bytes += int64(n)
	if err != nil {
		w.err = fmt.Errorf("write snapshot %s: %w", w.name, err)
	}
	return n, w.err
}

// Finish writes the terminator, the seals and the tail, makes the file
// durable and gives it its name. If it fails there is no snapshot.
//
// Without a digest the last zxid is left out too: Apache's server, when its
// own zookeeper.digest.enabled differs, takes the one for the other and
// rejects the file, whereas one without both is read by every version.
func (w *SnapshotWriter) Finish(tail SnapshotTail) (*SnapshotInfo, error) {
	if !tail.HasDigest {
		tail = SnapshotTail{}
	}
	w.put(terminator)
	w.seal()
	if tail.HasDigest {
		b := binary.BigEndian.AppendUint64(nil, uint64(tail.DigestZxid))
		b = binary.BigEndian.AppendUint32(b, uint32(wire.DigestVersion))
		w.put(binary.BigEndian.AppendUint64(b, uint64(tail.Digest)))
		w.seal()
	}
	if tail.HasLastZxid {
		w.put(binary.BigEndian.AppendUint64(nil, uint64(tail.LastZxid)))
		w.seal()
	}
	if w.err == nil {
		w.err = w.commit()
	}
	if w.err != nil {
		err := w.err
		w.Abort()
		return nil, err
	}
	return &SnapshotInfo{Path: w.name, Zxid: w.zxid, Bytes: w.bytes, FileSize: w.paced.off, Tail: tail,
		DigestVersion: wire.DigestVersion, Checksum: w.sealed}, nil
}

func (w *SnapshotWriter) seal() {
	w.sealed = w.sum
	b := binary.BigEndian.AppendUint64(w.scratch[:0], uint64(w.sum))
	w.scratch = append(b, terminator...)
	w.put(w.scratch)
}

// put is Write for what Finish adds: a failure stays in w.err, makes what
// follows do nothing, and keeps Finish from giving the file its name.
func (w *SnapshotWriter) put(p []byte) { _, _ = w.Write(p) }

func (w *SnapshotWriter) commit() error {
	err := w.out.Close()
	if err == nil {
		err = w.paced.finish()
	}
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	w.file = nil
	if err == nil {
		err = w.fs.Rename(w.temp, w.name)
	}
	if err == nil {
		if err = w.fs.SyncDir(w.dir); err != nil {
			// Under its name it would count for a purge, though a crash may
			// take the name back.
			_ = w.fs.Remove(w.name)
		}
	}
	if err != nil {
		return fmt.Errorf("finish snapshot %s: %w", w.name, err)
	}
	return nil
}

// Abort gives the snapshot up and deletes what has been written.
func (w *SnapshotWriter) Abort() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
	if w.err == nil {
		w.err = errors.New("snapshot was given up")
	}
	_ = w.fs.Remove(w.temp) // a left-over is removed at the next start
}

// pacedFile writes in steps and keeps the amount of data that waits for the
// disk small.
type pacedFile struct {
	file     vfs.File
	buf      []byte
	off      int64 // of buf[0]
	synced   int64
	syncEach int64
}

func (p *pacedFile) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(len(b), cap(p.buf)-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b = b[k:]
		if len(p.buf) == cap(p.buf) {
			if err := p.flush(); err != nil {
				return n - len(b), err
			}
		}
	}
	return n, nil
}

func (p *pacedFile) flush() error {
	n, err := p.file.WriteAt(p.buf, p.off)
	if err == nil && n < len(p.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	if err := p.file.StartSync(p.off, int64(n)); err != nil {
		return err
	}
	p.off += int64(n)
	p.buf = p.buf[:0]
	if p.off-p.synced >= p.syncEach {
		p.synced = p.off
		return p.file.Sync()
	}
	return nil
}

func (p *pacedFile) finish() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.file.Sync()
}

// RemoveTemps deletes what snapshots that were never finished have left.
// Nothing may be writing a snapshot into dir. It returns the deleted paths.
func RemoveTemps(fs vfs.FS, dir string) ([]string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) {
			p := path.Join(dir, name)
			if err := fs.Remove(p); err != nil {
				return gone, err
			}
			gone = append(gone, p)
		}
	}
	return gone, nil
}
