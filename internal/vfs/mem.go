package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"
)

// sectorSize is the unit in which a disk writes: a torn write tears between
// sectors, never inside one.
const sectorSize = 512

// Mem is a file system in memory that remembers what has been made durable
// and what has not, so that a crash can be tried at any moment: see
// CrashClone. Directories themselves are durable as soon as they are made.
type Mem struct {
	mu    sync.Mutex
	dirs  map[string]*memDir
	locks map[string]bool
	clock int64 // ticks once a change; modification times are made of it
}

type memDir struct {
	live    map[string]*memInode
	durable map[string]*memInode
	pending []nameOp // since the last SyncDir, in order
}

// nameOp is a change of one name; file nil removes it. A rename is two
// changes of one step: the second carries joined.
type nameOp struct {
	name   string
	file   *memInode
	joined bool
}

type memInode struct {
	data    []byte // up to the last byte ever written; the rest of size is zero
	size    int64
	sync    []byte // the durable data
	ssize   int64
	pending []dataOp // since the last Sync, in order
	mtime   int64
}

// dataOp is one write (data) or change of size (data nil).
type dataOp struct {
	off  int64 // or the size
	data []byte
}

// NewMem returns an empty file system whose root directory "/" exists.
func NewMem() *Mem {
	m := &Mem{dirs: map[string]*memDir{}, locks: map[string]bool{}}
	m.dirs["/"] = newMemDir()
	m.dirs["."] = newMemDir()
	return m
}

func newMemDir() *memDir {
	return &memDir{live: map[string]*memInode{}, durable: map[string]*memInode{}}
}

func memError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// dir returns the directory of name and the last part of name.
func (m *Mem) dir(op, name string) (*memDir, string, error) {
	name = path.Clean(name)
	d := m.dirs[path.Dir(name)]
	if d == nil {
		return nil, "", memError(op, name, fs.ErrNotExist)
	}
	return d, path.Base(name), nil
}

func (m *Mem) tick() int64 {
	m.clock++
	return m.clock
}

func (d *memDir) set(name string, f *memInode, joined bool) {
	if f == nil {
		delete(d.live, name)
	} else {
		d.live[name] = f
	}
	d.pending = append(d.pending, nameOp{name, f, joined})
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.dir("create", name)
	if err != nil {
		return nil, err
	}
	if m.dirs[path.Clean(name)] != nil {
		return nil, memError("create", name, fmt.Errorf("is a directory"))
	}
	n := d.live[base]
	if n == nil {
		n = &memInode{}
		d.set(base, n, false)
	} else {
		n.truncate(0)
	}
	n.mtime = m.tick()
	return &memFile{fs: m, n: n, name: name, write: true}, nil
}

func (m *Mem) open(name string, write bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.dir("open", name)
	if err != nil {
		return nil, err
	}
	n := d.live[base]
	if n == nil {
		return nil, memError("open", name, fs.ErrNotExist)
	}
	return &memFile{fs: m, n: n, name: name, write: write}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenWrite implements FS.
func (m *Mem) OpenWrite(name string) (File, error) { return m.open(name, true) }

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.dir("remove", name)
	if err != nil {
		return err
	}
	if d.live[base] == nil {
		return memError("remove", name, fs.ErrNotExist)
	}
	d.set(base, nil, false)
	m.tick()
	return nil
}

// Rename implements FS. Both names must be in one directory.
func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, from, err := m.dir("rename", oldname)
	if err != nil {
		return err
	}
	d2, to, err := m.dir("rename", newname)
	if err != nil {
		return err
	}
	n := d.live[from]
	if n == nil {
		return memError("rename", oldname, fs.ErrNotExist)
	}
	if d2 != d {
		return memError("rename", newname, fmt.Errorf("in another directory than %s", oldname))
	}
	d.set(from, nil, false)
	d.set(to, n, true)
	m.tick()
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	d := m.dirs[dir]
	if d == nil {
		return nil, memError("list", dir, fs.ErrNotExist)
	}
	names := make([]string, 0, len(d.live))
	for name := range d.live {
		names = append(names, name)
	}
	for sub := range m.dirs {
		if sub != dir && path.Dir(sub) == dir {
			names = append(names, path.Base(sub))
		}
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = path.Clean(dir); m.dirs[dir] == nil; dir = path.Dir(dir) {
		if d := m.dirs[path.Dir(dir)]; d != nil && d.live[path.Base(dir)] != nil {
			return memError("mkdir", dir, fmt.Errorf("not a directory"))
		}
		m.dirs[dir] = newMemDir()
	}
	return nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[path.Clean(name)] != nil {
		return Info{Dir: true}, nil
	}
	d, base, err := m.dir("stat", name)
	if err != nil {
		return Info{}, err
	}
	n := d.live[base]
	if n == nil {
		return Info{}, memError("stat", name, fs.ErrNotExist)
	}
	return Info{Size: n.size, ModTime: time.Unix(n.mtime, 0)}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[path.Clean(dir)]
	if d == nil {
		return memError("sync", dir, fs.ErrNotExist)
	}
	applyNames(d.durable, d.pending)
	d.pending = nil
	return nil
}

func applyNames(names map[string]*memInode, ops []nameOp) {
	for _, op := range ops {
		if op.file == nil {
			delete(names, op.name)
		} else {
			names[op.name] = op.file
		}
	}
}

// Writable implements FS.
func (m *Mem) Writable(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[path.Clean(dir)] == nil {
		return memError("write", dir, fs.ErrNotExist)
	}
	return nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// Lock implements FS; the lock is no file.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.locks[name] {
		return nil, &LockedError{Name: name}
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

// CrashClone returns the file system as it may be found after the machine
// lost its power now; m itself goes on. The seed decides what becomes of
// everything that was not made durable: of the changed names a directory
// keeps some first ones, as a journal would, and of the written bytes each
// file keeps all, none, a beginning, or single sectors. The same seed and
// the same history give the same result.
func (m *Mem) CrashClone(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	rng := rand.New(rand.NewPCG(seed, 0x7a6f6f6964))
	c := NewMem()
	c.clock = m.clock
	dirs := make([]string, 0, len(m.dirs))
	for name := range m.dirs {
		dirs = append(dirs, name)
	}
	slices.Sort(dirs)
	copies := map[*memInode]*memInode{}
	for _, name := range dirs {
		d := m.dirs[name]
		names := map[string]*memInode{}
		for k, v := range d.durable {
			names[k] = v
		}
		keep := rng.IntN(len(d.pending) + 1)
		for keep < len(d.pending) && d.pending[keep].joined {
			keep++
		}
		applyNames(names, d.pending[:keep])
		order := make([]string, 0, len(names))
		for k := range names {
			order = append(order, k)
		}
		slices.Sort(order)
		nd := newMemDir()
		for _, k := range order {
			n := names[k]
			if copies[n] == nil {
				copies[n] = n.crash(rng)
			}
			nd.live[k], nd.durable[k] = copies[n], copies[n]
		}
		c.dirs[name] = nd
	}
	return c
}
