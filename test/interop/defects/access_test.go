package defects

import (
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

var (
	ownerOnly = []raw.ACL{{Perms: 31, Scheme: "digest", ID: raw.DigestID("user1:pw1")}}
	readable  = append([]raw.ACL{{Perms: 1, Scheme: "world", ID: "anyone"}}, ownerOnly...)
)

func connect(t *testing.T, s *harness.Server) *raw.Conn {
	t.Helper()
	c, _, err := raw.Connect(s.Addr(), 30000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// owner is a connection that is user1.
func owner(t *testing.T, s *harness.Server) *raw.Conn {
	t.Helper()
	c := connect(t, s)
	must(t, c, raw.OpAuth, raw.Auth("digest", []byte("user1:pw1")), 0)
	return c
}

func must(t *testing.T, c *raw.Conn, op int32, body raw.Bytes, code int32) raw.Reply {
	t.Helper()
	r, err := c.Call(op, body)
	if err != nil || r.Err != code {
		t.Fatalf("%s: %v, code %d, want %d", raw.OpName(op), err, r.Err, code)
	}
	return r
}

// TestCVE20190201GetACLHidesHashes: getACL gave everybody the unsalted hashes
// of digest ids.
func TestCVE20190201GetACLHidesHashes(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	user, stranger := owner(t, s), connect(t, s)
	must(t, user, raw.OpCreate, raw.Create("/closed", nil, ownerOnly, 0), 0)
	must(t, user, raw.OpCreate, raw.Create("/open", nil, readable, 0), 0)
	must(t, stranger, raw.OpGetACL, raw.Path("/closed"), raw.ErrNoAuth)
	r := must(t, stranger, raw.OpGetACL, raw.Path("/open"), 0)
	for _, a := range r.Body.ACLs() {
		if a.Scheme == "digest" && a.ID != "user1:x" {
			t.Errorf("a stranger sees the digest id %q", a.ID)
		}
	}
	r = must(t, user, raw.OpGetACL, raw.Path("/open"), 0)
	if got := r.Body.ACLs(); !slices.Equal(got, readable) {
		t.Errorf("the owner sees %v, want %v", got, readable)
	}
}

// TestCVE202423944WatchersLearnNoPaths: persistent watchers were told the
// paths of nodes that they may not read.
func TestCVE202423944WatchersLearnNoPaths(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	user, stranger := owner(t, s), connect(t, s)
	must(t, user, raw.OpCreate, raw.Create("/top", nil, readable, 0), 0)
	must(t, stranger, raw.OpAddWatch, raw.PathInt("/top", 1), 0)
	must(t, stranger, raw.OpAddWatch, raw.PathInt("/top/secret", 0), 0)
	must(t, stranger, raw.OpExists, raw.PathBool("/top/secret", true), raw.ErrNoNode)
	must(t, user, raw.OpCreate, raw.Create("/top/secret", nil, ownerOnly, 0), 0)
	must(t, user, raw.OpSetData, raw.SetData("/top/secret", []byte("x"), -1), 0)
	must(t, user, raw.OpCreate, raw.Create("/top/secret/name", nil, ownerOnly, 0), 0)
	must(t, user, raw.OpDelete, raw.PathInt("/top/secret/name", -1), 0)
	must(t, user, raw.OpDelete, raw.PathInt("/top/secret", -1), 0)
	must(t, user, raw.OpCreate, raw.Create("/top/open", nil, readable, 0), 0)
	must(t, stranger, raw.OpPing, nil, 0)
	var seen []string
	for _, e := range stranger.Events {
		seen = append(seen, e.Path)
		if strings.Contains(e.Path, "secret") {
			t.Errorf("a stranger learns of %s (type %d)", e.Path, e.Type)
		}
	}
	if !slices.Contains(seen, "/top/open") {
		t.Errorf("the watch tells nothing at all: %v", seen)
	}
}

// TestCVE20188012NoQuorumPort: a server let anybody join its ensemble. One
// that stands alone opens no port but the client's, even when its zoo.cfg has
// a server line.
func TestCVE20188012NoQuorumPort(t *testing.T) {
	harness.Ring(t)
	s := harness.Prepare(t, harness.Options{Lines: []string{"server.1=127.0.0.1:2888:3888"}})
	writeFile(t, s.DataDir()+"/myid", "1\n")
	s.Restart()
	if ports := listening(t, s.Pid()); !slices.Equal(ports, []int{s.Port()}) {
		t.Errorf("listens on %v, want only the client port %d", ports, s.Port())
	}
}
