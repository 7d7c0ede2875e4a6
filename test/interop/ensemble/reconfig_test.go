package ensemble

import (
	"fmt"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// reconfigurable are the options of an ensemble that may be changed by anybody.
func reconfigurable(kinds []harness.Kind, lines ...string) harness.EnsembleOptions {
	return harness.EnsembleOptions{Kinds: kinds, Lines: append([]string{"reconfigEnabled=true"}, lines...), Properties: []string{"zookeeper.skipACL=yes"}}
}

// configAt waits until a member shows the version of a configuration, and
// returns its text.
func configAt(t *testing.T, c *zk.Client, version string) string {
	t.Helper()
	text := ""
	harness.Until(t, c.Server()+" shows configuration "+version, nil, func() bool {
		data, _, err := c.GetConfig(within(t))
		text = string(data)
		return err == nil && strings.HasSuffix(text, "\nversion="+version)
	})
	return text
}

// versionIn is the version at the end of a configuration.
func versionIn(text string) string {
	return text[strings.LastIndexByte(text, '=')+1:]
}

func reconfig(t *testing.T, c *zk.Client, change zk.Change) string {
	t.Helper()
	change.From = zk.AnyConfig
	text, _, err := c.Reconfig(within(t), change)
	if err != nil {
		t.Fatalf("reconfig %+v at %s: %v", change, c.Server(), err)
	}
	return string(text)
}

// TestRemoveAndAdd: a member is removed and comes back, and all members show the
// same configurations.
func TestRemoveAndAdd(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		clients := dialEach(t, e)
		first, _, err := clients[0].GetConfig(within(t))
		if err != nil || !strings.HasSuffix(string(first), "\nversion=100000000") {
			t.Fatalf("the first configuration: %v\n%s", err, first)
		}
		followers := e.Followers()
		gone := followers[0].ID
		removed := reconfig(t, clients[0], zk.Change{Leaving: fmt.Sprint(gone)})
		if strings.Contains(removed, fmt.Sprintf("server.%d=", gone)) {
			t.Fatalf("the reply still has server %d:\n%s", gone, removed)
		}
		for _, c := range clients {
			if text := configAt(t, c, versionIn(removed)); text != removed {
				t.Errorf("%s shows\n%s\nand the reply was\n%s", c.Server(), text, removed)
			}
		}
		create(t, clients[0], "/a", "1", zk.Persistent)
		line := followers[0].ServerLine("participant") + ";127.0.0.1:" + fmt.Sprint(followers[0].Port())
		added := reconfig(t, clients[0], zk.Change{Joining: line})
		if !strings.Contains(added, line) {
			t.Fatalf("the reply lacks %s:\n%s", line, added)
		}
		for _, c := range clients {
			if text := configAt(t, c, versionIn(added)); text != added {
				t.Errorf("%s shows\n%s\nand the reply was\n%s", c.Server(), text, added)
			}
			if got := read(t, c, "/a"); got != "1" {
				t.Errorf("/a at %s is %q", c.Server(), got)
			}
		}
	})
}
