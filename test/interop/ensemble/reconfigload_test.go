package ensemble

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// TestReconfigUnderLoad: while clients write, members leave and come back, the
// leader each other time. No acknowledged write is lost, no session ends.
func TestReconfigUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(cycle(kinds, 5)))
		l := startLoad(t, e, 6, steadily)
		admin := dial(t, e.ClientAddrs())
		l.more(100)
		for turn := range 6 {
			m := e.WaitRoles()
			if turn%2 == 1 {
				m = e.Followers()[0]
			}
			insist(t, admin, zk.Change{Leaving: fmt.Sprint(m.ID)}, func(text string) bool {
				return !strings.Contains(text, fmt.Sprintf("server.%d=", m.ID))
			})
			l.more(60)
			e.WaitRoles()
			text := insist(t, admin, zk.Change{Joining: m.ReconfigLine("participant")}, func(text string) bool {
				return strings.Contains(text, fmt.Sprintf("server.%d=", m.ID))
			})
			l.more(60)
			settled(t, e, text)
		}
		l.check(e)
		checkTrees(t, e)
	})
}

// insist asks for a change until it is made: a server that changes its part, or
// whose leader goes, may end the connection without an answer, and a member that
// has just come back is not in sync at once.
func insist(t *testing.T, c *zk.Client, change zk.Change, made func(text string) bool) string {
	t.Helper()
	change.From = zk.AnyConfig
	var text []byte
	var err error
	ok := harness.Eventually(nil, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		defer cancel()
		if text, _, err = c.GetConfig(ctx); err == nil && made(string(text)) {
			return true
		}
		if text, _, err = c.Reconfig(ctx, change); err == nil {
			return made(string(text))
		}
		if !errors.Is(err, zk.ErrConnectionLoss) && !errors.Is(err, zk.ErrNewConfigNoQuorum) && !errors.Is(err, zk.ErrReconfigInProgress) {
			t.Fatalf("reconfig %+v: %v", change, err)
		}
		return false
	})
	if !ok {
		t.Fatalf("reconfig %+v: %v, and the configuration is\n%s", change, err, text)
	}
	return string(text)
}

// TestShellReconfigs: reconfig and config of zkCli, with Apache's texts.
func TestShellReconfigs(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		m := e.Followers()[0]
		at := e.Leader()
		run := func(line string) []string {
			var outs []string
			for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
				words := append([]string{"-server", at.Addr()}, strings.Fields(line)...)
				cmd := exec.CommandContext(within(t), harness.ZooidBinary(t), append([]string{"cli"}, words...)...)
				if kind == harness.Java {
					cmd = harness.JavaCommand(t, nil, "org.apache.zookeeper.ZooKeeperMain", words...)
				}
				out, err := cmd.CombinedOutput()
				_ = err // the exit code of a command that failed is compared elsewhere
				outs = append(outs, shellAnswers(string(out)))
			}
			return outs
		}
		for _, one := range e.Members() {
			reconfig(t, dial(t, at.Addr()), zk.Change{Joining: one.ReconfigLine("participant")})
		}
		for _, line := range []string{
			"config", "config -c", "config -s",
			fmt.Sprintf("reconfig -remove %d", m.ID), fmt.Sprintf("reconfig -add %s", m.ReconfigLine("participant")),
			"reconfig -remove 1,2,3", "reconfig -v 17 -remove 3", "reconfig -remove x",
		} {
			outs := run(line)
			if got, want := versionless(outs[1]), versionless(outs[0]); got != want {
				t.Errorf("%s says\n%s\nwant, as Apache's,\n%s", line, got, want)
			}
		}
	})
}

// shellAnswers drops what Java's shell says around a command.
func shellAnswers(out string) string {
	var kept []string
	for _, line := range strings.Split(out, "\n") {
		switch {
		case line == "", line == "WATCHER::", strings.HasPrefix(line, "Connecting to "), strings.HasPrefix(line, "WatchedEvent "):
		case strings.Contains(line, "] ERROR org."), strings.HasPrefix(line, "["), strings.HasPrefix(line, "SLF4J"), strings.Contains(line, " - INFO "), strings.Contains(line, "INFO org."):
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// versionless masks what two runs of one command cannot have in common: versions,
// times, and the order of Java's hash tables.
func versionless(out string) string {
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		if version, addrs, ok := strings.Cut(line, " "); ok && len(lines) == 1 {
			list := strings.Split(addrs, ",")
			slices.Sort(list)
			lines[i] = version + " " + strings.Join(list, ",")
		}
		for _, prefix := range []string{"version=", "mZxid = ", "mtime = ", "ctime = "} {
			if strings.HasPrefix(line, prefix) {
				lines[i] = prefix
			}
		}
	}
	return strings.Join(lines, "\n")
}
