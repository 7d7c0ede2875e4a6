package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"time"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// The layout of a log file (FileTxnLog).
const (
	logMagic      = 0x5a4b4c47 // "ZKLG"
	logVersion    = 2
	logHeaderSize = 16
	recordHead    = 12   // checksum (8) and length (4) before each entry
	recordEnd     = 0x42 // 'B' behind it
	recordExtra   = recordHead + 1
)

const (
	// logBufferSize is how much is gathered for one write. A single larger
	// record makes the buffer larger for a while: each write ends where a
	// record ends, so that a crash cannot show half a record but by whole
	// sectors.
	logBufferSize = 256 << 10
	// preAllocMargin: the file grows when the next byte to write comes closer
	// than this to its end (FilePadding).
	preAllocMargin = 4096
	// tornWindow bounds the bytes that are written and not yet synced: Append
	// syncs by itself before it exceeds this. A reader relies on it to tell a
	// batch torn by a crash from damage.
	tornWindow = 4 << 20
	// zeroStep is how far ahead of the data zeros are written. Preallocated
	// space that was never written costs a sync an entry in the file system's
	// journal each time it reaches a new block; written space does not. That
	// takes a quarter off each sync (measured on ext4: 190 to 140 us).
	zeroStep = 256 << 10
	// zeroBatch is the size of a commit from which that no longer pays.
	zeroBatch = zeroStep / 4
)

var zeros [zeroStep]byte

// LogOptions are the settings of a Log.
type LogOptions struct {
	// PreAlloc is the step in bytes in which files grow
	// (zookeeper.preAllocSize); 0 or less: they grow with each write.
	PreAlloc int64
	// SizeLimit in bytes ends a file that has grown beyond it
	// (zookeeper.txnLogSizeLimitInKb); 0 or less: no limit.
	SizeLimit int64
	// NoSync leaves out every sync (zookeeper.forceSync=no): a crash of the
	// machine may then lose what was acknowledged.
	NoSync bool
	// Now is the clock that Commit's duration is measured by; nil: time.Now.
	Now func() time.Time
}

// Log writes the transaction log. A file begins with the first transaction
// after OpenLog or Roll and is named by it; files found at start are never
// written to. The first failure is final: from then on every call returns it,
// and nothing that was not committed before may be acknowledged.
//
// A Log is used by one goroutine at a time.
type Log struct {
	fs   vfs.FS
	dir  string
	opts LogOptions

	file     vfs.File // nil between files
	name     string
	off      int64  // in the file, of buf[0]
	size     int64  // the file's length, preallocated bytes included
	synced   int64  // the file's bytes before this are durable
	zeroed   int64  // the file's bytes before this have been written once
	newName  bool   // the directory entry is not durable yet
	noAlloc  bool   // no preallocation: not wanted, or it failed
	buf      []byte // not yet written
	lastZxid int64
	total    int64 // bytes of ended files since ResetTotal
	err      error
}

// OpenLog returns a log that writes into dir. It opens no file yet.
func OpenLog(fs vfs.FS, dir string, opts LogOptions) *Log {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Log{fs: fs, dir: dir, opts: opts, buf: make([]byte, 0, logBufferSize)}
}

// Append adds the entry of transaction zxid: TxnHeader, body and digest. It
// is durable after the next Commit that returns nil. The entry is not kept.
// Within an epoch each zxid must be the one after the last.
func (l *Log) Append(zxid int64, entry []byte) error {
	if l.err != nil {
		return l.err
	}
	if len(entry) < wire.TxnHeaderSize {
		return l.fail(fmt.Errorf("entry of 0x%x has %d bytes, fewer than a transaction header", zxid, len(entry)))
	}
	if l.lastZxid != 0 && zxid != l.lastZxid+1 && epochOf(zxid) <= epochOf(l.lastZxid) {
		// Written down it would be refused at the next start, and rightly so.
		return l.fail(fmt.Errorf("transaction 0x%x cannot follow 0x%x in the log", zxid, l.lastZxid))
	}
	if l.file == nil {
		if err := l.start(zxid); err != nil {
			return err
		}
	}
	l.lastZxid = zxid
	if len(l.buf)+len(entry)+recordExtra > logBufferSize {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if l.off-l.synced+int64(len(l.buf)+len(entry)) > tornWindow && l.off > l.synced {
		if err := l.sync(); err != nil {
			return err
		}
	}
	l.buf = appendRecord(l.buf, entry)
	return nil
}

func appendRecord(b, entry []byte) []byte {
	var head [recordHead]byte
	binary.BigEndian.PutUint64(head[0:], uint64(checksum(1, entry)))
	binary.BigEndian.PutUint32(head[8:], uint32(len(entry)))
	b = append(b, head[:]...)
	b = append(b, entry...)
	return append(b, recordEnd)
}

// start opens the file whose first transaction is zxid.
func (l *Log) start(zxid int64) error {
	name := path.Join(l.dir, LogName(zxid))
	if err := refuseOverwrite(l.fs, name); err != nil {
		return l.fail(err)
	}
	f, err := l.fs.Create(name)
	if err != nil {
		return l.fail(fmt.Errorf("create transaction log: %w", err))
	}
	l.file, l.name = f, name
	l.off, l.size, l.synced, l.zeroed = 0, 0, 0, 0
	l.newName, l.noAlloc = true, l.opts.PreAlloc <= 0
	l.buf = appendLogHeader(l.buf)
	return nil
}

func appendLogHeader(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, logMagic)
	b = binary.BigEndian.AppendUint32(b, logVersion)
	return binary.BigEndian.AppendUint64(b, 0)
}

