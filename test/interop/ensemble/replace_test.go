package ensemble

import (
	"testing"

	"zooid/test/interop/harness"
)

// TestRollingReplacement: the members of a Java ensemble are replaced by Zooid's
// one by one on their own directories, and back again, as docs/migration.md says
// it: followers first, the leader last, the next one when all are in sync.
// Clients write all the time and lose nothing, no session either.
func TestRollingReplacement(t *testing.T) {
	harness.Gate(t)
	e := start(t, []harness.Kind{harness.Java, harness.Java, harness.Java})
	leader := e.WaitRoles()
	g := arrive(t, e, leader, "replaced")
	l := startLoad(t, e, 2, slowly)
	l.more(20)
	for _, kind := range []harness.Kind{harness.Zooid, harness.Java} {
		leader := e.WaitRoles()
		for _, m := range append(e.Followers(), leader) {
			mark := l.mark()
			m.Stop()
			m.Replace(kind)
			m.Launch()
			now := e.WaitRoles()
			harness.Until(t, "the leader counts all followers as synced", now.Done(), func() bool {
				return now.Metric("zk_synced_followers") == "2"
			})
			l.more(20)
			t.Logf("member %d is %s: %s; at most %v without an acknowledged write", m.ID, kind, e.Roles(), l.gapSince(mark))
		}
	}
	g.survived(e)
	l.check(e)
	checkEqual(t, e)
}
