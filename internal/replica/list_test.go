package replica

import (
	"testing"

	"zooid/internal/wire"
)

// The permission to read may be taken away between the turns of a list, or the
// node may be another one by then: the reply is that of the moment it is made.
func TestLongListAsksForPermissionInEachTurn(t *testing.T) {
	closed := wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermAll &^ wire.PermRead, ID: wire.ID{Scheme: "world", ID: "anyone"}}})
	cfg := testConfig()
	cfg.Limits.List = 1
	f := newFixture(t, cfg)
	f.connect(1, 20000)
	f.must(1, wire.OpCreate, createReq("/d", "", 0))
	for range 5 {
		f.must(1, wire.OpCreate, createReq("/d/n", "", 2))
	}
	l, _ := f.r.BeginList(1, frame(7, wire.OpGetChildren, readReq("/d", false).Append(nil)))
	if l == nil {
		t.Fatal("no list in turns")
	}
	if _, done := f.r.ListTurn(1, l, nil); done {
		t.Fatal("one turn made the whole list")
	}
	f.must(1, wire.OpSetACL, &wire.SetACLRequest{Path: []byte("/d"), ACL: closed, Version: -1})
	out, done := f.r.ListTurn(1, l, nil)
	if !done {
		t.Fatal("the list goes on")
	}
	if h, body := split(out[4:]); h.Err != wire.CodeNoAuth || len(body) != 0 {
		t.Errorf("code %v and %d bytes", h.Err, len(body))
	}
}