// refuseOverwrite returns an error if the file already holds a transaction.
// Recover has replayed every transaction it found, so none can begin with the
// next zxid; if one does, somebody else writes here.
func refuseOverwrite(fs vfs.FS, name string) error {
	r, err := OpenLogReader(fs, name, Limits{})
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = r.Next()
		r.Close()
	}
	if err == io.EOF {
		return nil
	}
	var torn *TornError
	var damage *DamageError
	if err != nil && !errors.As(err, &torn) && !errors.As(err, &damage) {
		return fmt.Errorf("create transaction log: %w", err)
	}
	return fmt.Errorf("transaction log %s exists already and is not empty; does another server use this directory?", name)
}

// flush writes the buffer.
func (l *Log) flush() error {
	if len(l.buf) == 0 || l.err != nil {
		return l.err
	}
	err := l.write(l.buf)
	l.buf = l.buf[:0]
	if cap(l.buf) > 2*logBufferSize {
		l.buf = make([]byte, 0, logBufferSize)
	}
	return err
}

// write writes b at the end of the file, growing it first if need be.
func (l *Log) write(b []byte) error {
	l.grow(int64(len(b)))
	n, err := l.file.WriteAt(b, l.off)
	if err == nil && n < len(b) {
		err = fmt.Errorf("only %d of %d bytes were written", n, len(b))
	}
	if err != nil {
		return l.fail(fmt.Errorf("write transaction log %s at offset %d: %w", l.name, l.off, err))
	}
	l.off += int64(n)
	l.size = max(l.size, l.off)
	return nil
}

// grow preallocates when n more bytes would come close to the end of the
// file, so that a later sync finds the size and the place of the data
// unchanged. A failure is not the log's: the write itself will say whether
// there is room.
func (l *Log) grow(n int64) {
	end := l.off + n + preAllocMargin
	if l.noAlloc || end < l.size {
		return
	}
	// Apache's first growth comes after the header: 16 bytes and one step.
	size, step := max(l.size, logHeaderSize), l.opts.PreAlloc
	size += max(0, (end-size)/step+1) * step
	if err := l.file.Preallocate(size); err != nil {
		l.noAlloc = true
		return
	}
	l.size = size
}

// Commit writes and syncs what was appended: after it returns nil every
// appended transaction is durable (unless NoSync is set). The duration is
// that of the sync alone, for zookeeper.fsync.warningthresholdms; 0 if there
// was nothing to sync.
func (l *Log) Commit() (time.Duration, error) {
	if l.err != nil || l.file == nil {
		return 0, l.err
	}
	if err := l.flush(); err != nil {
		return 0, err
	}
	var took time.Duration
	if !l.opts.NoSync && (l.off > l.synced || l.newName) {
		l.zeroAhead()
		begin := l.opts.Now()
		if err := l.sync(); err != nil {
			return 0, err
		}
		took = l.opts.Now().Sub(begin)
	}
	if l.opts.SizeLimit > 0 && l.off > l.opts.SizeLimit {
		return took, l.end()
	}
	return took, nil
}

// zeroAhead writes zeros behind the data when the data has used up those
// written before. A failure is not the log's, as with grow.
func (l *Log) zeroAhead() {
	if l.off <= l.zeroed || l.noAlloc || l.off-l.synced > zeroBatch {
		l.zeroed = max(l.zeroed, l.off)
		return
	}
	n := min(zeroStep, l.size-l.off)
	if _, err := l.file.WriteAt(zeros[:n], l.off); err != nil {
		l.noAlloc = true
	}
	l.zeroed = l.off + n
}

// sync makes what was written durable: the data, and the name of a new file.
func (l *Log) sync() error {
	if l.opts.NoSync {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("sync transaction log %s, bytes %d to %d: %w", l.name, l.synced, l.off, err))
	}
	l.synced = l.off
	if l.newName {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.fail(fmt.Errorf("sync directory %s of the new transaction log %s: %w", l.dir, l.name, err))
		}
		l.newName = false
	}
	return nil
}

// Roll commits what was appended and ends the file: the next transaction
// opens a new one.
func (l *Log) Roll() error {
	if _, err := l.Commit(); err != nil || l.file == nil {
		return err
	}
	return l.end()
}

// end closes the committed file and gives the preallocated rest back.
func (l *Log) end() error {
	if l.size > l.off {
		// Nothing depends on it: a reader stops at the zeros just as well.
		_ = l.file.Truncate(l.off)
	}
	l.total += l.off
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return l.fail(fmt.Errorf("close transaction log %s: %w", l.name, err))
	}
	return nil
}

// Close commits what was appended and ends the file. After a failure it only
// closes the file and returns that failure.
func (l *Log) Close() error {
	err := l.Roll()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
	if l.err == nil {
		l.err = fmt.Errorf("transaction log in %s: %w", l.dir, vfs.ErrClosed)
	}
	return err
}

func (l *Log) fail(err error) error {
	l.err = err
	return err
}

// Err returns the failure that ended the log, or nil.
func (l *Log) Err() error { return l.err }

// File returns the path of the current file, "" before the first append and
// after Roll.
func (l *Log) File() string {
	if l.file == nil {
		return ""
	}
	return l.name
}

// Size returns the bytes of the current file, appended ones included.
func (l *Log) Size() int64 {
	if l.file == nil {
		return 0
	}
	return l.off + int64(len(l.buf))
}

// Total returns the bytes appended since the last ResetTotal: what
// zookeeper.snapSizeLimitInKb is compared with.
func (l *Log) Total() int64 { return l.total + l.Size() }

// ResetTotal starts Total anew; called when a snapshot begins, after Roll.
func (l *Log) ResetTotal() { l.total = -l.Size() }
