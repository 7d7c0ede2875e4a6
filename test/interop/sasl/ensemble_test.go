package sasl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// TestEnsemble has clients authenticate at every member: each server
// authenticates its own clients, and who they are goes with what it forwards.
func TestEnsemble(t *testing.T) {
	harness.Gate(t)
	for name, kinds := range map[string][]harness.Kind{
		"ours":  {harness.Zooid, harness.Zooid, harness.Zooid},
		"mixed": {harness.Zooid, harness.Java, harness.Zooid},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "jaas.conf")
			if err := os.WriteFile(file, []byte(jaasText), 0o600); err != nil {
				t.Fatal(err)
			}
			e := harness.StartEnsemble(t, harness.EnsembleOptions{
				Kinds: kinds, Lines: []string{provider, "superUser=super"},
				Properties: []string{"java.security.auth.login.config=" + file},
			})
			members := e.Members()
			for i, m := range members {
				path := fmt.Sprintf("/member%d", m.ID)
				want(t, m, "bob", "bobsecret", func(k *talk) { k.create(path, acl("sasl", "bob")) }, "create: error 0")
				other := members[(i+1)%len(members)]
				sync := func(k *talk) { k.call(raw.OpSync, raw.Path(path)) }
				set := func(k *talk) { k.call(raw.OpSetData, raw.SetData(path, []byte("x"), -1)) }
				want(t, other, "any", "anysecret", func(k *talk) { sync(k); k.get(path); set(k) }, "sync: error 0", "getData: error -102", "setData: error -102")
				want(t, other, "bob", "bobsecret", func(k *talk) { sync(k); k.get(path); set(k) }, "sync: error 0", "getData: error 0", "setData: error 0")
				want(t, other, "super", "adminsecret", set, "setData: error 0")
				want(t, other, "super", "bobsecret", set, "closed")
			}
			moved(t, members[0], members[1])
		})
	}
}

// moved takes a session to another member, where it has to authenticate anew.
func moved(t *testing.T, from, to *harness.Member) {
	t.Helper()
	c, session, err := raw.Connect(from.Addr(), 10000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k := &talk{Conn: c}
	k.login("bob", "bobsecret")
	k.get("/member1")
	c, _, err = raw.Resume(to.Addr(), session)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k.Conn = c
	k.call(raw.OpSync, raw.Path("/member1"))
	k.get("/member1")
	k.login("bob", "bobsecret")
	k.get("/member1")
	all := strings.Join(k.said, "\n")
	if strings.Count(all, "getData: error 0") != 2 || strings.Count(all, "getData: error -102") != 1 {
		t.Errorf("a session that moves:\n%s", all)
	}
}

// want has a user do something at a member and holds the end of what is said
// to the expected.
func want(t *testing.T, m *harness.Member, user, password string, act func(*talk), expected ...string) {
	t.Helper()
	c, _, err := raw.Connect(m.Addr(), 10000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k := &talk{Conn: c}
	k.login(user, password)
	act(k)
	tail := k.said[max(0, len(k.said)-len(expected)):]
	if strings.Join(tail, "\n") != strings.Join(expected, "\n") {
		t.Errorf("member %d (%s), %s: %q, want %q", m.ID, m.Kind(), user, k.said, expected)
	}
}
