package vfs

import (
	"io"
	"path"
	"strings"
	"sync"
)

// OpKind is what is done to a file or a directory.
type OpKind string

// The kinds of operations that a Rule is asked about.
const (
	OpCreate      OpKind = "create"
	OpOpen        OpKind = "open"
	OpRemove      OpKind = "remove"
	OpRename      OpKind = "rename"
	OpList        OpKind = "list"
	OpMkdir       OpKind = "mkdir"
	OpStat        OpKind = "stat"
	OpSyncDir     OpKind = "syncdir"
	OpRead        OpKind = "read"
	OpWrite       OpKind = "write"
	OpSync        OpKind = "sync"
	OpTruncate    OpKind = "truncate"
	OpPreallocate OpKind = "preallocate"
	OpClose       OpKind = "close"
)

// Op is one operation that is about to happen.
type Op struct {
	Kind OpKind
	Name string // of the file or directory; for a rename the old one
	Off  int64  // read, write
	Len  int    // read, write
	N    int    // how many operations there were before this one
}

// Fault is what happens instead.
type Fault struct {
	Err   error
	Short int // of a write: this many bytes arrive first
}

// Rule decides about an operation; nil lets it pass. It is called by one
// goroutine at a time.
type Rule func(Op) *Fault

// FailNth fails the n-th operation (counted from 0) of a kind with err.
func FailNth(kind OpKind, n int, err error) Rule {
	return func(op Op) *Fault {
		if op.Kind != kind {
			return nil
		}
		if n--; n == -1 {
			return &Fault{Err: err}
		}
		return nil
	}
}

// FailFrom fails every operation from the n-th on (counted from 0) whose kind
// is among kinds, or any that changes something if none is named.
func FailFrom(n int, err error, kinds ...OpKind) Rule {
	if len(kinds) == 0 {
		kinds = []OpKind{OpCreate, OpRemove, OpRename, OpMkdir, OpSyncDir, OpWrite, OpSync, OpTruncate, OpPreallocate}
	}
	return func(op Op) *Fault {
		for _, k := range kinds {
			if k == op.Kind {
				if n--; n < 0 {
					return &Fault{Err: err}
				}
			}
		}
		return nil
	}
}

// OnName applies a rule only to names whose last part begins with prefix.
func OnName(prefix string, rule Rule) Rule {
	return func(op Op) *Fault {
		if strings.HasPrefix(path.Base(op.Name), prefix) {
			return rule(op)
		}
		return nil
	}
}

// Faulty is a file system that fails where its rule says so.
type Faulty struct {
	fs   FS
	mu   sync.Mutex
	rule Rule
	n    int
}

// NewFaulty returns fsys with the errors that rule injects; a nil rule
// injects none.
func NewFaulty(fsys FS, rule Rule) *Faulty { return &Faulty{fs: fsys, rule: rule} }

// SetRule replaces the rule and starts the count anew.
func (f *Faulty) SetRule(rule Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule, f.n = rule, 0
}

// Count returns the number of operations since the rule was set.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *Faulty) ask(op Op) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	op.N = f.n
	f.n++
	if f.rule == nil {
		return nil
	}
	fault := f.rule(op)
	if fault != nil && fault.Err != nil {
		fault = &Fault{Err: memError(string(op.Kind), op.Name, fault.Err), Short: fault.Short}
	}
	return fault
}

func (f *Faulty) try(kind OpKind, name string) error {
	if fault := f.ask(Op{Kind: kind, Name: name}); fault != nil {
		return fault.Err
	}
	return nil
}

func (f *Faulty) wrap(file File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f}, nil
}

// Create implements FS.
func (f *Faulty) Create(name string) (File, error) {
	if err := f.try(OpCreate, name); err != nil {
		return nil, err
	}
	return f.wrap(f.fs.Create(name))
}

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) {
	if err := f.try(OpOpen, name); err != nil {
		return nil, err
	}
	return f.wrap(f.fs.Open(name))
}

// OpenWrite implements FS.
func (f *Faulty) OpenWrite(name string) (File, error) {
	if err := f.try(OpOpen, name); err != nil {
		return nil, err
	}
	return f.wrap(f.fs.OpenWrite(name))
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.try(OpRemove, name); err != nil {
		return err
	}
	return f.fs.Remove(name)
}

// Rename implements FS.
func (f *Faulty) Rename(oldname, newname string) error {
	if err := f.try(OpRename, oldname); err != nil {
		return err
	}
	return f.fs.Rename(oldname, newname)
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	if err := f.try(OpList, dir); err != nil {
		return nil, err
	}
	return f.fs.List(dir)
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(dir string) error {
	if err := f.try(OpMkdir, dir); err != nil {
		return err
	}
	return f.fs.MkdirAll(dir)
}

// Stat implements FS.
func (f *Faulty) Stat(name string) (Info, error) {
	if err := f.try(OpStat, name); err != nil {
		return Info{}, err
	}
	return f.fs.Stat(name)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	if err := f.try(OpSyncDir, dir); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

// Writable implements FS.
func (f *Faulty) Writable(dir string) error { return f.fs.Writable(dir) }

// Lock implements FS.
func (f *Faulty) Lock(name string) (io.Closer, error) { return f.fs.Lock(name) }

type faultyFile struct {
	File
	fs *Faulty
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if fault := f.fs.ask(Op{Kind: OpRead, Name: f.Name(), Off: off, Len: len(p)}); fault != nil {
		return 0, fault.Err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	fault := f.fs.ask(Op{Kind: OpWrite, Name: f.Name(), Off: off, Len: len(p)})
	if fault == nil {
		return f.File.WriteAt(p, off)
	}
	n := min(fault.Short, len(p))
	if n > 0 {
		if k, err := f.File.WriteAt(p[:n], off); err != nil {
			return k, err
		}
	}
	return n, fault.Err
}

func (f *faultyFile) Sync() error {
	if err := f.fs.try(OpSync, f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.try(OpTruncate, f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Preallocate(size int64) error {
	if err := f.fs.try(OpPreallocate, f.Name()); err != nil {
		return err
	}
	return f.File.Preallocate(size)
}

func (f *faultyFile) Close() error {
	if err := f.fs.try(OpClose, f.Name()); err != nil {
		f.File.Close()
		return err
	}
	return f.File.Close()
}
