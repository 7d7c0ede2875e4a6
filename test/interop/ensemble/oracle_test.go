package ensemble

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// oracle is the file that each of two members looks at.
type oracle []string

func (o oracle) say(t *testing.T, m *harness.Member, word string) {
	t.Helper()
	if err := os.WriteFile(o[m.ID-1], []byte(word), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOracle: of an ensemble of two, one goes on without the other if and only if
// the oracle says so.
func TestOracle(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		dir := t.TempDir()
		files := oracle{filepath.Join(dir, "first"), filepath.Join(dir, "second")}
		e := harness.StartEnsemble(t, harness.EnsembleOptions{
			Kinds: []harness.Kind{kinds[0], kinds[len(kinds)-1]},
			Own:   map[int]harness.OwnLines{1: {Lines: []string{"oraclePath=" + files[0]}}, 2: {Lines: []string{"oraclePath=" + files[1]}}},
		})
		for round, lostFirst := range []bool{false, true, false} {
			left, lost := e.Leader(), e.Followers()[0]
			if lostFirst {
				left, lost = lost, left
			}
			before := dial(t, left.Addr())
			create(t, before, fmt.Sprintf("/both-%d", round), "", zk.Persistent)
			e.Kill(lost)
			harness.Until(t, fmt.Sprintf("member %d (%s) gives up", left.ID, left.Kind()), left.Done(), func() bool { return left.Role() == "" })
			files.say(t, left, "1")
			harness.Until(t, fmt.Sprintf("member %d (%s) leads alone", left.ID, left.Kind()), left.Done(), func() bool { return left.Role() == "leader" })
			create(t, dial(t, left.Addr()), fmt.Sprintf("/alone-%d", round), "", zk.Persistent)
			e.Launch(lost)
			if leader := e.WaitRoles(); leader != left {
				t.Errorf("member %d (%s) leads, and not the one that was left", leader.ID, leader.Kind())
			}
			files.say(t, left, "0")
			create(t, dial(t, lost.Addr()), fmt.Sprintf("/again-%d", round), "", zk.Persistent)
			checkEqual(t, e)
		}
		// The leader that may go on does not stop.
		left, lost := e.Leader(), e.Followers()[0]
		files.say(t, left, "1")
		c := dial(t, left.Addr())
		session := c.SessionID()
		e.Kill(lost)
		create(t, c, "/kept", "", zk.Persistent)
		if left.Role() != "leader" || c.SessionID() != session {
			t.Errorf("member %d (%s) is %q", left.ID, left.Kind(), left.Role())
		}
		e.Launch(lost)
		e.WaitRoles()
		checkEqual(t, e)
	})
}
