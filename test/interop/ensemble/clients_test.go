package ensemble

import (
	"fmt"
	"os/exec"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// suite is a foreign suite of test/interop with its cases that fit an ensemble:
// all members stand in the connect string, each case has a chroot, and no
// client expects to read at once what another has written elsewhere.
type suite struct {
	name    string
	command func(t *testing.T, args ...string) *exec.Cmd
	cases   []string
}

func kazoo(t *testing.T, args ...string) *exec.Cmd { return kazooProgram(t, "kazoo_suite.py", args...) }

func kazooProgram(t *testing.T, file string, args ...string) *exec.Cmd {
	return exec.Command(harness.Python(t), append([]string{harness.Source("python", file)}, args...)...)
}

func javaSuite(class string) func(t *testing.T, args ...string) *exec.Cmd {
	return func(t *testing.T, args ...string) *exec.Cmd {
		return harness.JavaCommand(t, []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"}, class, args...)
	}
}

// TestForeignClients: kazoo, Apache's Java client and Curator's recipes work
// with members of an ensemble, also when the quorum is lost for a while.
func TestForeignClients(t *testing.T) {
	suites := []suite{
		{"kazoo", kazoo, []string{
			"pipelined_async", "transaction", "lock", "lock_goes_with_its_session", "election", "tree_cache_and_partitioner",
			"reconnect_after_kill", "reconnect_after_stop", "session_expires_while_away", "unlocked_by_many",
		}},
		{"java", javaSuite("ClientSuite"), []string{"AsyncPipeline", "Watches", "ReconnectAfterKill", "ReconnectAfterStop"}},
		{"curator", javaSuite("CuratorSuite"), []string{"Caches", "Leaders", "Mutexes", "LocksOverRestart"}},
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		for _, s := range suites {
			for _, name := range s.cases {
				t.Run(s.name+" "+name, func(t *testing.T) {
					chroot := create(t, dial(t, e.ClientAddrs()), "/"+s.name+"-"+name, "", zk.Persistent)
					harness.Converse(t, s.command(t, e.ClientAddrs()+chroot, name), func(order string) error { return obey(e, order) })
				})
			}
		}
		checkEqual(t, e)
	})
}

// TestRecipesUnderKills: Curator's recipes and Apache's client keep their promises
// while the leader is killed again and again, and no session is lost.
func TestRecipesUnderKills(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		before := epoch(t, e.Leader())
		chroot := create(t, dial(t, e.ClientAddrs()), "/recipes", "", zk.Persistent)
		harness.Converse(t, javaSuite("RecipeSuite")(t, e.ClientAddrs()+chroot, "UnderKills"), func(order string) error { return obey(e, order) })
		if now := epoch(t, e.WaitRoles()); now < before+6 {
			t.Errorf("the epoch is %d, was %d: leaders were not killed", now, before)
		}
		checkEqual(t, e)
	})
}

// obey does what a program wants done to its server. The programs rely on being
// disconnected, wherever they are, so the ensemble loses the leader and with
// one follower more its quorum.
func obey(e *harness.Ensemble, order string) error {
	switch order {
	case "kill":
		e.Kill(e.Leader(), e.Followers()[0])
	case "stop":
		for _, m := range []*harness.Member{e.Leader(), e.Followers()[0]} {
			m.Stop()
		}
	case "failover":
		leader := e.Leader()
		e.Kill(leader)
		e.WaitRoles()
		leader.Launch()
		leader.WaitServing()
		e.WaitRoles()
	case "start":
		for _, m := range e.Members() {
			if !m.Running() {
				m.Launch()
			}
		}
		e.WaitRoles()
	default:
		return fmt.Errorf("the program asks for %q", order)
	}
	return nil
}
