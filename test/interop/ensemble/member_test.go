package ensemble

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// TestMemberCommand: zooid member shows an ensemble and changes it, and stops
// before what would cost the quorum.
func TestMemberCommand(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		opt := reconfigurable(cycle(kinds, 4))
		opt.Joiners, opt.Observers = []int{4}, []int{4}
		e := harness.StartEnsemble(t, opt)
		m := e.Member(4)
		m.Observer = false // a joiner follows without a vote
		c := dial(t, e.Member(1).Addr())
		for _, one := range e.Members()[:3] {
			reconfig(t, c, zk.Change{Joining: one.ReconfigLine("participant")})
		}
		run := func(args ...string) (string, error) {
			args = append([]string{"member", "--server", e.Leader().Addr()}, args...)
			out, err := exec.CommandContext(within(t), harness.ZooidBinary(t), args...).CombinedOutput()
			return string(out), err
		}
		good := func(want string, args ...string) {
			t.Helper()
			if out, err := run(args...); err != nil || !strings.Contains(out, want) {
				t.Errorf("member %v: %v\n%s\nwant %q in it", args, err, out, want)
			}
		}
		bad := func(want string, args ...string) {
			t.Helper()
			if out, err := run(args...); err == nil || !strings.Contains(out, want) {
				t.Errorf("member %v: %v\n%s\nwant %q in it and an exit code", args, err, out, want)
			}
		}
		good("3 voters, of which 1 may fail", "list")
		good("leader", "list")
		bad("server 4 does not follow (no answer)", "add", m.ReconfigLine("participant"), "--yes")
		m.Launch()
		waitRole(t, m, "follower")
		good("nothing was done", "add", m.ReconfigLine("observer"), "--dry-run")
		bad("there is no terminal to ask at", "add", m.ReconfigLine("observer"))
		good("done: version", "add", m.ReconfigLine("observer"), "--yes")
		m.Observer = true
		waitRole(t, m, "observer")
		bad("nothing to do", "add", m.ReconfigLine("observer"), "--yes")
		good("4 voters, of which 1 may fail afterwards", "promote", "4", "--yes")
		m.Observer = false
		e.WaitRoles()
		bad("nothing to do", "promote", "4", "--yes")
		leader := e.Leader()
		good(fmt.Sprintf("server %d leads", leader.ID), "remove", fmt.Sprint(leader.ID), "--yes")
		waitRole(t, leader, "follower")
		leader.Stop()
		next := e.WaitRoles()
		bad("is not a member", "remove", fmt.Sprint(leader.ID), "--yes")
		followers := e.Followers()
		followers[0].Stop()
		if followers[1] == next {
			t.Fatal("the leader follows")
		}
		bad("no quorum", "remove", fmt.Sprint(followers[1].ID), "--yes")
	})
}
