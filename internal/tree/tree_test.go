package tree

import (
	"testing"

	"zooid/internal/wire"
)

func TestFreshTree(t *testing.T) {
	tr := New(Options{Seed: 1, Digest: true})
	if d := tr.Digest(); d != 0x51c6d660 {
		t.Errorf("digest %#x", d)
	}
	if n := tr.NodeCount(); n != 5 {
		t.Errorf("%d nodes", n)
	}
	if n := tr.DataSize(); n != 44 {
		t.Errorf("data size %d", n)
	}
	var s wire.Stat
	tr.Stat(Root, &s)
	if s != (wire.Stat{Cversion: -1, NumChildren: 1}) {
		t.Errorf("root %+v", s)
	}
}
