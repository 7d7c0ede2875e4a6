package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zooid/internal/vfs"
)

func TestOpenDirs(t *testing.T) {
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"swapped-data/version-2", "swapped-log/version-2", "bare", "locked"} {
		if err := os.MkdirAll(in(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"swapped-data/version-2/log.1", "swapped-log/version-2/snapshot.0", "file"} {
		if err := os.WriteFile(in(name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	held, err := OpenDirs(vfs.OS, in("locked"), "", true)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for _, c := range []struct {
		data, log  string
		autocreate bool
		want       string
	}{
		{in("new/deep"), in("new/log"), true, ""},
		{in("bare"), "", true, ""},
		{in("bare2"), "", false, "bare2/version-2: is missing and zookeeper.datadir.autocreate is false"},
		{in("file"), "", true, "file/version-2: cannot be "},
		{in("swapped-data"), in("bare"), true, "is the snapshot directory but holds log files (log.1)"},
		{in("bare"), in("swapped-log"), true, "is the log directory but holds snapshot files (snapshot.0)"},
		{in("locked"), in("bare"), true, "another server uses it; stop that one first"},
		{in("bare"), in("locked"), true, "zooid.lock is locked by process " + strconv.Itoa(os.Getpid())},
	} {
		d, err := OpenDirs(vfs.OS, c.data, c.log, c.autocreate)
		if c.want == "" {
			if err != nil {
				t.Error(err)
				continue
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v; want %q", c.data, c.log, err, c.want)
		}
	}
	// What failed has let go of what it held.
	d, err := OpenDirs(vfs.OS, in("bare"), "", true)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestMarkerAndUsage(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	for _, name := range []string{"/data/initialize", "/log/initialize"} {
		if d.Marker() {
			t.Fatal("there is no marker")
		}
		writeFile(t, mem, name, []byte{})
		if !d.Marker() {
			t.Fatal("marker is not seen: " + name)
		}
		if err := d.DropMarker(); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, mem, "/log/version-2/log.1", make([]byte, 1000))
	writeFile(t, mem, "/log/version-2/log.2", make([]byte, 234))
	if n, err := DiskUsage(mem, d.DataLog); n != 1234 || err != nil {
		t.Fatal(n, err)
	}
}

func TestEpochFiles(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	if _, ok, err := d.ReadEpoch(AcceptedEpoch); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := d.WriteEpoch(AcceptedEpoch, 12); err != nil {
		t.Fatal(err)
	}
	if got := string(fileBytes(t, mem, "/data/version-2/acceptedEpoch")); got != "12" {
		t.Fatalf("%q", got)
	}
	if n, ok, err := d.ReadEpoch(AcceptedEpoch); n != 12 || !ok || err != nil {
		t.Fatal(n, ok, err)
	}
	writeFile(t, mem, "/data/version-2/currentEpoch", []byte("7\nmore"))
	if n, ok, err := d.ReadEpoch(CurrentEpoch); n != 7 || !ok || err != nil {
		t.Fatal(n, ok, err)
	}
	writeFile(t, mem, "/data/version-2/currentEpoch", []byte{})
	var damage *DamageError
	if _, _, err := d.ReadEpoch(CurrentEpoch); !errors.As(err, &damage) || !strings.Contains(err.Error(), `"" is not a decimal number`) {
		t.Fatal(err)
	}
}

func TestTruncate(t *testing.T) {
	fill := func() (*vfs.Mem, *Dirs) {
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		l := OpenLog(mem, d.Log, LogOptions{PreAlloc: 4096})
		for z := int64(5); z <= 13; z += 3 {
			appendTxns(t, l, z, z+2, 50)
			if err := l.Roll(); err != nil {
				t.Fatal(err)
			}
		}
		appendTxns(t, l, 1<<32+1, 1<<32+3, 50)
		return mem, d
	}
	for _, c := range []struct {
		zxid    int64
		deleted int
		left    []int64
		want    string
	}{
		{1<<32 + 3, 0, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13, 1<<32 + 1, 1<<32 + 2, 1<<32 + 3}, ""},
		{1<<32 + 1, 0, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13, 1<<32 + 1}, ""},
		{13, 1, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13}, ""},
		{9, 2, []int64{5, 6, 7, 8, 9}, ""},
		{5, 3, []int64{5}, ""},
		{4, 4, nil, ""},
		{0, 4, nil, ""},
		{14, 0, nil, "goes from 0xd on without it"},
	} {
		mem, d := fill()
		deleted, err := Truncate(d, c.zxid, Limits{})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("0x%x: %v", c.zxid, err)
			}
			continue
		}
		got, _, rerr := zxids(t, mem.CrashClone(1), d.Log, 1)
		if err != nil || rerr != nil || len(deleted) != c.deleted || !slices.Equal(got, c.left) {
			t.Errorf("0x%x: deleted %v, %v; left %x, %v", c.zxid, deleted, err, got, rerr)
		}
		if _, err := Truncate(d, c.zxid, Limits{}); c.deleted < 4 && err != nil {
			t.Errorf("0x%x again: %v", c.zxid, err)
		}
	}
	d := memDirs(t, vfs.NewMem())
	if _, err := Truncate(d, 3, Limits{}); err == nil || !strings.Contains(err.Error(), "there are no transaction logs in /log/version-2") {
		t.Error(err)
	}
}

func TestLogRefusesGaps(t *testing.T) {
	for _, zxids := range [][2]int64{{5, 5}, {5, 4}, {5, 7}, {1<<32 | 1, 7}, {1<<32 | 1, 1<<32 | 3}} {
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		l := OpenLog(mem, d.Log, LogOptions{})
		appendTxns(t, l, zxids[0], zxids[0], 10)
		if err := l.Append(zxids[1], txn(zxids[1], 10)); err == nil || !strings.Contains(err.Error(), "cannot follow") {
			t.Errorf("%x: %v", zxids, err)
		}
	}
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{})
	appendTxns(t, l, 9, 9, 10)
	appendTxns(t, l, 1<<32+1, 1<<32+1, 10)
	appendTxns(t, l, 3<<32+1, 3<<32+2, 10)
}
