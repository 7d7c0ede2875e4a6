package storage

import (
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// digested is a sink that checks the digests that it is given, and refuses a
// node.
type digested struct {
	body
	t     *testing.T
	left  int
	wrong error
}

func sumOf(path, data []byte, st *wire.StatPersisted) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(path), crc32.IEEETable, append(st.Append(nil), data...))
}

func (d *digested) Digester() NodeDigest { return sumOf }

func (d *digested) NodeDigested(path, data []byte, aclID int64, st *wire.StatPersisted, digest uint32) error {
	if d.left--; d.left < 0 {
		return d.wrong
	}
	if digest != sumOf(path, data, st) {
		d.t.Errorf("%q has another digest", path)
	}
	return d.Node(path, data, aclID, st)
}

// TestNodesAhead: whatever the size of batches and nodes, the sink is given the
// same, and what it refuses ends the reading.
func TestNodesAhead(t *testing.T) {
	nodes := bigBody(17 * batchNodes)
	for i, size := range []int{0, 1, batchBytes - 1, batchBytes, batchBytes + 1, windowSize + windowSize/2} {
		nodes = appendNode(nodes, "/large"+strings.Repeat("x", i), make([]byte, size), 1)
	}
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	w, err := NewSnapshotWriter(mem, d.Snap, 7, SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(nodes); err != nil {
		t.Fatal(err)
	}
	wrote, err := w.Finish(SnapshotTail{})
	if err != nil {
		t.Fatal(err)
	}
	var plain body
	info, err := ReadSnapshot(mem, wrote.Path, Limits{}, &plain)
	if err != nil {
		t.Fatal(err)
	}
	sameAhead(t, mem, wrote.Path, info, nil, &plain)
	all := &digested{t: t, left: info.Nodes}
	told := 0
	if _, err := readSnapshot(mem, wrote.Path, Limits{}, all, true, func(_ int64, n int) { told = n }); err != nil {
		t.Fatal(err)
	}
	if string(all.bytes()) != string(plain.bytes()) || told == 0 {
		t.Errorf("%d bytes instead of %d, told of %d nodes", len(all.bytes()), len(plain.bytes()), told)
	}
	for _, left := range []int{0, 1, batchNodes - 1, batchNodes, info.Nodes - 1} {
		some := &digested{t: t, left: left, wrong: errors.New("no more")}
		_, err := readSnapshot(mem, wrote.Path, Limits{}, some, true, nil)
		if !errors.Is(err, some.wrong) || !strings.Contains(err.Error(), wrote.Path) {
			t.Errorf("after %d nodes: %v", left, err)
		}
	}
}
