package differential

import (
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// TestInternalTypesRefused holds Zooid to the two rows of knownDifferences
// about types that only a server itself may use.
func TestInternalTypesRefused(t *testing.T) {
	harness.Ring(t)
	if harness.UnderTest() == harness.Java {
		t.Log("Apache's server accepts these types; see knownDifferences")
		return
	}
	s := harness.Start(t, harness.Options{})
	for _, c := range []struct {
		op   int32
		body raw.Bytes
	}{
		{raw.OpCreateSession, raw.Bytes(nil).Int(4000)},
		{raw.OpDeleteContainer, raw.Path("/victim")},
	} {
		conn, _, err := raw.Connect(s.Addr(), 30000)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Call(raw.OpCreate, raw.Create("/victim", nil, raw.World, 0)); err != nil {
			t.Fatal(err)
		}
		r, err := conn.Call(c.op, c.body)
		if err != nil || r.Err != raw.ErrUnimplemented || !conn.Closed() {
			t.Errorf("%s from a client: %v, code %d; want -6 and the end of the connection", raw.OpName(c.op), err, r.Err)
		}
	}
	conn, _, err := raw.Connect(s.Addr(), 30000)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if r, err := conn.Call(raw.OpExists, raw.PathBool("/victim", false)); err != nil || r.Err != 0 {
		t.Errorf("a client's deleteContainer deleted a node: %v, code %d", err, r.Err)
	}
}

// TestSetACLHoldsForWhatFollows holds Zooid to the row of knownDifferences
// about writes pipelined behind a setACL.
func TestSetACLHoldsForWhatFollows(t *testing.T) {
	harness.Ring(t)
	if harness.UnderTest() == harness.Java {
		t.Log("Apache's server checks such writes against either ACL; see knownDifferences")
		return
	}
	s := harness.Start(t, harness.Options{})
	conn, _, err := raw.Connect(s.Addr(), 30000)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	readOnly := []raw.ACL{{Perms: 1, Scheme: "world", ID: "anyone"}}
	if err := conn.Send(
		raw.Frame(1, raw.OpCreate, raw.Create("/a", nil, raw.World, 0)),
		raw.Frame(2, raw.OpSetACL, raw.SetACL("/a", readOnly, -1)),
		raw.Frame(3, raw.OpSetData, raw.SetData("/a", []byte("x"), -1)),
		raw.Frame(4, raw.OpCreate, raw.Create("/a/b", nil, raw.World, 0)),
	); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int32{0, 0, raw.ErrNoAuth, raw.ErrNoAuth} {
		frame, err := conn.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r := raw.ParseReply(frame); r.Err != want {
			t.Errorf("request %d: code %d, want %d", i+1, r.Err, want)
		}
	}
}
