package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// both runs a test on the real file system and on the one in memory.
func both(t *testing.T, f func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { f(t, OS, t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := NewMem()
		if err := m.MkdirAll("/dir"); err != nil {
			t.Fatal(err)
		}
		f(t, m, "/dir")
	})
	t.Run("faulty", func(t *testing.T) { f(t, NewFaulty(OS, nil), t.TempDir()) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, fsys FS, name, content string) {
	t.Helper()
	must(t, ReplaceFile(fsys, name, []byte(content)))
}

func content(t *testing.T, fsys FS, name string) string {
	t.Helper()
	b, err := ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "(missing)"
	}
	must(t, err)
	return string(b)
}

func TestFiles(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		f, err := fsys.Create(name)
		must(t, err)
		_, err = f.WriteAt([]byte("hello"), 3)
		must(t, err)
		must(t, f.Preallocate(10))
		must(t, f.Preallocate(5)) // never makes it shorter
		must(t, f.StartSync(0, 10))
		must(t, f.Sync())
		size, err := f.Size()
		must(t, err)
		b := make([]byte, 20)
		n, err := f.ReadAt(b, 0)
		if size != 10 || n != 10 || err != io.EOF || !bytes.Equal(b[:n], []byte("\x00\x00\x00hello\x00\x00")) {
			t.Fatalf("size %d, read %d %v %q", size, n, err, b[:n])
		}
		must(t, f.Truncate(4))
		must(t, f.Truncate(6))
		must(t, f.Close())
		if got := content(t, fsys, name); got != "\x00\x00\x00h\x00\x00" {
			t.Fatalf("%q", got)
		}
		r, err := fsys.Open(name)
		must(t, err)
		if _, err := r.WriteAt([]byte("x"), 0); err == nil {
			t.Fatal("wrote to a file opened for reading")
		}
		must(t, r.Close())
		w, err := fsys.OpenWrite(name)
		must(t, err)
		_, err = w.WriteAt([]byte("X"), 0)
		must(t, err)
		must(t, w.Close())
		if got := content(t, fsys, name); got[0] != 'X' || len(got) != 6 {
			t.Fatalf("%q", got)
		}
	})
}

func TestNames(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		put(t, fsys, filepath.Join(dir, "b"), "b")
		put(t, fsys, filepath.Join(dir, "a"), "a")
		must(t, fsys.MkdirAll(filepath.Join(dir, "sub/deep")))
		names, err := fsys.List(dir)
		must(t, err)
		if !slices.Equal(names, []string{"a", "b", "sub"}) {
			t.Fatalf("%q", names)
		}
		must(t, fsys.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
		must(t, fsys.SyncDir(dir))
		if got := content(t, fsys, filepath.Join(dir, "b")); got != "a" {
			t.Fatal(got)
		}
		must(t, fsys.Remove(filepath.Join(dir, "b")))
		if err := fsys.Remove(filepath.Join(dir, "b")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := fsys.Stat(filepath.Join(dir, "b")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		info, err := fsys.Stat(filepath.Join(dir, "sub"))
		if err != nil || !info.Dir {
			t.Fatal(info, err)
		}
		for _, f := range []func(string) (File, error){fsys.Open, fsys.OpenWrite} {
			if _, err := f(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if _, err := fsys.Create(filepath.Join(dir, "none/x")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := fsys.List(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		must(t, fsys.Writable(dir))
	})
}

func TestLock(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "lock")
		l, err := fsys.Lock(name)
		must(t, err)
		var held *LockedError
		if _, err := fsys.Lock(name); !errors.As(err, &held) {
			t.Fatal(err)
		}
		if _, onDisk := fsys.(osFS); onDisk && held.PID != os.Getpid() {
			t.Fatalf("held by %d, this is %d", held.PID, os.Getpid())
		}
		must(t, l.Close())
		l, err = fsys.Lock(name)
		must(t, err)
		must(t, l.Close())
	})
}

func TestWhatWasSyncedSurvives(t *testing.T) {
	for seed := range uint64(500) {
		m := NewMem()
		must(t, m.MkdirAll("/d"))
		f, err := m.Create("/d/a")
		must(t, err)
		old := bytes.Repeat([]byte("o"), 3000)
		_, err = f.WriteAt(old, 0)
		must(t, err)
		must(t, f.Sync())
		must(t, m.SyncDir("/d"))
		_, err = f.WriteAt(bytes.Repeat([]byte("n"), 3000), 1500)
		must(t, err)
		c := m.CrashClone(seed)
		got := content(t, c, "/d/a")
		if len(got) < 3000 || len(got) > 4500 || got[:1024] != string(old[:1024]) {
			t.Fatalf("seed %d: %d bytes", seed, len(got))
		}
		for i, b := range []byte(got) {
			if b != 'o' && b != 'n' && (b != 0 || i < 3000) || b == 'n' && i < 1500 {
				t.Fatalf("seed %d: byte %d is %q", seed, i, b)
			}
		}
		if again := content(t, m.CrashClone(seed), "/d/a"); again != got {
			t.Fatalf("seed %d: not the same twice", seed)
		}
		if got := content(t, m, "/d/a"); len(got) != 4500 {
			t.Fatalf("the original has changed: %d bytes", len(got))
		}
	}
}

// Whatever can happen to unsynced data and names does happen.
func TestCrashesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		m := NewMem()
		put(t, m, "/old", "old")
		f, err := m.Create("/new")
		must(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte("n"), 1024), 0)
		must(t, err)
		must(t, m.Rename("/old", "/renamed"))
		must(t, m.Remove("/renamed"))
		c := m.CrashClone(seed)
		old, renamed, data := content(t, c, "/old"), content(t, c, "/renamed"), content(t, c, "/new")
		if old != "(missing)" && renamed != "(missing)" {
			t.Fatalf("seed %d: a rename left both names", seed)
		}
		switch {
		case old == "old":
			seen["old name"] = true
		case renamed == "old":
			seen["new name"] = true
		default:
			seen["removed"] = true
		}
		switch {
		case data == "(missing)":
			seen["no file"] = true
		case data == "":
			seen["no data"] = true
		case len(data) == 1024 && data[0] == 0 && data[1023] == 'n':
			seen["a hole"] = true
		case len(data) == 512 || data[512] == 0:
			seen["a beginning"] = true
		case data[0] == 'n':
			seen["all data"] = true
		}
	}
	if len(seen) != 8 {
		t.Fatalf("%v", seen)
	}
}

func TestFaulty(t *testing.T) {
	boom := errors.New("no space left")
	m := NewMem()
	f := NewFaulty(m, FailNth(OpWrite, 1, boom))
	file, err := f.Create("/a")
	must(t, err)
	_, err = file.WriteAt([]byte("x"), 0)
	must(t, err)
	if _, err = file.WriteAt([]byte("y"), 1); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte("z"), 1)
	must(t, err)
	f.SetRule(func(op Op) *Fault {
		if op.Kind == OpWrite {
			return &Fault{Err: boom, Short: 2}
		}
		return nil
	})
	if n, err := file.WriteAt([]byte("1234"), 2); n != 2 || !errors.Is(err, boom) {
		t.Fatal(n, err)
	}
	if got := content(t, m, "/a"); got != "xz12" {
		t.Fatalf("%q", got)
	}
	f.SetRule(OnName("b", FailFrom(0, boom)))
	must(t, file.Sync())
	if _, err := f.Create("/b"); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if f.Count() != 2 {
		t.Fatalf("%d operations", f.Count())
	}
}
