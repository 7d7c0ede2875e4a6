package ensemble

import (
	"os/exec"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// TestElects: the members elect one leader, the others follow it, and srvr,
// stat, mntr and `zooid status` say so.
func TestElects(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		for _, m := range e.Members() {
			role, peer := "follower", "following - broadcast"
			if m == leader {
				role, peer = "leader", "leading - broadcast"
			}
			for _, word := range []string{"srvr", "stat"} {
				if out := m.FourLetter(word); !strings.Contains(out, "\nMode: "+role+"\n") {
					t.Errorf("%s of member %d (%s) does not say that it is a %s:\n%s", word, m.ID, m.Kind(), role, out)
				}
			}
			for key, want := range map[string]string{"zk_server_state": role, "zk_peer_state": peer, "zk_quorum_size": "3"} {
				if got := m.Metric(key); got != want {
					t.Errorf("member %d (%s): %s is %q, want %q", m.ID, m.Kind(), key, got, want)
				}
			}
			out, err := exec.Command(harness.ZooidBinary(t), "status", m.ConfigFile()).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "Mode: "+role+"\n") {
				t.Errorf("zooid status of member %d (%s): %v\n%s", m.ID, m.Kind(), err, out)
			}
		}
		if n := leader.Metric("zk_synced_followers"); n != "2" {
			t.Errorf("the leader (%s) counts %q synced followers, want 2", leader.Kind(), n)
		}
	})
}
