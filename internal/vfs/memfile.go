package vfs

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// memFile is an open file of Mem.
type memFile struct {
	fs     *Mem
	n      *memInode
	name   string
	write  bool
	closed bool
}

func (f *memFile) check(op string, write bool) error {
	if f.closed {
		return memError(op, f.name, ErrClosed)
	}
	if write && !f.write {
		return memError(op, f.name, fmt.Errorf("opened for reading only"))
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off >= f.n.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.n.size-off))
	have := 0
	if off < int64(len(f.n.data)) {
		have = copy(p[:n], f.n.data[off:])
	}
	clear(p[have:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	op := dataOp{off, append([]byte{}, p...)}
	f.n.data, f.n.size = op.apply(f.n.data, f.n.size)
	f.n.pending = append(f.n.pending, op)
	f.n.mtime = f.fs.tick()
	return len(p), nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync", false); err != nil {
		return err
	}
	for _, op := range f.n.pending {
		f.n.sync, f.n.ssize = op.apply(f.n.sync, f.n.ssize)
	}
	f.n.pending = nil
	return nil
}

func (f *memFile) StartSync(off, n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.check("sync", false)
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate", true); err != nil {
		return err
	}
	f.n.truncate(size)
	f.n.mtime = f.fs.tick()
	return nil
}

func (f *memFile) Preallocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("allocate", true); err != nil {
		return err
	}
	if size > f.n.size {
		f.n.truncate(size)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.n.size, f.check("stat", false)
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}

func (n *memInode) truncate(size int64) {
	op := dataOp{off: size}
	n.data, n.size = op.apply(n.data, n.size)
	n.pending = append(n.pending, op)
}

// apply carries the change out on a file of the given content.
func (op dataOp) apply(data []byte, size int64) ([]byte, int64) {
	if op.data == nil {
		if op.off < int64(len(data)) {
			data = data[:op.off]
		}
		return data, op.off
	}
	end := op.off + int64(len(op.data))
	if end > int64(len(data)) {
		data = grow(data, int(end))
	}
	copy(data[op.off:], op.data)
	return data, max(size, end)
}

// grow lengthens b to n bytes; the new ones are zero, whatever its spare
// capacity held before.
func grow(b []byte, n int) []byte {
	old := len(b)
	if n <= cap(b) {
		b = b[:n]
	} else {
		nb := make([]byte, n, n+n/4+sectorSize)
		copy(nb, b)
		b = nb
	}
	clear(b[old:])
	return b
}

// The fates of what was written and not synced.
const (
	fateNone    = iota // none of it reached the disk
	fateAll            // all of it did
	fatePrefix         // what was written first did, to the middle of a write
	fateSectors        // of each sector some version did
	fates
)

// crash returns the file as it may be found after a crash.
func (n *memInode) crash(rng *rand.Rand) *memInode {
	data, size := append([]byte(nil), n.sync...), n.ssize
	fate := rng.IntN(fates)
	if fate == fateSectors && n.shrinks() {
		fate = fatePrefix // which sectors a cut file still shows is not modelled
	}
	switch {
	case fate == fateAll:
		for _, op := range n.pending {
			data, size = op.apply(data, size)
		}
	case fate == fatePrefix && len(n.pending) > 0:
		k := rng.IntN(len(n.pending))
		for _, op := range n.pending[:k] {
			data, size = op.apply(data, size)
		}
		data, size = n.pending[k].tear(data, size, rng)
	case fate == fateSectors:
		data, size = tearSectors(n.pending, data, size, rng)
	}
	return &memInode{data: data, size: size, sync: append([]byte(nil), data...), ssize: size, mtime: n.mtime}
}

// shrinks reports whether a change that is not durable makes the file
// shorter.
func (n *memInode) shrinks() bool {
	size := n.ssize
	for _, op := range n.pending {
		if op.data == nil && op.off < size {
			return true
		}
		size = max(size, op.off+int64(len(op.data)))
	}
	return false
}

// tear carries out the beginning of a change: whole sectors.
func (op dataOp) tear(data []byte, size int64, rng *rand.Rand) ([]byte, int64) {
	if op.data == nil {
		if rng.IntN(2) == 0 {
			return op.apply(data, size)
		}
		return data, size
	}
	end := op.off + int64(len(op.data))
	first, last := op.off/sectorSize, (end+sectorSize-1)/sectorSize
	stop := min((first+rng.Int64N(last-first+1))*sectorSize, end)
	kept := size
	if stop > op.off {
		data, kept = dataOp{op.off, op.data[:stop-op.off]}.apply(data, size)
	}
	if end > size && rng.IntN(2) == 0 {
		return data, max(kept, end) // the new size is on disk, the data is not
	}
	return data, kept
}

// tearSectors gives each sector that ops write to, independently, one of the
// versions it had: the durable one, or that after some of the writes. None of
// ops makes the file shorter.
func tearSectors(ops []dataOp, data []byte, size int64, rng *rand.Rand) ([]byte, int64) {
	known := rng.IntN(len(ops) + 1) // the size after so many changes is on disk
	versions := map[int64]int{}
	for i, op := range ops {
		end := op.off + int64(len(op.data))
		if i < known {
			size = max(size, end)
		}
		for s := op.off / sectorSize; s*sectorSize < end && op.data != nil; s++ {
			version, ok := versions[s]
			if !ok {
				version = i + rng.IntN(len(ops)-i+1)
				versions[s] = version
			}
			if i >= version {
				continue
			}
			from, to := max(op.off, s*sectorSize), min(end, (s+1)*sectorSize)
			data, size = dataOp{from, op.data[from-op.off : to-op.off]}.apply(data, size)
		}
	}
	return data, size
}
