package secure

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// TestMembers: in an ensemble with a Java member a client's certificate has its
// rights at each member, whoever leads, and its session moves between their ports
// for TLS.
func TestMembers(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	opt := harness.EnsembleOptions{
		Kinds: []harness.Kind{harness.Zooid, harness.Zooid, harness.Java}, Properties: []string{netty},
		Lines: slices.Concat(w.stores("", "server", ".p12"), []string{
			"secureClientPortAddress=127.0.0.1", "X509AuthenticationProvider.superUser=CN=root",
		}),
		Own: map[int]harness.OwnLines{},
	}
	addrs := map[int]string{}
	for id := 1; id <= len(opt.Kinds); id++ {
		port := harness.FreePort(t)
		addrs[id] = fmt.Sprintf("127.0.0.1:%d", port)
		opt.Own[id] = harness.OwnLines{Lines: []string{fmt.Sprintf("secureClientPort=%d", port)}}
	}
	e := harness.StartEnsemble(t, opt)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	for id := 1; id <= len(opt.Kinds); id++ {
		client, root, other := connect(t, addrs[id], w.config(w.client)), connect(t, addrs[id], w.config(w.root)), connect(t, addrs[id], w.config(w.ca.Issue(t, "other")))
		path := fmt.Sprintf("/of-%d", id)
		if _, err := client.Create(ctx, path, nil, zk.Persistent, []zk.ACL{{Perms: zk.PermAll, Scheme: "auth"}}); err != nil {
			t.Fatalf("member %d: %v", id, err)
		}
		if _, err := other.Set(ctx, path, nil, -1); err == nil {
			t.Errorf("member %d lets somebody else write", id)
		}
		if _, err := root.Set(ctx, path, nil, -1); err != nil {
			t.Errorf("member %d: the super user: %v", id, err)
		}
	}
	mover := connect(t, addrs[1]+","+addrs[2], w.config(w.client))
	if _, err := mover.Create(ctx, "/mover", nil, zk.Ephemeral, []zk.ACL{{Perms: zk.PermAll, Scheme: "auth"}}); err != nil {
		t.Fatal(err)
	}
	session := mover.SessionID()
	for id := 1; id <= 2; id++ {
		if mover.Server() == addrs[id] {
			e.Kill(e.Member(id))
			break
		}
	}
	harness.Until(t, "the session at the other member", nil, func() bool {
		_, err := mover.Set(ctx, "/mover", []byte("x"), -1)
		return err == nil
	})
	if mover.SessionID() != session {
		t.Error("the session was lost")
	}
}
